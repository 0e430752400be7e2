"""Looks at what there is of the way back, and takes the steps of a plan. A step can be taken twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from relay import provisioning, statements
from relay.aws.asking import Answer, Aws, is_missing, pages
from relay.errors import AwsRefused
from relay.provisioning import Part, Properties, Setup, Step, Transport

_TRIES = 5
_PAUSE = 2.0
_PENDING = "PendingConfirmation"  # an attribute, and what stands in place of the ARN until then
_DELETED = "Deleted"  # what stands there for a while of one that is gone


class Provisioner:
    """All calls raise AwsRefused."""

    def __init__(self, aws: Aws, setup: Setup) -> None:
        self._aws = aws
        self._setup = setup
        self._publish = provisioning.publish_statement(setup)
        self._send = provisioning.send_statement(setup)

    async def found(self) -> dict[Part, Properties | None]:
        """What there is, by part; None for what there is not."""
        topic = await self._topic()
        found = {
            Part.CONFIGURATION_SET: await self._configuration_set(),
            Part.TOPIC: topic,
            Part.SUBSCRIPTION: await self._subscription() if topic is not None else None,
            Part.DESTINATION: await self._destination(),
        }
        if self._setup.transport is Transport.SQS:
            found[Part.DEAD_LETTERS] = await self._queue(self._setup.dead_letters)
            found[Part.QUEUE] = await self._queue(self._setup.queue)
        return found

    async def take(self, step: Step) -> None:
        await _TAKEN[step.resource.part](self, step)

    async def is_confirmed(self) -> bool:
        """Whether the topic delivers to us."""
        listed = await self._listed()
        return listed is not None and listed["SubscriptionArn"] != _PENDING

    async def queue_url(self) -> str:
        """Of the queue that the relay reads."""
        return str((await self._aws.ask("sqs", "get_queue_url", QueueName=self._setup.queue))["QueueUrl"])

    async def _configuration_set(self) -> Properties | None:
        name = self._setup.configuration_set
        return None if await self._seek("sesv2", "get_configuration_set", ConfigurationSetName=name) is None else {}

    async def _make_configuration_set(self, step: Step) -> None:
        await self._aws.ask("sesv2", "create_configuration_set", ConfigurationSetName=step.resource.name)

    async def _topic(self) -> Properties | None:
        answer = await self._seek("sns", "get_topic_attributes", TopicArn=self._setup.topic_arn)
        if answer is None:
            return None
        attributes = answer["Attributes"]
        statement = statements.statement_of(attributes.get("Policy", ""), self._publish["Sid"])
        return {"SignatureVersion": attributes.get("SignatureVersion", "1"), "Policy": statement}

    async def _make_topic(self, step: Step) -> None:
        topic = self._setup.topic_arn
        if step.is_new:
            await self._aws.ask("sns", "create_topic", Name=self._setup.topic)
        there = (await self._aws.ask("sns", "get_topic_attributes", TopicArn=topic))["Attributes"]
        policy = statements.with_statement(there.get("Policy", ""), self._publish)
        for name, value in (("SignatureVersion", "2"), ("Policy", policy)):
            if any(change.key == name for change in step.changes):
                await self._aws.ask("sns", "set_topic_attributes", TopicArn=topic, AttributeName=name, AttributeValue=value)

    async def _queue(self, name: str) -> Properties | None:
        address = await self._seek("sqs", "get_queue_url", QueueName=name)
        if address is None:
            return None
        attributes = await self._queue_attributes(address["QueueUrl"])
        read = {"Policy": self._own_statement, "RedrivePolicy": _redrive, "RedriveAllowPolicy": _redrive_allow}
        return {key: read.get(key, str)(value) for key, value in attributes.items()}

    def _own_statement(self, policy: str) -> str:
        return statements.statement_of(policy, self._send["Sid"])

    async def _queue_attributes(self, address: str) -> Mapping[str, str]:
        answer = await self._aws.ask("sqs", "get_queue_attributes", QueueUrl=address, AttributeNames=["All"])
        attributes: Mapping[str, str] = answer.get("Attributes", {})
        return attributes

    async def _make_queue(self, step: Step) -> None:
        name = step.resource.name
        made = await self._aws.ask("sqs", "create_queue" if step.is_new else "get_queue_url", QueueName=name)
        values = {change.key: change.becomes for change in step.changes}
        if "Policy" in values:
            there = await self._queue_attributes(made["QueueUrl"])
            values["Policy"] = statements.with_statement(there.get("Policy", ""), self._send)
        await self._aws.ask("sqs", "set_queue_attributes", QueueUrl=made["QueueUrl"], Attributes=values)

    async def _subscription(self) -> Properties | None:
        listed = await self._listed()
        if listed is None:
            return None
        if listed["SubscriptionArn"] == _PENDING:  # until it is confirmed SNS says nothing more of it
            return {"PendingConfirmation": "true"}
        answer = await self._aws.ask("sns", "get_subscription_attributes", SubscriptionArn=listed["SubscriptionArn"])
        attributes = answer["Attributes"]
        retrying = statements.alike(attributes.get("DeliveryPolicy", ""), provisioning.RETRY_POLICY)
        raw = attributes.get("RawMessageDelivery", "false")
        return {"PendingConfirmation": "false", "RawMessageDelivery": raw, "DeliveryPolicy": retrying}

    async def _listed(self) -> Answer | None:
        """Our subscription among those of the topic. One that is gone may be listed still, before one that is there."""
        async for page in pages(self._aws.ask, "sns", "list_subscriptions_by_topic", TopicArn=self._setup.topic_arn):
            rows: Sequence[Answer] = page.get("Subscriptions", [])
            for each in rows:
                there = (each["Protocol"], provisioning.without_login(each["Endpoint"]))
                if there == (self._setup.protocol, self._setup.endpoint) and each["SubscriptionArn"] != _DELETED:
                    return each
        return None

    async def _make_subscription(self, step: Step) -> None:
        """Asked once more while it is pending, SNS posts the confirmation once more."""
        values = {key: value for key, value in step.resource.properties.items() if key != _PENDING}
        if any(change.key == _PENDING for change in step.changes):
            where = {
                "TopicArn": self._setup.topic_arn,
                "Protocol": self._setup.protocol,
                "Endpoint": self._setup.endpoint_with_login,
            }
            await self._aws.ask("sns", "subscribe", **where, Attributes=values, ReturnSubscriptionArn=True)
            return
        listed = await self._listed() or {}
        for change in step.changes:
            to = {"AttributeName": change.key, "AttributeValue": change.becomes}
            await self._aws.ask("sns", "set_subscription_attributes", SubscriptionArn=listed["SubscriptionArn"], **to)

    async def _destination(self) -> Properties | None:
        there = await self._own_destination()
        if there is None:
            return None
        return {
            "Enabled": str(bool(there.get("Enabled"))).lower(),
            "TopicArn": (there.get("SnsDestination") or {}).get("TopicArn", ""),
            "MatchingEventTypes": statements.listed(there.get("MatchingEventTypes", [])),
        }

    async def _own_destination(self) -> Answer | None:
        """The one that publishes to our topic, whatever its name; or else the one that has ours."""
        name = self._setup.configuration_set
        answer = await self._seek("sesv2", "get_configuration_set_event_destinations", ConfigurationSetName=name)
        there: Sequence[Answer] = (answer or {}).get("EventDestinations", [])
        ours = [each for each in there if (each.get("SnsDestination") or {}).get("TopicArn") == self._setup.topic_arn]
        return next(iter([*ours, *(each for each in there if each["Name"] == self._setup.topic)]), None)

    async def _make_destination(self, step: Step) -> None:
        there = {} if step.is_new else await self._own_destination() or {}
        definition = {
            "Enabled": True,
            "MatchingEventTypes": list(self._setup.event_types),
            "SnsDestination": {"TopicArn": self._setup.topic_arn},
        }
        await self._once_it_may_publish(
            f"{'create' if step.is_new else 'update'}_configuration_set_event_destination",
            ConfigurationSetName=self._setup.configuration_set,
            EventDestinationName=there.get("Name", step.resource.name),
            EventDestination=definition,
        )

    async def _once_it_may_publish(self, call: str, **options: Any) -> None:
        """SES tries the topic first, and a policy that was just made may not hold yet."""
        for _ in range(_TRIES - 1):
            try:
                await self._aws.ask("sesv2", call, **options)
                return
            except AwsRefused as error:
                if error.code != "BadRequestException" or "topic" not in str(error).lower():
                    raise
            await asyncio.sleep(_PAUSE)
        await self._aws.ask("sesv2", call, **options)

    async def _seek(self, service: str, call: str, **options: Any) -> Answer | None:
        """None where it is not there."""
        try:
            return await self._aws.ask(service, call, **options)
        except AwsRefused as error:
            if is_missing(error):
                return None
            raise


_TAKEN = {
    Part.CONFIGURATION_SET: Provisioner._make_configuration_set,
    Part.TOPIC: Provisioner._make_topic,
    Part.DEAD_LETTERS: Provisioner._make_queue,
    Part.QUEUE: Provisioner._make_queue,
    Part.SUBSCRIPTION: Provisioner._make_subscription,
    Part.DESTINATION: Provisioner._make_destination,
}


def _redrive(text: str) -> str:
    return statements.alike(text, {"deadLetterTargetArn": "", "maxReceiveCount": 0})


def _redrive_allow(text: str) -> str:
    return statements.canonical(json.loads(text))
