"""`relay aws`: against the sandbox with a relay that runs, and against moto for what the sandbox has none of."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from relay.sandbox.cloud import Cloud
from relay.sandbox.sns import Topic
from tests.harness import APPLICATION, TOPIC, Relay, mail, submit

BOUNCE = "bounce@simulator.amazonses.com"
SET = "tests"  # what the harness sets


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    cloud = Cloud()
    await cloud.start()
    yield cloud
    await cloud.stop()


@pytest.fixture
async def relay(cloud: Cloud, tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[Relay]:
    """With a webhook where its settings say it is, and a topic at AWS that does not exist yet."""
    listen = f"127.0.0.1:{unused_tcp_port}"
    relay = Relay(tmp_path, cloud.port, RELAY_CALLBACKS__LISTEN=listen, RELAY_CALLBACKS__PUBLIC_URL=f"http://{listen}")
    cloud.topic = Topic(arn=TOPIC, key_file=tmp_path / "sns.key", endpoint="")
    cloud.topic.delay = 0.0
    await cloud.topic.start()
    await relay.start(APPLICATION)
    yield relay
    await relay.stop()


@pytest.fixture
def stopped(cloud: Cloud, tmp_path: Path) -> Relay:
    """Nobody is there to confirm."""
    return Relay(tmp_path, cloud.port, RELAY_CALLBACKS__PUBLIC_URL="https://relay.example.com")


async def test_one_command_sets_up_the_way_back_and_events_come(relay: Relay, cloud: Cloud) -> None:
    status, shown = await relay.cli("aws", "setup")
    assert status == 0
    made = re.findall(r"(?m)^(configuration set|topic|subscription|event destination) .*: made$", shown)
    assert made == ["configuration set", "topic", "subscription", "event destination"]
    assert "The subscription is confirmed." in shown
    assert "[feedback]" not in shown  # the settings have it all
    with relay.smtp() as client:
        id = await asyncio.to_thread(
            submit, client, mail(to="bounce@simulator.amazonses.com"), to="bounce@simulator.amazonses.com"
        )
    assert await relay.status(id, "bounced hard") == ["bounced hard"]
    assert not relay.faults()


async def test_the_second_time_nothing_is_changed(relay: Relay, cloud: Cloud) -> None:
    await relay.cli("aws", "setup")
    before = (json.dumps(cloud.configuration_sets), cloud.topics.attributes.copy(), len(cloud.topics.subscriptions))
    _, shown = await relay.cli("aws", "setup")
    assert "Nothing to do: all is as it should be." in shown
    assert (json.dumps(cloud.configuration_sets), cloud.topics.attributes, len(cloud.topics.subscriptions)) == before
    assert (await relay.cli("aws", "status"))[0] == 0


def without_send(cloud: Cloud) -> None:
    [destination] = cloud.configuration_sets[SET].values()
    destination["MatchingEventTypes"].remove("SEND")


def open_policy(cloud: Cloud) -> None:
    cloud.topics.attributes[TOPIC]["Policy"] = cloud.topics.attributes[TOPIC]["Policy"].replace("tests", "other")


def old_signatures(cloud: Cloud) -> None:
    cloud.topics.attributes[TOPIC]["SignatureVersion"] = "1"


def raw(cloud: Cloud) -> None:
    cloud.topics.subscriptions[0].attributes["RawMessageDelivery"] = "true"


def unsubscribed(cloud: Cloud) -> None:
    cloud.topics.subscriptions.clear()


BY_HAND: list[tuple[Callable[[Cloud], None], str, str]] = [
    (without_send, "event destination relay-events: changed", "MatchingEventTypes"),
    (open_policy, f"topic {TOPIC}: changed", "Policy"),
    (old_signatures, f"topic {TOPIC}: changed", "SignatureVersion: 1 -> 2"),
    (raw, "subscription http://127.0.0.1", "RawMessageDelivery: true -> false"),
    (unsubscribed, "subscription http://127.0.0.1", "PendingConfirmation: false"),
]


async def test_a_subscription_that_somebody_has_deleted_is_made_anew(relay: Relay, cloud: Cloud) -> None:
    """SNS goes on listing what is gone, for a while."""
    await relay.cli("aws", "setup")
    cloud.topics.subscriptions[0].is_deleted = True
    status, shown = await relay.cli("aws", "setup")
    assert (status, "The subscription is confirmed." in shown, len(cloud.topics.subscriptions)) == (0, True, 2)
    assert re.findall(r"(?m)^(\w+) .*: made$", shown) == ["subscription"]


async def test_what_was_changed_by_hand_is_mended_and_said(relay: Relay, cloud: Cloud) -> None:
    """One after the other, as each is mended before the next."""
    await relay.cli("aws", "setup")
    for change, what, detail in BY_HAND:
        change(cloud)
        status, shown = await relay.cli("aws", "status", check=False)
        assert (change, status) == (change, 1)
        assert what.removesuffix(": changed") in shown
        _, shown = await relay.cli("aws", "setup")
        assert what in shown
        assert detail in shown
        assert shown.count(": changed") + shown.count(": made") == 1
    assert (await relay.cli("aws", "status"))[0] == 0


async def test_a_dry_run_shows_the_plan_and_the_rights_and_changes_nothing(relay: Relay, cloud: Cloud) -> None:
    _, shown = await relay.cli("aws", "setup", "--dry-run")
    assert shown.count("would be made") == 4
    policy = json.loads(shown[shown.index("{\n") :])
    assert {"ses:SendEmail", "ses:SendRawEmail"} <= set(policy["Statement"][0]["Action"])
    assert (dict(cloud.configuration_sets), cloud.topics.attributes, cloud.topics.subscriptions) == ({}, {}, [])


class AllBut(set[str]):
    """All rights but these."""

    def __contains__(self, right: object) -> bool:
        return not super().__contains__(right)


async def rights(relay: Relay, role: str) -> set[str]:
    """Whose they are anybody may ask."""
    _, printed = await relay.cli("aws", "policy", "--for", role)
    return {"sts:GetCallerIdentity", *(action for each in json.loads(printed)["Statement"] for action in each["Action"])}


async def test_the_rights_of_the_relay_are_enough_for_it(relay: Relay, cloud: Cloud) -> None:
    own = await rights(relay, "relay")
    cloud.denied = AllBut(own | await rights(relay, "setup"))
    await relay.cli("aws", "setup")  # for which it confirms
    cloud.denied = AllBut(own)
    await relay.cli("sender", "sync")
    with relay.smtp() as client:
        id = await asyncio.to_thread(submit, client, mail())
    assert await relay.status(id, "delivered") == ["delivered"]


async def test_the_rights_of_the_set_up_are_enough_for_it(stopped: Relay, cloud: Cloud) -> None:
    cloud.denied = AllBut(await rights(stopped, "setup"))
    for change in ("made", "changed"):
        _, shown = await stopped.cli("aws", "setup", "--wait", "0", check=False)
        assert f"event destination relay-events: {change}" in shown
        cloud.topics.subscriptions[0].is_confirmed = True
        raw(cloud)
        without_send(cloud)
        old_signatures(cloud)


@pytest.mark.parametrize(
    "right",
    [
        "sts:GetCallerIdentity",
        "ses:ListEmailIdentities",
        "ses:GetConfigurationSet",
        "ses:CreateConfigurationSetEventDestination",
        "sns:GetTopicAttributes",
        "sns:CreateTopic",
        "sns:SetTopicAttributes",
        "sns:Subscribe",
    ],
)
async def test_a_right_that_is_missing_is_named(stopped: Relay, cloud: Cloud, right: str) -> None:
    cloud.denied = {right}
    status, shown = await stopped.cli("aws", "setup", check=False)
    assert status == 2
    assert f"the right {right} is missing" in shown
    assert "Traceback" not in shown
    cloud.denied = set()
    _, shown = await stopped.cli("aws", "setup", "--wait", "0", check=False)
    assert "event destination relay-events: made" in shown  # what was made before it is no hindrance


async def test_a_relay_that_does_not_know_the_topic_is_told_what_to_set(cloud: Cloud, tmp_path: Path) -> None:
    settings = {"RELAY_SES__CONFIGURATION_SET": "", "RELAY_FEEDBACK__TOPICS": ""}
    stranger = Relay(tmp_path, cloud.port, RELAY_CALLBACKS__PUBLIC_URL="https://relay.example.com", **settings)
    status, shown = await stranger.cli("aws", "setup", check=False)
    assert status == 1
    assert 'configuration_set = "relay"' in shown
    assert 'topics = ["arn:aws:sns:us-east-1:123456789012:relay-events"]' in shown
    assert [each.endpoint for each in cloud.topics.subscriptions] == ["https://relay.example.com/sns"]


async def test_a_policy_that_does_not_hold_at_once_is_waited_for(stopped: Relay, cloud: Cloud) -> None:
    cloud.topics.late = 1
    _, shown = await stopped.cli("aws", "setup", "--wait", "0", check=False)
    assert "event destination relay-events: made" in shown


async def test_without_a_public_url_it_says_what_is_missing(cloud: Cloud, tmp_path: Path) -> None:
    status, shown = await Relay(tmp_path, cloud.port).cli("aws", "setup", check=False)
    assert status == 2
    assert "callbacks.public_url is not set" in shown


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
async def test_whoever_has_no_credentials_yet_sees_the_rights_that_they_will_need(
    stopped: Relay, region: str, partition: str
) -> None:
    stopped.settings["RELAY_SES__REGION"] = region
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del stopped.settings[name]
    _, shown = await stopped.cli("aws", "policy")
    told, _, printed = shown.partition("\n")
    assert told == "relay: no credentials of AWS: ACCOUNT stands where the number of your account must"
    assert f"arn:{partition}:ses:{region}:ACCOUNT:identity/*" in json.loads(printed)["Statement"][0]["Resource"]
    status, shown = await stopped.cli("aws", "setup", check=False)
    assert (status, shown) == (2, "relay: Unable to locate credentials\n")


async def test_a_webhook_that_wants_a_password_at_a_path_of_its_own_gets_it_and_nobody_sees_it(
    cloud: Cloud, tmp_path: Path, unused_tcp_port: int
) -> None:
    listen, password = f"127.0.0.1:{unused_tcp_port}", "p@ss/word:1"
    settings = {
        "RELAY_CALLBACKS__LISTEN": listen,
        "RELAY_CALLBACKS__PUBLIC_URL": f"http://{listen}",
        "RELAY_FEEDBACK__WEBHOOK_PATH": "/hooks/ses",
        "RELAY_FEEDBACK__WEBHOOK_USER": "sns",
        "RELAY_FEEDBACK__WEBHOOK_PASSWORD": password,
    }
    relay = Relay(tmp_path, cloud.port, **settings)
    cloud.topic = Topic(arn=TOPIC, key_file=tmp_path / "sns.key", endpoint="")
    cloud.topic.delay = 0.0
    await cloud.topic.start()
    await relay.start(APPLICATION)
    status, shown = await relay.cli("aws", "setup")
    assert (status, "The subscription is confirmed." in shown) == (0, True)
    assert f"subscription http://{listen}/hooks/ses: made" in shown
    assert (await relay.cli("aws", "status"))[0] == 0
    _, told = await relay.cli("doctor", "--json", check=False)
    seen = {finding["check"]: (finding["grade"], finding["seen"]) for finding in json.loads(told)["findings"]}
    assert seen["subscription"] == ("ok", f"confirmed: http://{listen}/hooks/ses")
    assert seen["public URL"][0] == "ok"
    assert not [text for text in (shown, told, relay.log.read_text()) if password in text or "p%40ss" in text]
    await relay.stop()


async def test_without_tracking_nobody_is_watched(relay: Relay, cloud: Cloud) -> None:
    await relay.cli("aws", "setup", "--no-tracking")
    [destination] = cloud.configuration_sets[SET].values()
    assert not {"OPEN", "CLICK"} & set(destination["MatchingEventTypes"])
    assert len(destination["MatchingEventTypes"]) == 8


# moto has SNS, SQS and STS; of SES no event destinations, so those are the sandbox's. It takes these two, and keeps them not.
FORGOTTEN_BY_MOTO = {
    f"topic {TOPIC} SignatureVersion: 1 -> 2",
    'dead-letter queue relay-events-dead RedriveAllowPolicy: nothing -> {"redrivePermission":"byQueue","sourceQueueArns":['
    '"arn:aws:sqs:us-east-1:123456789012:relay-event...',
}


@pytest.fixture
def moto(moto_port: int) -> Callable[[str], Any]:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return lambda service: boto3.client(service, region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{moto_port}", **keys)


def beside(moto_port: int, cloud: Cloud, folder: Path) -> Relay:
    return Relay(folder, cloud.port, RELAY_FEEDBACK__SNS_ENDPOINT=f"http://127.0.0.1:{moto_port}")


def changed(shown: str) -> set[str]:
    """What was changed: part, name, property, before and after."""
    found = re.findall(r"(?m)^(.+): changed\n((?:    .+\n)+)", shown)
    return {f"{what} {detail.strip()}" for what, details in found for detail in details.splitlines()}


async def attributes(call: Callable[..., Any], **options: Any) -> dict[str, str]:
    found: dict[str, str] = (await asyncio.to_thread(call, **options))["Attributes"]
    return found


async def test_moto_gets_a_queue_that_only_the_topic_may_fill(
    moto_port: int, moto: Callable[[str], Any], cloud: Cloud, tmp_path: Path
) -> None:
    relay = beside(moto_port, cloud, tmp_path)
    _, shown = await relay.cli("aws", "setup", "--transport", "sqs")
    assert shown.count(": made") == 6
    assert re.search(r'(?m)^queues = \["http://127\.0\.0\.1:[0-9]+/123456789012/relay-events"\]$', shown)
    sqs, sns = moto("sqs"), moto("sns")
    url = (await asyncio.to_thread(sqs.get_queue_url, QueueName="relay-events"))["QueueUrl"]
    queue = await attributes(sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["All"])
    [statement] = json.loads(queue["Policy"])["Statement"]
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": TOPIC}}
    assert json.loads(queue["RedrivePolicy"])["deadLetterTargetArn"].endswith(":relay-events-dead")
    await asyncio.to_thread(sns.publish, TopicArn=TOPIC, Message="an event", Subject="s")
    [received] = (await asyncio.to_thread(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=5))["Messages"]
    assert json.loads(received["Body"])["Message"] == "an event"
    _, shown = await relay.cli("aws", "setup", "--transport", "sqs")
    assert changed(shown) == FORGOTTEN_BY_MOTO


async def test_moto_has_what_was_changed_by_hand_mended(
    moto_port: int, moto: Callable[[str], Any], cloud: Cloud, tmp_path: Path
) -> None:
    relay = beside(moto_port, cloud, tmp_path)
    await relay.cli("aws", "setup", "--transport", "sqs")
    sqs, sns = moto("sqs"), moto("sns")
    url = (await asyncio.to_thread(sqs.get_queue_url, QueueName="relay-events"))["QueueUrl"]
    await asyncio.to_thread(sqs.set_queue_attributes, QueueUrl=url, Attributes={"VisibilityTimeout": "1", "Policy": ""})
    [subscription] = (await asyncio.to_thread(sns.list_subscriptions))["Subscriptions"]
    arn, raw = subscription["SubscriptionArn"], {"AttributeName": "RawMessageDelivery", "AttributeValue": "true"}
    await asyncio.to_thread(sns.set_subscription_attributes, SubscriptionArn=arn, **raw)
    _, shown = await relay.cli("aws", "setup", "--transport", "sqs")
    statement = '{"Action":"sqs:SendMessage","Condition":{"ArnEquals":{"aws:SourceArn":"' + TOPIC
    assert changed(shown) - FORGOTTEN_BY_MOTO == {
        "queue relay-events VisibilityTimeout: 1 -> 60",
        f"queue relay-events Policy: nothing -> {statement[:97]}...",
        "subscription arn:aws:sqs:us-east-1:123456789012:relay-events RawMessageDelivery: true -> false",
    }
    _, shown = await relay.cli("aws", "status", "--transport", "sqs", check=False)
    assert "queue relay-events: as it should be" in shown
