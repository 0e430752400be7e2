"""The way of events: configuration set, event destination, topic, subscription, queues."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from relay import provisioning, statements
from relay.aws.asking import is_missing
from relay.doctor.look import Look, NotLooked
from relay.errors import AwsRefused
from relay.findings import Verdict, fail, ok, warning

_SETUP = "run `relay aws setup`"
_NEEDED = {"SEND": "proof that SES took a message", "BOUNCE": "what bounced", "COMPLAINT": "who complained"}
_WISHED = ("DELIVERY", "DELIVERY_DELAY", "REJECT", "RENDERING_FAILURE")
_LONGEST_GAP = 60.0

Destination = Mapping[str, Any]


async def configuration_set(look: Look) -> Verdict:
    """It is there, and lets mail out."""
    name = look.config.ses.configuration_set
    if not name:
        return fail("none is set: SES reports nothing", f"{_SETUP}, and put what it prints into the settings")
    try:
        answer = await look.ask("sesv2", "get_configuration_set", ConfigurationSetName=name)
    except AwsRefused as error:
        if is_missing(error):
            return fail(f"{name} does not exist in {look.config.ses.region}", f"{_SETUP}, or correct ses.configuration_set")
        raise
    if not (answer.get("SendingOptions") or {}).get("SendingEnabled", True):
        return fail(f"{name}: sending is switched off", "switch it on in the console of SES, once you know who switched it off")
    return ok(name)


async def destination(look: Look) -> Verdict:
    """One that is on, and whose topic we listen to."""
    topics = look.config.feedback.topics
    if not topics:
        return fail("feedback.topics is empty: nothing is taken", f"{_SETUP}, and put what it prints into the settings")
    there = await _destinations(look)
    ours = [each for each in there if _topic(each) in topics]
    if not ours:
        elsewhere = ", ".join(sorted({_topic(each) or each["Name"] for each in there})) or "nowhere"
        return fail(f"events go {elsewhere}, not to feedback.topics", _SETUP)
    if not any(each.get("Enabled") for each in ours):
        return fail(f"{ours[0]['Name']} is switched off", _SETUP)
    return ok(f"{ours[0]['Name']} to {_topic(ours[0])}")


async def event_types(look: Look) -> Verdict:
    """Of all destinations to our topics together."""
    ours = [each for each in await _destinations(look) if each.get("Enabled") and _topic(each) in look.config.feedback.topics]
    published = {kind for each in ours for kind in each.get("MatchingEventTypes", [])}
    missing = [f"{kind} ({what})" for kind, what in _NEEDED.items() if kind not in published]
    if missing:
        return fail(f"not published: {', '.join(missing)}", _SETUP)
    if wished := [kind for kind in _WISHED if kind not in published]:
        return warning(f"not published: {', '.join(wished)}", _SETUP)
    return ok(" ".join(sorted(published)))


async def topic(look: Look) -> Verdict:
    """SES may publish there, and signatures are of the better kind."""
    for arn in _topics(look):
        try:
            attributes = (await look.ask("sns", "get_topic_attributes", TopicArn=arn))["Attributes"]
        except AwsRefused as error:
            if is_missing(error):
                return fail(f"{arn} does not exist", f"{_SETUP}, or correct feedback.topics")
            raise
        lets_ses = [each for each in statements.of_policy(attributes.get("Policy", "")) if _is_for_ses(each)]
        if not lets_ses:
            return fail(f"{arn}: its policy does not let SES publish", _SETUP)
        if not all("aws:sourcea" in json.dumps(each.get("Condition")).lower() for each in lets_ses):
            remedy = "put AWS:SourceAccount and AWS:SourceArn into the condition of each statement for SES"
            return warning(f"{arn}: its policy lets anybody's SES publish", remedy)
        if attributes.get("KmsMasterKeyId"):
            remedy = "let ses.amazonaws.com use kms:Decrypt and kms:GenerateDataKey* in the policy of its key"
            return warning(f"{arn} is encrypted with a key of its own", remedy)
        if (signed := attributes.get("SignatureVersion", "1")) != "2":
            return _signature(look, arn, signed)
    return ok(", ".join(look.config.feedback.topics))


def _is_for_ses(statement: Mapping[str, Any]) -> bool:
    return statement.get("Effect") == "Allow" and "ses.amazonaws.com" in json.dumps(statement.get("Principal"))


def _signature(look: Look, arn: str, signed: str) -> Verdict:
    if signed not in look.config.feedback.signature_versions:
        return fail(f"{arn} signs with version {signed}, which feedback.signature_versions refuses", _SETUP)
    return warning(f"{arn} signs with SHA-1", f'{_SETUP}; then set feedback.signature_versions to ["2"]')


async def subscription(look: Look) -> Verdict:
    """The webhook's, or that of a queue; confirmed."""
    wanted = list(_endpoints(look))
    if not wanted:
        return fail("neither callbacks.public_url nor feedback.queues is set", "set one of them; then `relay aws setup`")
    found = {each["Endpoint"]: each for arn in _topics(look) for each in await _subscriptions(look, arn)}
    ours = [each for endpoint, each in found.items() if any(endpoint.endswith(end) for end in wanted)]
    if not ours:
        return fail(f"{wanted[0]} is not subscribed", _SETUP + ("" if "://" in wanted[0] else " --transport sqs"))
    if pending := [each["Endpoint"] for each in ours if each["SubscriptionArn"] == "PendingConfirmation"]:
        return fail(
            f"{pending[0]} is not confirmed",
            "start the relay, then run `relay aws setup`: it asks SNS to post again",
        )
    return await _details(look, ours)


async def _details(look: Look, ours: list[Mapping[str, Any]]) -> Verdict:
    for each in ours:
        answer = await look.ask("sns", "get_subscription_attributes", SubscriptionArn=each["SubscriptionArn"])
        attributes, endpoint = answer["Attributes"], each["Endpoint"]
        if attributes.get("RawMessageDelivery") == "true" and each["Protocol"] != "sqs":
            return fail(f"{endpoint}: raw delivery is on, and what is raw bears no signature", _SETUP)
        retrying = json.loads(attributes.get("DeliveryPolicy") or "{}")
        if each["Protocol"] != "sqs" and not 0 < provisioning.longest_gap(retrying) <= _LONGEST_GAP:
            return warning(f"{endpoint}: SNS gives up early, or waits long between its tries", _SETUP)
    return ok("confirmed: " + ", ".join(each["Endpoint"] for each in ours))


async def queues(look: Look) -> Verdict:
    """They are there, what cannot be taken goes elsewhere, and nothing has gone there."""
    waiting = []
    for url in look.config.feedback.queues:
        try:
            attributes = await _queue(look, url)
        except AwsRefused as error:
            if is_missing(error):
                return fail(f"{url} does not exist", "run `relay aws setup --transport sqs`, or correct feedback.queues")
            raise
        if not attributes.get("RedrivePolicy"):
            return warning(f"{url} has no dead-letter queue", "run `relay aws setup --transport sqs`")
        dead = json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"].rpartition(":")[2]
        if count := int((await _queue(look, f"{url.rpartition('/')[0]}/{dead}")).get("ApproximateNumberOfMessages", 0)):
            return warning(
                f"{count} messages lie in {dead}", "see in the relay's journal why they were not taken, then redrive them"
            )
        waiting.append(f"{attributes.get('ApproximateNumberOfMessages', '?')} wait in {url.rpartition('/')[2]}")
    return ok("; ".join(waiting) or "none: events come to the webhook")


async def _queue(look: Look, url: str) -> Mapping[str, str]:
    answer = await look.ask("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"])
    attributes: Mapping[str, str] = answer.get("Attributes", {})
    return attributes


async def _destinations(look: Look) -> list[Destination]:
    name = look.config.ses.configuration_set
    if not name:
        raise NotLooked("configuration set")
    try:
        answer = await look.ask("sesv2", "get_configuration_set_event_destinations", ConfigurationSetName=name)
    except AwsRefused as error:
        if is_missing(error):
            raise NotLooked("configuration set") from error
        raise
    return list(answer.get("EventDestinations", []))


async def _subscriptions(look: Look, arn: str) -> list[Mapping[str, Any]]:
    """Those that are there, their endpoints without a login. SNS lists for a while what was deleted."""
    listing = look.pages("sns", "list_subscriptions_by_topic", TopicArn=arn)
    try:
        found = [each async for page in listing for each in page.get("Subscriptions", [])]
        there = [each for each in found if each["SubscriptionArn"] != "Deleted"]
        return [{**each, "Endpoint": provisioning.without_login(each["Endpoint"])} for each in there]
    except AwsRefused as error:
        if is_missing(error):
            raise NotLooked("topic") from error
        raise


def _topics(look: Look) -> tuple[str, ...]:
    if not look.config.feedback.topics:
        raise NotLooked("event destination")
    return look.config.feedback.topics


def _endpoints(look: Look) -> Iterable[str]:
    """How the endpoints of our subscriptions end: the webhook's URL, or the queue's name behind the account."""
    yield from (":" + ":".join(url.rsplit("/", 2)[1:]) for url in look.config.feedback.queues)
    if webhook := look.config.webhook:
        yield webhook


def _topic(each: Destination) -> str:
    return str((each.get("SnsDestination") or {}).get("TopicArn", ""))
