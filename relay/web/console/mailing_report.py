"""What became of a mailing, in numbers and in shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from relay.statistics import ACCEPTED, COMPLAINED, DELIVERED, HARD_BOUNCE, SENT, UNSUBSCRIBED, Figures

_ALWAYS = 8  # are worth a line also where there are none


class Line(NamedTuple):
    """Of a report: how many, and of which others that is a share."""

    name: str
    times: int
    share: float | None
    of: str


def report(figures: Figures) -> Sequence[Line]:
    """Rates of what was made, sent or delivered."""
    made, sent, delivered = ((name, figures.of(name)) for name in (ACCEPTED, SENT, DELIVERED))
    hard = figures.of(HARD_BOUNCE)
    rows = (
        ("Sent", sent[1], made),
        ("Delivered", delivered[1], sent),
        ("Opened", figures.of("opened_unique"), delivered),
        ("Clicked", figures.of("clicked_unique"), delivered),
        ("Unsubscribed", figures.of(UNSUBSCRIBED), delivered),
        ("Bounced hard", hard, sent),
        ("Bounced soft", figures.bounced - hard, sent),
        ("Complained", figures.of(COMPLAINED), sent),
        ("Suppressed", figures.of("suppressed"), made),
        ("Failed", figures.of("failed") + figures.of("rejected"), made),
        ("Expired", figures.of("expired"), made),
        ("Cancelled", figures.of("cancelled"), made),
    )
    lines = [Line(name, times, times / whole if whole else None, of) for name, times, (of, whole) in rows]
    return [line for number, line in enumerate(lines) if line.times or number < _ALWAYS]
