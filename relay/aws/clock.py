"""The time by AWS's clock, once it has refused our signatures for theirs: they are good for five minutes around it."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from relay import journal
from relay.ports.clock import Clock

# An error's code, without what may stand around it, and its text in lower case; empty for any.
_REFUSED_FOR_ITS_TIME = (
    ("RequestTimeTooSkewed", ""),
    ("RequestExpired", ""),
    ("InvalidSignature", "signature expired"),
    ("InvalidSignature", "signature not yet current"),
)
_NEAR = 5.0  # seconds; a Date has whole ones, and an answer takes its time


class SigningClock:
    """Implements ports.Clock: ours, and what AWS's differs from it by."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = 0.0

    def __call__(self) -> float:
        return self._clock() + self._ahead

    @property
    def ahead(self) -> float:
        """Seconds by which AWS's is ahead of ours."""
        return self._ahead

    def heed(self, code: str, text: str, date: str) -> None:
        """An error of AWS, with the Date header of its answer. Whatever else is wrong does not move the clock."""
        if not any(code.startswith(known) and words in text.lower() for known, words in _REFUSED_FOR_ITS_TIME):
            return
        try:
            theirs = parsedate_to_datetime(date).timestamp()
        except ValueError:
            return
        if abs(theirs - self()) > _NEAR:
            self._ahead = theirs - self._clock()
            journal.clock_differs(seconds=self._ahead)
