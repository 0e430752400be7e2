"""Composes the JSON that SES publishes, out of the files in events/ and the facts of one call."""

from __future__ import annotations

import copy
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

ACCOUNT = "123456789012"

_TEMPLATES: dict[str, dict[str, Any]] = {
    entry.name.removesuffix(".json"): json.loads(entry.read_text())
    for entry in files("relay.sandbox").joinpath("events").iterdir()
    if entry.name.endswith(".json")
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A SendEmail that was accepted."""

    ses_message_id: str
    at: datetime
    source: str
    recipients: tuple[str, ...]
    tags: dict[str, str]
    configuration_set: str
    raw: bytes


def compose(template: str, call: Call, recipient: str, *, now: datetime | None = None) -> str:
    """One event as SES writes it: compact JSON and a newline, which SNS signs as well."""
    event = copy.deepcopy(_TEMPLATES[template])
    stamp = _stamp(now or datetime.now(UTC))
    for about in event.values():
        if isinstance(about, dict):
            _fill(about, recipient, stamp)
    event["mail"] = _mail(call)
    return json.dumps(event, separators=(",", ":")) + "\n"


def kind_of(template: str) -> str:
    """The type of the event, as event destinations name it."""
    return str(_TEMPLATES[template]["eventType"]).upper().replace(" ", "_")


def _fill(about: dict[str, Any], recipient: str, stamp: str) -> None:
    for key in ("timestamp", "arrivalDate"):
        if key in about:
            about[key] = stamp
    if "feedbackId" in about:
        about["feedbackId"] = f"0102{uuid.uuid4()}-000000"
    if "recipients" in about:
        about["recipients"] = [recipient]
    for key in ("bouncedRecipients", "complainedRecipients"):
        for item in about.get(key, []):
            item["emailAddress"] = recipient


def _mail(call: Call) -> dict[str, Any]:
    domain = call.source.rpartition("@")[2]
    return {
        "timestamp": _stamp(call.at),
        "source": call.source,
        "sourceArn": f"arn:aws:ses:us-east-1:{ACCOUNT}:identity/{domain}",
        "sendingAccountId": ACCOUNT,
        "messageId": call.ses_message_id,
        "destination": list(call.recipients),
        "headersTruncated": False,
        "tags": {
            "ses:operation": ["SendEmail"],
            "ses:configuration-set": [call.configuration_set],
            "ses:source-ip": ["127.0.0.1"],
            "ses:from-domain": [domain],
            "ses:caller-identity": ["sandbox"],
            **{name: [value] for name, value in call.tags.items()},
        },
    }


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
