"""Mail to the mailbox for unsubscribing, as SES tells of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from relay import inbound

TOKEN = "AQEB" + "x-_9" * 12
BOX = "leave@in.example.com"


def notification(**changes: Any) -> str:
    """SES developer guide, "Examples of notifications for Amazon SES email receiving", by its form."""
    found: dict[str, Any] = {
        "notificationType": "Received",
        "receipt": {"timestamp": "2025-11-21T10:00:00.000Z", "recipients": [BOX], "spamVerdict": {"status": "PASS"}},
        "mail": {
            "timestamp": "2025-11-21T10:00:00.000Z",
            "source": "reader@example.net",
            "messageId": "d6iitobk75ur44p8kdnnp7g2n800",
            "destination": [BOX],
            "commonHeaders": {"from": ["reader@example.net"], "to": [BOX], "subject": TOKEN},
        },
    }
    return json.dumps(found | changes)


def subject(text: str) -> str:
    return notification(mail={"commonHeaders": {"subject": text}})


@pytest.mark.parametrize("text", [TOKEN, f"Re: {TOKEN}", f"unsubscribe {TOKEN} please", f"<{TOKEN}>"])
def test_the_token_is_found_in_the_subject(text: str) -> None:
    assert inbound.unsubscribes(subject(text), BOX) == TOKEN
    assert inbound.unsubscribes(subject(text), "Leave@IN.example.com") == TOKEN


NOTHING = {
    "mail to somebody else": notification(receipt={"recipients": ["shop@in.example.com"]}),
    "no token": subject("unsubscribe"),
    "a longer word": subject(TOKEN + "x"),
    "a bounce": notification(notificationType="Bounce"),
    "no subject": notification(mail={"commonHeaders": {}}),
    "a subject that is no text": notification(mail={"commonHeaders": {"subject": [TOKEN]}}),
    "no receipt": notification(receipt=None),
    "recipients that are no texts": notification(receipt={"recipients": [7, None]}),
    "no JSON": "leave@in.example.com",
    "another JSON": "[]",
    "a deep one": "[" * 100_000,
}


@pytest.mark.parametrize("payload", NOTHING.values(), ids=NOTHING.keys())
def test_everything_else_means_nothing(payload: str) -> None:
    assert inbound.unsubscribes(payload, BOX) == ""
