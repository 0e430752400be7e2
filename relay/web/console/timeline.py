"""What became of a message, a line for each thing that happened, with what SES posted of it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from relay.event import EventType
from relay.model import Moment, State
from relay.ports.search import Report
from relay.web.console.visits import Said

_TRY = re.compile(r"try (\d+): (\w+)")
_BY_A_PROGRAM = " (likely a program)"
_BADGES: dict[str, str] = {
    EventType.DELIVERY: "good",
    EventType.OPEN: "good",
    EventType.CLICK: "good",
    EventType.BOUNCE: "bad",
    EventType.COMPLAINT: "bad",
    EventType.REJECT: "bad",
    EventType.RENDERING_FAILURE: "bad",
    State.FAILED: "bad",
    State.EXPIRED: "bad",
    EventType.DELIVERY_DELAY: "warn",
    State.SUPPRESSED: "warn",
    State.IN_DOUBT: "warn",
}
_LONGEST = 64_000  # characters


class Line(NamedTuple):
    """What happened, and in one word more, how; `posted` is JSON, empty where there is none."""

    at: float
    said: Said
    how: str
    badge: str
    recipient: str
    detail: str
    posted: str


def of(moments: Iterable[Moment], reports: Iterable[Report], recipients: Collection[str]) -> Iterator[Line]:
    """In the order of the moments, of these recipients and of all."""
    known: defaultdict[tuple[float, str, str], list[Report]] = defaultdict(list)
    for each in reports:
        known[each.at, each.recipient, each.detail].append(each)
    shown = {recipient.lower() for recipient in recipients}
    for moment in moments:
        if moment.recipient and moment.recipient.lower() not in shown:
            continue
        told = known[moment.at, moment.recipient, moment.detail]
        what = moment.what.removesuffix(_BY_A_PROGRAM)
        report = next((each for each in told if each.what == what), None)
        yield _line(moment, what, report)


def _line(moment: Moment, what: str, report: Report | None) -> Line:
    how = report.found if report else "bot" if moment.what != what else ""
    said = Said(what.replace("_", " "))
    if match := _TRY.fullmatch(what):
        said, how = Said("try {n}", {"n": match[1]}), match[2]
    badge = _BADGES.get(what, _BADGES.get(how, ""))
    posted = _indented(report.posted) if report else ""
    return Line(moment.at, said, how.replace("_", " "), badge, moment.recipient, moment.detail, posted)


def _indented(posted: bytes) -> str:
    """As people read it; what SNS has wrapped up is unwrapped."""
    try:
        document = json.loads(posted)
        if isinstance(document, dict) and isinstance(document.get("Message"), str):
            document = json.loads(document["Message"])
        return json.dumps(document, indent=2, ensure_ascii=False)[:_LONGEST]
    except ValueError:
        return posted.decode("utf-8", "replace")[:_LONGEST]
