"""What is asked for and said of a mailing: forms as mailings, and what the rules object to as sentences."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from relay.errors import Refused, StoreUnavailable
from relay.mailing import Audience, Mailing
from relay.mailing_rules import (
    EMPTY,
    CannotMove,
    EndsTooEarly,
    Missing,
    NoGroup,
    NoMacro,
    NoTemplate,
    TooLarge,
    Unfit,
    personalized,
)
from relay.web.api.refusals import fault
from relay.web.console.visits import Objection, Visit, whole_number

_MINUTE = "%Y-%m-%dT%H:%M"
_MISSING: Mapping[str, str] = {
    "Name": "The name is missing.",
    "Sender": "The sender is missing.",
    "Subject": "The subject is missing.",
    "Text": "The text is missing: choose a template.",
}


def mailing_of(visit: Visit, before: Mailing) -> Mailing:
    """What the form says, in place of what was there before; the subject and the sender of the template where it says none.
    Raises Objection.
    """
    changed = replace(
        before,
        name=visit.asked("name"),
        sender=visit.asked("sender") or before.sender,
        sender_name=visit.asked("sender_name") if visit.asked("sender") else visit.asked("sender_name") or before.sender_name,
        subject=visit.asked("subject") or before.subject,
        start_at=_moment(visit.asked("start_at")),
        end_at=_moment(visit.asked("end_at")),
        campaign=visit.asked("campaign"),
        sends_duplicates=bool(visit.asked("sends_duplicates")),
        creator=before.creator or visit.operator.name,
    )
    return personalized(changed)


def typed(visit: Visit) -> dict[str, Any]:
    """The form as it was filled in, to be shown once more."""
    names = ("name", "sender", "sender_name", "subject", "campaign")
    mailing = replace(EMPTY, **{name: visit.asked(name) for name in names})  # type: ignore[arg-type]
    return {
        "mailing": replace(mailing, sends_duplicates=bool(visit.asked("sends_duplicates"))),
        "audience": Audience(groups=tuple(numbers_of(visit, "included")), excluded_groups=tuple(numbers_of(visit, "excluded"))),
        "start_at": visit.asked("start_at"),
        "end_at": visit.asked("end_at"),
        "template": visit.asked("template"),
    }


def numbers_of(visit: Visit, name: str) -> Collection[int]:
    """All that were ticked under that name."""
    given = visit.form.getall(name, [])
    return sorted({whole_number(each) for each in given if isinstance(each, str)} - {0})


def minute(seconds: float) -> str:
    """As a form has it: in UTC; empty for no time."""
    return datetime.fromtimestamp(seconds, UTC).strftime(_MINUTE) if seconds else ""


def _moment(text: str) -> float:
    """Seconds since the epoch, 0.0 for nothing. Raises Objection."""
    try:
        return max(1.0, datetime.strptime(text[:16], _MINUTE).replace(tzinfo=UTC).timestamp()) if text else 0.0
    except ValueError:
        raise Objection("{what} is no time.", what=text) from None


@contextmanager
def objecting(visit: Visit) -> Iterator[None]:
    """What the rules of mailings and of mail object to becomes an Objection."""
    try:
        yield
    except StoreUnavailable:
        raise
    except (Unfit, Refused) as error:
        raise objection(error, visit.language) from None


def objection(error: Unfit | Refused, language: str) -> Objection:
    """How it is said."""
    match error:
        case Missing():
            return Objection(_MISSING[str(error.subject)])
        case EndsTooEarly():
            return Objection("It would end before it begins, or has ended already.")
        case TooLarge():
            return Objection("It is larger than {octets} octets.", octets=error.subject)
        case NoMacro():
            return Objection("The text has no [{macro}].", macro=error.subject)
        case NoGroup():
            return Objection("There is no such group.")
        case NoTemplate():
            return Objection("There is no such template.")
        case CannotMove():
            return Objection("It is not in a state to do that.")
        case _:
            return Objection("{why}", why=fault(error).description(language))
