"""What a sender says about a message in headers for the relay, X-Relay-*, and for SES. Read here; headers.py takes them out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from relay.credential import Credential, MessageClass
from relay.errors import Malformed
from relay.model import Labels
from relay.reading.mime import Parsed

_FURTHEST = timedelta(days=30).total_seconds()
_MAX_TAGS = 20

_WORDS = re.compile(r"[!-~](?:[ -~]{0,198}[!-~])?")
_TAG = re.compile(r"([A-Za-z0-9_-]{1,64})[ \t]*=[ \t]*([!-~](?:[ -~]{0,198}[!-~])?)")
_DATE = re.compile(r"(?:[A-Z][a-z]{2}, *)?\d{1,2} [A-Z][a-z]{2} [12]\d{3} \d\d:\d\d(?::\d\d)? (?:[+-]\d{4}|GMT|UTC?)", re.ASCII)
_SES_TAG = re.compile(r"[ \t]*([A-Za-z0-9_-]{1,256})[ \t]*=[ \t]*([A-Za-z0-9_-]{1,256})[ \t]*")
_SET = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OURS = ("relay_id", "relay_try")  # aws/ses.py sets these: events are known again by them
_CIVIMAIL = "X-CiviMail-Bounce"  # by which CiviCRM finds its own record again: kept as a tag, and passed on
_NONE = Labels()


def read(parsed: Parsed, *, now: float, credential: Credential) -> Labels:
    """Raises Malformed, with the header's name in it, for one that cannot be used or is there twice.

    A header of this prefix that is none of these means nothing. The headers for SES are read where the credential is set so,
    and it says what mail is for that does not say so itself.
    """
    with_ses = credential.ses_headers
    prefixes = ("x-relay-", "x-ses-") if with_ses else "x-relay-"
    if not any(header.name.startswith(prefixes) or header.name == _CIVIMAIL.lower() for header in parsed.headers):
        return Labels(message_class=credential.message_class) if credential.message_class else _NONE
    send_at = _send_at(parsed, now)
    return Labels(
        id=_one(parsed, "X-Relay-Id"),
        campaign=_one(parsed, "X-Relay-Campaign"),
        list=_one(parsed, "X-Relay-List"),
        message_class=_class(_one(parsed, "X-Relay-Class")) or credential.message_class,
        send_at=send_at,
        expires_at=_expires_at(parsed, send_at, now),
        tags=_tags(parsed.all("x-relay-tag"), "X-Relay-Tag") + _civimail(parsed),
        ses_tags=_ses_tags(parsed) if with_ses else (),
        configuration_set=_configuration_set(parsed) if with_ses else "",
    )


def _one(parsed: Parsed, name: str) -> str:
    """Printable ASCII of 200 characters at most; empty where there is no such header."""
    values = parsed.all(name.lower())
    if len(values) > 1:
        raise Malformed(f"more than one {name} header")
    text = values[0].decode("latin-1") if values else ""
    if values and not _WORDS.fullmatch(text):
        raise Malformed(f"{name} is empty, too long or not printable ASCII")
    return text


def _civimail(parsed: Parsed) -> tuple[tuple[str, str], ...]:
    """One that is no word of printable ASCII is nobody's."""
    texts = [value.decode("latin-1") for value in parsed.all(_CIVIMAIL.lower())]
    return ((_CIVIMAIL, texts[0]),) if len(texts) == 1 and _WORDS.fullmatch(texts[0]) else ()


def _class(text: str) -> MessageClass:
    try:
        return MessageClass(text.lower())
    except ValueError:
        raise Malformed("X-Relay-Class is neither transactional nor marketing") from None


def _send_at(parsed: Parsed, now: float) -> float:
    """What is over is now."""
    moment = _moment(parsed, "X-Relay-Send-At", now)
    return moment if moment is not None and moment > now else 0.0


def _expires_at(parsed: Parsed, earliest: float, now: float) -> float:
    """A message that nobody would ever send is refused, not taken and dropped."""
    name = "X-Relay-Expires-At"
    moment = _moment(parsed, name, now)
    if moment is None:
        return 0.0
    if moment <= now:
        raise Malformed(f"{name} is over already")
    if moment <= earliest:
        raise Malformed(f"{name} is not after X-Relay-Send-At")
    return moment


def _moment(parsed: Parsed, name: str, now: float) -> float | None:
    """Seconds since the epoch, None where nothing is said: RFC 5322 3.3, or ISO 8601 with its offset."""
    if not (text := _one(parsed, name)):
        return None
    try:
        found = parsedate_to_datetime(text) if _DATE.fullmatch(text) else datetime.fromisoformat(text)
    except ValueError:
        raise Malformed(f"{name} is no date") from None
    if found.tzinfo is None and not text.endswith(" -0000"):  # UTC, from somebody who does not know the local time
        raise Malformed(f"{name} has no time zone")
    moment = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    if moment > now + _FURTHEST:
        raise Malformed(f"{name} is more than 30 days ahead")
    return moment


def _tags(values: Iterable[bytes], name: str) -> tuple[tuple[str, str], ...]:
    matches = [_TAG.fullmatch(value.decode("latin-1")) for value in values]
    tags = tuple((match[1], match[2]) for match in matches if match)
    if not len(matches) == len(tags) == len(dict(tags)) <= _MAX_TAGS:
        raise Malformed(f"{name} is not name=value, or there are more than {_MAX_TAGS} or two of one name")
    return tags


def _ses_tags(parsed: Parsed) -> tuple[tuple[str, str], ...]:
    """SES developer guide, "Embedding message tags": name=value, between commas."""
    values = parsed.all("x-ses-message-tags")
    matches = [_SES_TAG.fullmatch(pair) for value in values for pair in value.decode("latin-1").split(",")]
    tags = tuple((match[1], match[2]) for match in matches if match)
    if not len(matches) == len(tags) == len(dict(tags)) <= _MAX_TAGS or any(name in _OURS for name, _ in tags):
        raise Malformed(f"X-SES-MESSAGE-TAGS is not name=value, or there are more than {_MAX_TAGS} or two of one name")
    return tags


def _configuration_set(parsed: Parsed) -> str:
    name = _one(parsed, "X-SES-CONFIGURATION-SET")
    if name and not _SET.fullmatch(name):
        raise Malformed("X-SES-CONFIGURATION-SET is no name")
    return name
