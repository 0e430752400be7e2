"""What an operator may do with what waits: which deliveries he means, and what becomes of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from relay import address
from relay.lifecycle import Cause
from relay.queueing import Selection
from relay.web.console.suppression_forms import clean
from relay.web.console.visits import NotThere, Objection, whole_number

_HOUR, _DAY = 3600, 86400
AGES = (
    ("", "however old"),
    (10 * 60, "older than 10 minutes"),
    (_HOUR, "older than one hour"),
    (6 * _HOUR, "older than 6 hours"),
    (_DAY, "older than one day"),
    (2 * _DAY, "older than 2 days"),
    (3 * _DAY, "older than 3 days"),
)
_MOMENT = re.compile(r"[1-9][0-9]{0,9}(\.[0-9]{3})?")  # seconds, to the millisecond: as ids have it
FIELDS = ("verb", "credential", "recipient_domain", "age", "before", "everything")


class Verb(NamedTuple):
    """What becomes of what is meant, what that means, and what it means where SES may have it already."""

    cause: Cause
    label: str
    means: str
    doubt: str
    done: str


VERBS: Mapping[str, Verb] = {
    "retry": Verb(
        Cause.RETRIED,
        "Send at once",
        "They are due now. What is held still waits for the end of the hold, and what its sender has scheduled keeps its time.",
        "SES may have {n} of them already, which may be sent twice then.",
        "Due now: {n}. May be sent twice: {m}.",
    ),
    "hold": Verb(
        Cause.HELD_BACK,
        "Hold back",
        "They wait until somebody sends them at once from here. Their time to expire goes on.",
        "SES may have {n} of them already, which may have been sent.",
        "Held back: {n}. May have been sent already: {m}.",
    ),
    "cancel": Verb(
        Cause.CANCELLED,
        "Cancel",
        "They end, and are never sent. This cannot be taken back.",
        "SES may have {n} of them already, which may have been sent.",
        "Cancelled: {n}. May have been sent already: {m}.",
    ),
}


class Meant(NamedTuple):
    """A change that somebody asks for, and as his form says it."""

    verb: str
    selection: Selection
    fields: Mapping[str, str]


def domain_of(text: str) -> str:
    """As A-labels in lower case. Raises Objection."""
    try:
        return address.domain(address.plain(f"x@{text.removeprefix('@')}".encode()))
    except ValueError:
        raise Objection("{given} is no domain.", given=text) from None


def meant(said: Mapping[str, str], now: float) -> Meant:
    """All that is said must fit. The moment is kept: who confirms means what was counted, and nothing that came later.
    Raises Objection.
    """
    if said.get("verb", "") not in VERBS:
        raise NotThere
    age = whole_number(said.get("age", ""))
    given = _MOMENT.fullmatch(said.get("before", ""))
    before = given[0] if given else f"{now - age:.3f}"
    credential, domain = clean(said.get("credential", "")), clean(said.get("recipient_domain", ""))
    is_everything, is_named = said.get("everything") == "on", bool(credential or domain or age)
    if is_everything == is_named and (is_named or not given):
        raise Objection("Say which deliveries, or that all are meant; not both.")
    selection = Selection(
        credential=credential,
        recipient_domain=domain_of(domain) if domain else "",
        accepted_before=float(before),
    )
    fields = {
        "verb": said["verb"],
        "credential": selection.credential,
        "recipient_domain": selection.recipient_domain,
        "before": before,
        "everything": "on" if is_everything else "",
    }
    return Meant(said["verb"], selection, fields)
