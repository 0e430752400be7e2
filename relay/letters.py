"""What is told of alarms: a line, a JSON document for a webhook, a mail. All in English, as the journal is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from relay.alarm import MEANINGS, Kind
from relay.standing import News, State

VERSION = 1
_SAID = {State.BEGINS: "", State.STANDS: "still: ", State.OVER: "over: "}
_MANUAL = "docs/alarms.md"
_UNFOLDED = SMTP.clone(max_line_length=900)


def link(kind: Kind) -> str:
    """The section of the manual that says what to do."""
    return f"{_MANUAL}#{kind}"


def line(news: News) -> str:
    """For people."""
    stands = news.stands
    where = f" [{stands.node}]" if stands.node else ""
    return f"{stands.alarm.level.name.lower()}: {_SAID[news.state]}{stands.alarm.text}{where}"


def document(news: News) -> dict[str, Any]:
    """One alarm of the JSON document. What is said of none is not there."""
    stands, alarm = news.stands, news.stands.alarm
    said = {
        "alarm": alarm.kind.value,
        "state": news.state.value,
        "level": alarm.level.name.lower(),
        "subject": alarm.subject,
        "node": stands.node,
        "text": alarm.text,
        "remedy": MEANINGS[alarm.kind].remedy,
        "began_at": _moment(stands.began_at),
        "over_at": _moment(stands.over_at) if stands.over_at else "",
        "manual": link(alarm.kind),
    }
    return {name: value for name, value in said.items() if value}


def body(some: Sequence[News], *, hostname: str) -> bytes:
    """Of a POST. `text` is what chats show of it."""
    text = "\n".join((f"relay {hostname}", *map(line, some)))
    return json.dumps({"version": VERSION, "relay": hostname, "text": text, "alarms": list(map(document, some))}).encode()


def id(some: Sequence[News]) -> str:
    """The same for the same news, told once more because nobody took it."""
    said = [
        (stands.alarm.kind, stands.alarm.subject, stands.node, stands.began_at, stands.webhook_at, state)
        for stands, state in some
    ]
    return f"alarm_{hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]}"


def mail(some: Sequence[News], *, hostname: str, sender: str, recipients: Sequence[str], at: float) -> bytes:
    """RFC 3834 5: Auto-Submitted keeps those who answer by themselves from it."""
    message = EmailMessage()
    message["From"], message["To"] = sender, ", ".join(recipients)
    more = f" and {len(some) - 1} more" if len(some) > 1 else ""
    message["Subject"] = " ".join(f"[relay {hostname}] {line(some[0])}{more}".split())[:200]
    message["Date"] = format_datetime(datetime.fromtimestamp(at, UTC))
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content("\n".join(map(_paragraph, some)), cte="quoted-printable")
    return message.as_bytes(policy=_UNFOLDED)


def _paragraph(news: News) -> str:
    stands = news.stands
    meaning = MEANINGS[stands.alarm.kind]
    until = f", over {_moment(stands.over_at)}" if stands.over_at else ""
    what_to_do = f"  {meaning.remedy}\n  {link(stands.alarm.kind)}\n" if news.state is not State.OVER else ""
    return f"{line(news)}\n  since {_moment(stands.began_at)}{until}\n{what_to_do}"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
