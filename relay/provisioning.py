"""What the way back needs at AWS, and what has to be done to have it. A plan is data: what is wanted, what is there, the steps.

SES publishes to an SNS topic through an event destination of the configuration set; the topic posts to the relay's webhook, or
into a queue. Sources: SES developer guide, "Setting up Amazon SNS notifications" of event publishing; SNS developer guide,
"Amazon SNS message delivery retries"; SQS developer guide, "Amazon SQS dead-letter queues".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from relay.statements import canonical, listed

EVENT_TYPES = (
    "SEND",
    "REJECT",
    "BOUNCE",
    "COMPLAINT",
    "DELIVERY",
    "OPEN",
    "CLICK",
    "RENDERING_FAILURE",
    "DELIVERY_DELAY",
    "SUBSCRIPTION",
)
TRACKING = frozenset({"OPEN", "CLICK"})  # for these SES puts a picture into the mail and its own addresses into its links

# 1 retry at once, 2 after 5 s, 10 after 5 to 60 s, 47 after 60 s: three quarters of an hour and more, and within the hour that
# SNS takes at most. No gap is longer than a minute, so that a call in doubt is proven soon after the relay is back.
RETRY_POLICY = {
    "healthyRetryPolicy": {
        "minDelayTarget": 5,
        "maxDelayTarget": 60,
        "numRetries": 60,
        "numNoDelayRetries": 1,
        "numMinDelayRetries": 2,
        "numMaxDelayRetries": 47,
        "backoffFunction": "exponential",
    }
}
_DAYS_14 = str(14 * 86400)  # the longest that a queue keeps
_MOST_RECEIVES = 20  # then it is no longer the relay that is ill, but the message


class Transport(StrEnum):
    """How the topic's messages get to the relay."""

    HTTPS = "https"
    SQS = "sqs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What somebody may choose of a set-up. The `public_url` of the settings is meant where there is none; where nothing is
    tracked, SES changes no mail for its Open and Click events.
    """

    transport: Transport = Transport.HTTPS
    public_url: str = ""
    tracks: bool = True


class Part(StrEnum):
    """What there is to make, in the order in which it must be: each needs those before it."""

    CONFIGURATION_SET = "configuration set"
    TOPIC = "topic"
    DEAD_LETTERS = "dead-letter queue"
    QUEUE = "queue"
    SUBSCRIPTION = "subscription"
    DESTINATION = "event destination"  # last: SES publishes at once, and refuses a topic that does not let it


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is wanted. `webhook` is the whole URL, empty for SQS, and `login` what SNS has to say there: user and password.
    The relay `suppresses` if it puts its own on SES's list, and `verifies` if senders may be added by the HTTP API or in
    the console.
    """

    partition: str
    region: str
    account: str
    configuration_set: str
    topic: str
    transport: Transport
    webhook: str = ""
    login: tuple[str, str] | None = field(default=None, repr=False)
    event_types: tuple[str, ...] = EVENT_TYPES
    suppresses: bool = False
    verifies: bool = False

    def arn(self, service: str, name: str) -> str:
        """Of something of this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{name}"

    @property
    def configuration_set_arn(self) -> str:
        return self.arn("ses", f"configuration-set/{self.configuration_set}")

    @property
    def topic_arn(self) -> str:
        return self.arn("sns", self.topic)

    @property
    def queue(self) -> str:
        return self.topic

    @property
    def dead_letters(self) -> str:
        return f"{self.queue}-dead"

    @property
    def endpoint(self) -> str:
        """Where the topic delivers to, as the subscription names it."""
        return self.webhook if self.transport is Transport.HTTPS else self.arn("sqs", self.queue)

    @property
    def endpoint_with_login(self) -> str:
        """As SNS is asked to deliver to it (SNS developer guide, "HTTP/HTTPS headers"); it shows the password to nobody."""
        if not self.login:
            return self.endpoint
        return self.endpoint.replace("://", "://" + ":".join(quote(word, safe="") for word in self.login) + "@", 1)

    @property
    def protocol(self) -> str:
        """Plain HTTP is for a sandbox on loopback."""
        return self.webhook.partition(":")[0] if self.transport is Transport.HTTPS else "sqs"


def without_login(endpoint: str) -> str:
    """An endpoint as SNS lists it, without the user and what stands in place of the password."""
    scheme, mark, rest = endpoint.partition("://")
    host, slash, path = rest.partition("/")
    return scheme + mark + host.rpartition("@")[2] + slash + path


Properties = Mapping[str, str]
"""What can be said of a part, by the name AWS has for it; lists and documents in the one spelling of `canonical`."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A part as it is wanted."""

    part: Part
    name: str
    properties: Properties


@dataclass(frozen=True, slots=True)
class Change:
    """A property that is not as it is wanted. `was` is empty where there was nothing."""

    key: str
    was: str
    becomes: str


@dataclass(frozen=True, slots=True)
class Step:
    """Makes what is missing, or mends what differs. `changes` has every property."""

    resource: Resource
    is_new: bool
    changes: tuple[Change, ...]


def wanted(setup: Setup) -> tuple[Resource, ...]:
    """In the order in which it must be made."""
    topic = {"SignatureVersion": "2", "Policy": canonical(publish_statement(setup))}
    destination = {"Enabled": "true", "TopicArn": setup.topic_arn, "MatchingEventTypes": listed(setup.event_types)}
    way = _queues(setup) if setup.transport is Transport.SQS else ()
    return (
        Resource(Part.CONFIGURATION_SET, setup.configuration_set, {}),
        Resource(Part.TOPIC, setup.topic_arn, topic),
        *way,
        Resource(Part.SUBSCRIPTION, setup.endpoint, _subscription(setup)),
        Resource(Part.DESTINATION, setup.topic, destination),
    )


def _queues(setup: Setup) -> tuple[Resource, Resource]:
    dead, queue = setup.arn("sqs", setup.dead_letters), setup.arn("sqs", setup.queue)
    allow = {"redrivePermission": "byQueue", "sourceQueueArns": [queue]}
    redrive = {"deadLetterTargetArn": dead, "maxReceiveCount": _MOST_RECEIVES}
    return (
        Resource(
            Part.DEAD_LETTERS, setup.dead_letters, {"MessageRetentionPeriod": _DAYS_14, "RedriveAllowPolicy": canonical(allow)}
        ),
        Resource(
            Part.QUEUE,
            setup.queue,
            {
                "MessageRetentionPeriod": _DAYS_14,
                "ReceiveMessageWaitTimeSeconds": "20",
                "VisibilityTimeout": "60",
                "RedrivePolicy": canonical(redrive),
                "Policy": canonical(send_statement(setup)),
            },
        ),
    )


def _subscription(setup: Setup) -> Properties:
    """Never raw: only the envelope is signed."""
    common = {"PendingConfirmation": "false", "RawMessageDelivery": "false"}
    return common | ({"DeliveryPolicy": canonical(RETRY_POLICY)} if setup.transport is Transport.HTTPS else {})


def publish_statement(setup: Setup) -> dict[str, Any]:
    """Lets SES publish to the topic, for this account and this configuration set alone: without that anybody's SES could."""
    source = {"AWS:SourceAccount": setup.account, "AWS:SourceArn": setup.configuration_set_arn}
    return {
        "Sid": "RelaySesPublishes",
        "Effect": "Allow",
        "Principal": {"Service": "ses.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": setup.topic_arn,
        "Condition": {"StringEquals": source},
    }


def send_statement(setup: Setup) -> dict[str, Any]:
    """Lets the topic, and no other, send to the queue."""
    return {
        "Sid": "RelayTopicSends",
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": setup.arn("sqs", setup.queue),
        "Condition": {"ArnEquals": {"aws:SourceArn": setup.topic_arn}},
    }


def steps(resources: Sequence[Resource], found: Mapping[Part, Properties | None]) -> tuple[Step, ...]:
    """What has to be done; nothing where all is as it is wanted."""
    taken = []
    for resource in resources:
        there = found.get(resource.part)
        changes = _changes(resource.properties, there or {})
        if there is None or changes:
            taken.append(Step(resource, there is None, changes))
    return tuple(taken)


def _changes(properties: Properties, there: Properties) -> tuple[Change, ...]:
    return tuple(Change(key, there.get(key, ""), value) for key, value in properties.items() if there.get(key, "") != value)


def longest_gap(policy: Mapping[str, Any]) -> float:
    """Seconds between two tries of a retry policy."""
    healthy = policy.get("healthyRetryPolicy", policy)
    return float(max(healthy.get("minDelayTarget") or 0, healthy.get("maxDelayTarget") or 0))
