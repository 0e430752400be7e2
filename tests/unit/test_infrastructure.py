"""The examples for CloudFormation and Terraform make what `relay aws setup` makes: compared with its plan."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from relay import provisioning
from relay.provisioning import EVENT_TYPES, RETRY_POLICY, Part, Setup, Transport, wanted
from relay.rights import Role, policy
from relay.statements import canonical
from tests.unit.setups import QUEUE, WEBHOOK

CONFIG = Path(__file__).parents[2] / "config"
BOTH = pytest.mark.parametrize("setup", [WEBHOOK, QUEUE])


def properties(setup: Setup) -> dict[Part, Mapping[str, str]]:
    return {resource.part: resource.properties for resource in wanted(setup)}


Tag: Any = type("Tag", (yaml.SafeLoader,), {})  # !Ref, !Sub and the like become maps with one key
Tag.add_multi_constructor(
    "!",
    lambda loader, name, node: {
        f"!{name}": loader.construct_scalar(node)
        if isinstance(node, yaml.ScalarNode)
        else loader.construct_sequence(node, deep=True)
    },
)
TEMPLATE: dict[str, Any] = yaml.load((CONFIG / "cloudformation.yaml").read_text(), Tag)


class Stack:
    """The template's resources as they come out for a set-up."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._names = {
            "AWS::AccountId": setup.account,
            "AWS::Region": setup.region,
            "AWS::Partition": setup.partition,
            "PublicUrl": setup.webhook.removesuffix("/sns"),
            "Transport": str(setup.transport),
            "Events": setup.topic_arn,
            "Queue.Arn": setup.arn("sqs", setup.queue),
            "DeadLetters.Arn": setup.arn("sqs", setup.dead_letters),
            **{
                name: found["Default"]
                for name, found in TEMPLATE["Parameters"].items()
                if found["Default"] not in ("", "https")
            },
        }
        self.resources = {
            name: self._made(found.get("Properties", {}))
            for name, found in TEMPLATE["Resources"].items()
            if self._holds(found.get("Condition"))
        }

    def _holds(self, condition: str | None) -> bool:
        return condition is None or (condition == "UsesQueue") == (self._setup.transport is Transport.SQS)

    def _made(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self._made(each) for each in node]
        if not isinstance(node, dict):
            return node
        if node.keys() & {"!Ref", "!GetAtt"}:
            [name] = node.values()
            return self._names.get(name, name)
        if "!Sub" in node:
            return re.sub(r"\$\{([^}]+)\}", lambda found: self._names[found[1]], node["!Sub"])
        if "!If" in node:
            condition, holds, else_ = node["!If"]
            return self._made(holds if self._holds(condition) else else_)
        return {key: self._made(value) for key, value in node.items()}


@BOTH
def test_the_stack_has_the_names_of_the_plan(setup: Setup) -> None:
    made = Stack(setup).resources
    assert made["Set"] == {"Name": setup.configuration_set}
    assert made["Events"] == {"TopicName": setup.topic, "SignatureVersion": properties(setup)[Part.TOPIC]["SignatureVersion"]}
    way = made["ToQueue" if setup is QUEUE else "ToWebhook"]
    assert (way["Protocol"], way["Endpoint"], way["RawMessageDelivery"]) == (setup.protocol, setup.endpoint, False)


@BOTH
def test_the_stack_has_the_policies_of_the_plan(setup: Setup) -> None:
    made = Stack(setup).resources
    assert made["EventsPolicy"]["PolicyDocument"]["Statement"] == [provisioning.publish_statement(setup)]
    assert made["Rights"]["PolicyDocument"] == policy(Role.RELAY, setup)
    if setup is QUEUE:
        assert made["QueuePolicy"]["PolicyDocument"]["Statement"] == [provisioning.send_statement(setup)]
    else:
        assert made["ToWebhook"]["DeliveryPolicy"] == RETRY_POLICY


def test_the_stack_has_the_queues_of_the_plan() -> None:
    made, plan = Stack(QUEUE).resources, properties(QUEUE)
    for name, part in (("Queue", Part.QUEUE), ("DeadLetters", Part.DEAD_LETTERS)):
        said = {key: value if isinstance(value, dict) else str(value) for key, value in made[name].items()}
        spelled = {key: canonical(value) if isinstance(value, dict) else value for key, value in said.items()}
        assert spelled == {
            "QueueName": {Part.QUEUE: QUEUE.queue, Part.DEAD_LETTERS: QUEUE.dead_letters}[part],
            **{key: value for key, value in plan[part].items() if key != "Policy"},
        }


@BOTH
def test_the_stack_publishes_all_types_and_only_after_the_policy(setup: Setup) -> None:
    destination = Stack(setup).resources["Destination"]["EventDestination"]
    types = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).upper() for kind in destination["MatchingEventTypes"]}
    assert types == set(EVENT_TYPES)
    assert destination["SnsDestination"] == {"TopicARN": setup.topic_arn}
    assert (destination["Name"], destination["Enabled"]) == (setup.topic, True)
    assert TEMPLATE["Resources"]["Destination"]["DependsOn"] == "EventsPolicy"


TERRAFORM = (CONFIG / "terraform" / "main.tf").read_text()
BLOCKS = {f"{kind}.{name}": body for kind, name, body in re.findall(r'(?ms)^resource "(\w+)" "(\w+)" \{\n(.*?)^\}', TERRAFORM)}


def interpolated(text: str, setup: Setup) -> str:
    """What Terraform makes of ${...} and of %{if local.uses_queue}."""
    ses, sqs = setup.arn("ses", ""), setup.arn("sqs", "")
    names = {
        "local.account": setup.account,
        "local.ses": ses.removesuffix(":"),
        "local.sqs": sqs.removesuffix(":"),
        "var.topic": setup.topic,
        "var.configuration_set": setup.configuration_set,
        "var.public_url": setup.webhook.removesuffix("/sns"),
        "aws_sns_topic.events.arn": setup.topic_arn,
        "aws_sqs_queue.events[0].arn": setup.arn("sqs", setup.queue),
        "aws_sqs_queue.dead[0].arn": setup.arn("sqs", setup.dead_letters),
    }
    chosen = 1 if setup.transport is Transport.SQS else 2
    text = re.sub(r"(?s)%\{if local\.uses_queue\}(.*?)%\{else\}(.*?)%\{endif\}", lambda found: str(found[chosen]), text)
    return re.sub(r"\$\{([^}]+)\}", lambda found: names[found[1]], text)


def value(block: str, key: str, setup: Setup) -> str:
    """What stands behind a key: the text itself, or the document below it."""
    document = re.search(rf"(?ms)^  {key} += <<-JSON\n(.*?)^  JSON$", BLOCKS[block])
    if document:
        return canonical(json.loads(interpolated(document[1], setup)))
    found = re.search(rf"(?m)^  {key} += (.+)$", BLOCKS[block])
    assert found, (block, key)
    quoted = re.fullmatch(r'"(.*)"', found[1])
    return (
        interpolated(quoted[1], setup) if quoted else interpolated(f"${{{found[1]}}}", setup) if "." in found[1] else found[1]
    )


@BOTH
def test_terraform_has_the_policies_of_the_plan(setup: Setup) -> None:
    def statements(block: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(value(block, "policy", setup))["Statement"]
        return found

    assert statements("aws_sns_topic_policy.events") == [provisioning.publish_statement(setup)]
    assert statements("aws_sqs_queue_policy.events") == [provisioning.send_statement(setup)]
    rights = {canonical(each) for each in statements("aws_iam_policy.relay")}
    assert rights == {canonical(each) for each in policy(Role.RELAY, setup)["Statement"]}


def test_terraform_has_the_names_and_numbers_of_the_plan() -> None:
    topic, plan = "aws_sns_topic.events", properties(QUEUE)
    assert (value(topic, "name", QUEUE), value(topic, "signature_version", QUEUE)) == (QUEUE.topic, "2")
    keys = {
        "MessageRetentionPeriod": "message_retention_seconds",
        "ReceiveMessageWaitTimeSeconds": "receive_wait_time_seconds",
        "VisibilityTimeout": "visibility_timeout_seconds",
        "RedrivePolicy": "redrive_policy",
        "RedriveAllowPolicy": "redrive_allow_policy",
    }
    for part, block in ((Part.QUEUE, "aws_sqs_queue.events"), (Part.DEAD_LETTERS, "aws_sqs_queue.dead")):
        wished = {key: found for key, found in plan[part].items() if key != "Policy"}
        assert {key: value(block, keys[key], QUEUE) for key in wished} == wished
    assert value("aws_sqs_queue.events", "name", QUEUE) == QUEUE.queue
    assert value("aws_sqs_queue.dead", "name", QUEUE) == QUEUE.dead_letters


@BOTH
def test_terraform_subscribes_what_the_plan_subscribes(setup: Setup) -> None:
    block = "aws_sns_topic_subscription." + ("queue" if setup is QUEUE else "webhook")
    assert value(block, "protocol", setup) == setup.protocol
    assert value(block, "endpoint", setup) == setup.endpoint
    assert value(block, "raw_message_delivery", setup) == "false"
    if setup is WEBHOOK:
        assert value(block, "delivery_policy", setup) == canonical(RETRY_POLICY)


def test_terraform_publishes_all_types_and_only_after_the_policy() -> None:
    block = BLOCKS["aws_sesv2_configuration_set_event_destination.events"]
    types = re.search(r"(?s)matching_event_types = \[(.*?)\]", block)
    assert types
    assert set(re.findall(r'"(\w+)"', types[1])) == set(EVENT_TYPES)
    assert "depends_on             = [aws_sns_topic_policy.events]" in block
    assert "topic_arn = aws_sns_topic.events.arn" in block
