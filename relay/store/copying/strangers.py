"""What a database has that would be lost: rows that the other one never had.

As long as a copy is not whole, the database says to which message the other one had come when it was last copied from: up to
there all is of the other one, and what is not there any more was let go there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from relay.store.copying import rows
from relay.store.copying.sides import Side, Target
from relay.store.copying.tables import COPIED, Range, Row, Table

_MAIL = "messages"
_MISSED = (_MAIL, "credentials", "suppressions")  # what somebody would miss
_NEWEST = "SELECT coalesce(max(id), '') FROM messages"


def strangers(source: Side, target: Target, tables: dict[str, Table]) -> dict[str, int]:
    """How many rows of which tables the source never had."""
    copied = _copied(target)
    places = [(_MAIL, Range(after=(copied,)))] if copied is not None else [(name, Range()) for name in _MISSED]
    found = {name: _count(source, target, tables[name], within) for name, within in places}
    return {name: number for name, number in found.items() if number}


def begin(source: Side, target: Target) -> None:
    """From now on all that the target has is of the source."""
    newest = source.execute(_NEWEST).fetchone()
    target.execute(f"CREATE TABLE IF NOT EXISTS {COPIED} (newest TEXT NOT NULL)")
    target.execute(f"DELETE FROM {COPIED}")
    target.execute(f"INSERT INTO {COPIED} (newest) VALUES (?)", newest)


def end(target: Target) -> None:
    """The copy is whole: the target goes its own way."""
    target.execute(f"DROP TABLE {COPIED}")


def _copied(target: Target) -> str | None:
    if COPIED not in target.tables():
        return None
    found = target.execute(f"SELECT max(newest) FROM {COPIED}").fetchone()[0]
    return str(found) if found is not None else None


def _count(source: Side, target: Target, table: Table, within: Range) -> int:
    """Both are walked through side by side."""
    found, ours = 0, _keys(source, table, within)
    known: Row | None = ()
    for key in _keys(target, table, within):
        while known is not None and known < key:
            known = next(ours, None)
        found += known != key
    return found


def _keys(side: Side, table: Table, within: Range) -> Iterator[Row]:
    return rows.each(side, replace(table, columns=table.key), within)
