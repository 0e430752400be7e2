from __future__ import annotations

import json
from dataclasses import replace

import pytest

from relay import provisioning, statements
from relay.provisioning import EVENT_TYPES, RETRY_POLICY, Part, Properties, Setup, steps, wanted
from relay.rights import Role, policy
from tests.unit.setups import QUEUE, WEBHOOK


def all_there(setup: Setup) -> dict[Part, Properties | None]:
    return {resource.part: resource.properties for resource in wanted(setup)}


@pytest.mark.parametrize("setup", [WEBHOOK, QUEUE])
def test_where_nothing_is_all_is_made_and_the_destination_last(setup: Setup) -> None:
    taken = steps(wanted(setup), {})
    assert all(step.is_new for step in taken)
    assert [step.resource.part for step in taken] == [part for part in Part if part in all_there(setup)]
    assert taken[-1].resource.part is Part.DESTINATION


@pytest.mark.parametrize("setup", [WEBHOOK, QUEUE])
def test_where_all_is_as_it_should_be_nothing_is_done(setup: Setup) -> None:
    assert steps(wanted(setup), all_there(setup)) == ()


@pytest.mark.parametrize(
    ("setup", "part", "key"),
    [(setup, each.part, key) for setup in (WEBHOOK, QUEUE) for each in wanted(setup) for key in each.properties],
)
def test_one_thing_that_differs_is_changed_and_nothing_else(setup: Setup, part: Part, key: str) -> None:
    there = all_there(setup)
    there[part] = {**(there[part] or {}), key: "by hand"}
    [step] = steps(wanted(setup), there)
    assert not step.is_new
    assert [(change.key, change.was) for change in step.changes] == [(key, "by hand")]


def test_a_webhook_has_no_queues_and_a_queue_needs_no_retry_policy() -> None:
    assert not {Part.QUEUE, Part.DEAD_LETTERS} & all_there(WEBHOOK).keys()
    assert "DeliveryPolicy" not in (all_there(QUEUE)[Part.SUBSCRIPTION] or {})


def test_sns_tries_for_less_than_an_hour_and_with_no_gap_beyond_a_minute() -> None:
    """SNS developer guide, "Amazon SNS message delivery retries": at once, before the back-off, the back-off, after it."""
    retrying = RETRY_POLICY["healthyRetryPolicy"]
    number = {key: value for key, value in retrying.items() if isinstance(value, int)}
    backing_off = (
        number["numRetries"] - number["numNoDelayRetries"] - number["numMinDelayRetries"] - number["numMaxDelayRetries"]
    )
    least = number["numMinDelayRetries"] * number["minDelayTarget"] + number["numMaxDelayRetries"] * number["maxDelayTarget"]
    assert backing_off >= 0
    assert number["numRetries"] <= 100
    assert least + backing_off * number["maxDelayTarget"] <= 3600
    assert least >= 2700
    assert provisioning.longest_gap(RETRY_POLICY) <= 60


def test_ses_may_publish_only_for_this_account_and_configuration_set() -> None:
    assert provisioning.publish_statement(WEBHOOK)["Condition"] == {
        "StringEquals": {
            "AWS:SourceAccount": "123456789012",
            "AWS:SourceArn": "arn:aws:ses:eu-west-1:123456789012:configuration-set/relay",
        }
    }


def test_what_others_wrote_into_a_policy_stays() -> None:
    theirs = {"Sid": "theirs", "Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": WEBHOOK.topic_arn}
    ours = provisioning.publish_statement(WEBHOOK)
    before = json.dumps({"Version": "2012-10-17", "Statement": theirs})
    after = statements.with_statement(before, ours)
    assert json.loads(after)["Statement"] == [theirs, ours]
    assert statements.with_statement(after, ours) == after
    assert statements.statement_of(before, ours["Sid"]) == ""
    assert statements.statement_of(after, ours["Sid"]) == statements.canonical(ours)


def test_what_aws_adds_to_a_document_is_no_difference() -> None:
    told = {"healthyRetryPolicy": {**RETRY_POLICY["healthyRetryPolicy"], "throttlePolicy": None}, "guaranteed": False}
    assert statements.alike(json.dumps(told), RETRY_POLICY) == statements.canonical(RETRY_POLICY)
    other = {"healthyRetryPolicy": {**RETRY_POLICY["healthyRetryPolicy"], "numRetries": 3}}
    assert statements.alike(json.dumps(other), RETRY_POLICY) != statements.canonical(RETRY_POLICY)


def test_all_ten_types_are_published() -> None:
    assert len(set(EVENT_TYPES)) == 10


def test_the_relay_may_send_and_make_nothing() -> None:
    for setup in (WEBHOOK, QUEUE):
        actions = {action for each in policy(Role.RELAY, setup)["Statement"] for action in each["Action"]}
        assert {"ses:SendEmail", "ses:SendRawEmail", "ses:GetAccount"} <= actions
        assert not {action for action in actions if action.split(":")[1].startswith(("Create", "Set", "Update", "Put"))}


def test_only_who_puts_his_own_on_the_list_of_ses_may() -> None:
    plain, putting = policy(Role.RELAY, WEBHOOK), policy(Role.RELAY, replace(WEBHOOK, suppresses=True))
    more = [each["Action"] for each in putting["Statement"] if each not in plain["Statement"]]
    assert more == [["ses:PutSuppressedDestination"]]


def test_only_where_logins_may_add_addresses_may_the_relay() -> None:
    plain, verifying = policy(Role.RELAY, WEBHOOK), policy(Role.RELAY, replace(WEBHOOK, verifies=True))
    [more] = [each for each in verifying["Statement"] if each not in plain["Statement"]]
    assert (more["Action"], more["Resource"]) == (["ses:CreateEmailIdentity"], [WEBHOOK.arn("ses", "identity/*")])


def test_a_webhook_has_no_right_to_queues_and_a_queue_none_to_confirm() -> None:
    webhook, queue = json.dumps(policy(Role.RELAY, WEBHOOK)), json.dumps(policy(Role.RELAY, QUEUE))
    assert ("sqs:" in webhook, "sns:" in webhook) == (False, True)
    assert ("sqs:" in queue, "sns:" in queue) == (True, False)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("setup", [WEBHOOK, QUEUE])
def test_every_right_that_knows_a_resource_names_it(role: Role, setup: Setup) -> None:
    anywhere = {
        "ses:GetAccount",
        "ses:ListEmailIdentities",
        "ses:ListSuppressedDestinations",
        "ses:DeleteSuppressedDestination",
        "sns:GetSubscriptionAttributes",
        "sns:SetSubscriptionAttributes",
    }
    for statement in policy(role, setup)["Statement"]:
        assert statement["Resource"] != ["*"] or set(statement["Action"]) <= anywhere
