"""What somebody looks for: out of the fields of a form, or out of the one box that takes anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from relay.ports.search import TOP, Place, Query
from relay.web.console import statuses
from relay.web.console.visits import Objection, Said

BOX, ID = "q", "id"
FIELDS = (BOX, "recipient", "sender", "subject", "status", "credential", "since", "until", "label", "ses", ID)

_LONGEST = 320
_ID = re.compile(r"([0-7][0-9A-HJKMNP-TV-Z]{25})(?:-([1-9][0-9]{0,8}))?", re.IGNORECASE)
# With the rest of a Message-ID, as SES makes it of its own: developer guide, "Message-ID header".
_SES_ID = re.compile(r"<?([0-9a-f]{16}(?:-[0-9a-f]{4,12}){1,5}-[0-9]{6})(?:@[a-z0-9.-]*amazonses\.com)?>?", re.IGNORECASE)


class Meant(NamedTuple):
    """A query, and what was recognised in the box; nothing where nothing stood there."""

    query: Query
    said: Said | None = None


def asked(query: Mapping[str, str]) -> dict[str, str]:
    """The fields, empty where nothing is said."""
    return {name: query.get(name, "").strip()[:_LONGEST] for name in FIELDS}


def id_of(text: str) -> str:
    """Of a message or a delivery, as the store has it; empty where it is none."""
    match = _ID.fullmatch(text)
    return text.upper() if match else ""


def place_of(text: str) -> Place:
    """Of a delivery by its id; before the newest where that is none."""
    match = _ID.fullmatch(text)
    return (match[1].upper(), int(match[2])) if match and match[2] else TOP


def meant(fields: Mapping[str, str]) -> list[Meant]:
    """What it may be: the first of it that is there. Raises Objection."""
    plain = Query(
        message_id=fields[ID].upper(),
        ses_message_id=fields["ses"],
        label_id=fields["label"],
        recipient=fields["recipient"],
        sender=fields["sender"],
        statuses=statuses.meant(fields["status"]),
        credential=fields["credential"],
        words=tuple(fields["subject"].split()),
        since=moment(fields["since"]),
        until=moment(fields["until"]),
    )
    return _recognised(fields[BOX], plain) if fields[BOX] else [Meant(plain)]


def _recognised(text: str, plain: Query) -> list[Meant]:
    shown = {"text": text}
    if match := _SES_ID.fullmatch(text):
        return [Meant(replace(plain, ses_message_id=match[1].lower()), Said("What SES calls {text}", shown))]
    if text.startswith("@"):
        return [Meant(replace(plain, recipient=text), Said("Recipients of the domain {text}", shown))]
    if text.endswith("*"):
        return [Meant(replace(plain, recipient=text), Said("Recipients that begin with {text}", {"text": text[:-1]}))]
    if "@" in text:
        return [Meant(replace(plain, recipient=text.strip("<>")), Said("The recipient {text}", shown))]
    by_label = Meant(replace(plain, label_id=text), Said("What its sender calls {text} (X-Relay-Id)", shown))
    if " " in text:
        words = (*plain.words, *text.split())
        return [by_label, Meant(replace(plain, words=words), Said("Subjects with the words {text}", shown))]
    return [by_label, Meant(replace(plain, recipient=text + "*"), Said("Recipients that begin with {text}", shown))]


def moment(text: str) -> float:
    """Seconds since the epoch of a time in UTC; 0.0 for none."""
    if not text:
        return 0.0
    try:
        at = datetime.fromisoformat(text)
        return max(1.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        raise Objection("{time} is no time.", time=text) from None
