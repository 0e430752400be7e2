"""Makes an entry of a row, or says why it is none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from relay import address
from relay.errors import NotAscii
from relay.lists import cells
from relay.lists.tables import Row, Table
from relay.suppression import EVERYWHERE, Reason, Suppression

_LONGEST = 1000  # of a note or a source: some servers write novels
_SCOPE = re.compile(r"(|(credential|list):.+)")


class UnknownList(ValueError):
    """Not a list that can be read; the text says why."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """One that is left out. `line` is that of the file, or in a JSON document the number of the entry."""

    line: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the file does not say. A `reason` or `scope` stands in place of what it does say; `name` is the file's."""

    source: str
    now: float
    format: str = ""
    name: str = ""
    reason: Reason | None = None
    scope: str = EVERYWHERE


Numbered = Iterator[tuple[int, Table, Row | BadRow]]


def entries(rows: Numbered, given: Given) -> Iterator[Suppression | BadRow]:
    """In their order; a row that names several scopes becomes several."""
    for number, table, row in rows:
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            yield from _entries(table, row, given)
        except ValueError as error:
            yield BadRow(number, str(error))


def _entries(table: Table, row: Row, given: Given) -> list[Suppression]:
    """What is dated in the future began now: nothing may be younger than a removal that is still to come."""
    began = _time(row, table.at) or given.now
    made = Suppression(
        address=_address(row[table.address]),
        reason=given.reason or table.reason(row),
        source=_text(row, table.source) or given.source,
        created_at=min(began, given.now),
        note=_text(row, table.note),
        expires_at=_time(row, table.until),
    )
    scopes = (given.scope,) if given.scope else table.scopes(row)
    return [replace(made, scope=_scope(scope)) if scope else made for scope in scopes]


def _address(cell: str) -> str:
    """Raises ValueError."""
    try:
        return address.plain(cell.strip().encode("utf-8"))
    except (ValueError, NotAscii):
        raise ValueError(f"{cell.strip()[:100]!r} is not an address") from None


def _scope(cell: str) -> str:
    if not _SCOPE.fullmatch(cell):
        raise ValueError(f"{cell[:100]!r} is no scope")
    return cell


def _text(row: Row, columns: tuple[str, ...]) -> str:
    """NUL is none: it would end the text in some places and not in others. Lone surrogates no database takes."""
    text = " ".join([row[column] for column in columns]).strip().replace("\0", "")[:_LONGEST]
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _time(row: Row, column: str) -> float:
    """0.0 for none. Raises ValueError."""
    cell = row[column].strip() if column else ""
    return cells.time(cell) if cell and cell.upper() != "NULL" else 0.0
