"""Writes a list as a file: ours, or what others read."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from typing import TextIO

from relay.lists.cells import harmless, told
from relay.suppression import EVERYWHERE, SES_WORDS, Suppression

_CARRIAGE_RETURN = re.compile("\r\n?")  # which the csv module does not put in quotes
_COLUMNS = ("address", "reason", "scope", "since", "until", "source", "note")
# All that SES's account list has a word for, and it is for all mail.


class Writer:
    """Rows of one format, one after the other; those that the format has no place for are left out."""

    def __init__(self, file: TextIO, format: str) -> None:
        self._csv = csv.writer(file, lineterminator="\n")
        self._row = FORMATS[format]
        self.written = 0
        self.left_out = 0
        if format == "relay":
            self._csv.writerow(_COLUMNS)

    def write(self, entries: Iterable[Suppression]) -> None:
        rows = [self._row(entry) for entry in entries]
        found = [row for row in rows if row]
        self._csv.writerows(found)
        self.written += len(found)
        self.left_out += len(rows) - len(found)


def _relay(entry: Suppression) -> tuple[str, ...]:
    words = (entry.address, entry.reason, entry.scope, told(entry.created_at), told(entry.expires_at), entry.source, entry.note)
    return tuple(harmless(_CARRIAGE_RETURN.sub("\n", word)) for word in words)


def _ses(entry: Suppression) -> tuple[str, ...]:
    """What SES's import of the account list reads: no header, and nothing but addresses as they are."""
    reason = SES_WORDS.get(entry.reason)
    return (entry.address, reason) if reason and entry.scope == EVERYWHERE else ()


def _plain(entry: Suppression) -> tuple[str, ...]:
    return (entry.address,) if entry.scope == EVERYWHERE else ()


FORMATS: dict[str, Callable[[Suppression], tuple[str, ...]]] = {"relay": _relay, "ses": _ses, "plain": _plain}
