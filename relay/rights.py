"""The rights that the relay, its doctor and its set-up need at AWS: one table, and the IAM policies made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from relay.provisioning import Setup, Transport


class Role(StrEnum):
    """Who asks AWS for something."""

    RELAY = "relay"
    DOCTOR = "doctor"
    SETUP = "setup"


_INCLUDED = {Role.RELAY: {Role.RELAY}, Role.DOCTOR: {Role.DOCTOR}, Role.SETUP: {Role.DOCTOR, Role.SETUP}}


def policy(role: Role, setup: Setup) -> dict[str, Any]:
    """The least that a role can do with, as an IAM policy. The set-up looks at all that the doctor looks at."""
    places = _places(setup)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": sid, "Effect": "Allow", "Action": actions.split(), "Resource": places[place]}
            for owner, sid, actions, place in _RIGHTS
            if owner in _INCLUDED[role] and all(_ONLY_FOR[each](setup) for each in (sid, place) if each in _ONLY_FOR)
        ],
    }


def of_relay() -> frozenset[str]:
    """The actions without which the relay cannot do all that it should."""
    return frozenset(action for owner, _, actions, _ in _RIGHTS if owner is Role.RELAY for action in actions.split())


def _places(setup: Setup) -> dict[str, list[str]]:
    identities, configuration_set = setup.arn("ses", "identity/*"), setup.configuration_set_arn
    return {
        "anywhere": ["*"],  # the action knows no resource
        "senders": [identities, configuration_set],
        "identities": [identities],
        "set": [configuration_set],
        "topic": [setup.topic_arn],
        "queues": [setup.arn("sqs", setup.queue), setup.arn("sqs", setup.dead_letters)],
    }


# Which of the two sending actions a raw message of the v2 API is checked against is not documented: both.
_RIGHTS = (
    (Role.RELAY, "Send", "ses:SendEmail ses:SendRawEmail", "senders"),
    (Role.RELAY, "KnowTheAccount", "ses:GetAccount ses:ListEmailIdentities", "anywhere"),
    (Role.RELAY, "KnowTheIdentities", "ses:GetEmailIdentity", "identities"),
    (Role.RELAY, "VerifyAddresses", "ses:CreateEmailIdentity", "identities"),
    (Role.RELAY, "KnowTheSuppressed", "ses:ListSuppressedDestinations ses:DeleteSuppressedDestination", "anywhere"),
    (Role.RELAY, "Suppress", "ses:PutSuppressedDestination", "anywhere"),
    (Role.RELAY, "ConfirmTheWebhook", "sns:ConfirmSubscription", "topic"),
    (
        Role.RELAY,
        "ReadTheQueues",
        "sqs:GetQueueAttributes sqs:ReceiveMessage sqs:DeleteMessage sqs:ChangeMessageVisibility",
        "queues",
    ),
    (Role.DOCTOR, "LookAtTheAccount", "ses:GetAccount ses:ListEmailIdentities", "anywhere"),
    (Role.DOCTOR, "LookAtTheSuppressed", "ses:ListSuppressedDestinations", "anywhere"),
    (Role.DOCTOR, "LookAtTheIdentities", "ses:GetEmailIdentity", "identities"),
    (Role.DOCTOR, "LookAtTheSet", "ses:GetConfigurationSet ses:GetConfigurationSetEventDestinations", "set"),
    (Role.DOCTOR, "LookAtTheTopic", "sns:GetTopicAttributes sns:ListSubscriptionsByTopic", "topic"),
    (Role.DOCTOR, "LookAtTheSubscription", "sns:GetSubscriptionAttributes", "anywhere"),
    (Role.DOCTOR, "LookAtTheQueues", "sqs:GetQueueAttributes", "queues"),
    (
        Role.SETUP,
        "MakeTheSet",
        "ses:CreateConfigurationSet ses:CreateConfigurationSetEventDestination ses:UpdateConfigurationSetEventDestination",
        "set",
    ),
    (Role.SETUP, "MakeTheTopic", "sns:CreateTopic sns:SetTopicAttributes sns:Subscribe", "topic"),
    (Role.SETUP, "MendTheSubscription", "sns:SetSubscriptionAttributes", "anywhere"),
    (Role.SETUP, "MakeTheQueues", "sqs:CreateQueue sqs:GetQueueUrl sqs:SetQueueAttributes", "queues"),
)
_ONLY_FOR: Mapping[str, Callable[[Setup], bool]] = {  # by statement, by place
    "Suppress": lambda setup: setup.suppresses,
    "VerifyAddresses": lambda setup: setup.verifies,
    "ConfirmTheWebhook": lambda setup: setup.transport is Transport.HTTPS,
    "queues": lambda setup: setup.transport is Transport.SQS,
}
