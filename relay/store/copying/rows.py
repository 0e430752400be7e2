"""Copies a table range by range: both sides give their rows, and where they differ those of the one replace the other's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from relay.errors import StoreUnavailable
from relay.store.copying.sides import Side, Target
from relay.store.copying.tables import ALL, Range, Row, Table

_ROWS = 5000
_FEWER = {"bodies": 250, "notifications": 250, "quarantine": 100}  # rows that may have many octets


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """How many rows were looked at, were not the same and so copied, and have characters that could not be kept as they are.

    `left_out` are the keys of those that have such characters in their key: they would be other rows.
    """

    rows: int = 0
    copied: int = 0
    changed: int = 0
    left_out: tuple[Row, ...] = ()

    def __add__(self, other: Copied) -> Copied:
        return Copied(
            rows=self.rows + other.rows,
            copied=self.copied + other.copied,
            changed=self.changed + other.changed,
            left_out=self.left_out + other.left_out,
        )


def count(side: Side, table: Table) -> int:
    """All of its rows."""
    return int(side.execute(f"SELECT count(*) FROM {table.name}").fetchone()[0])


def each(side: Side, table: Table, within: Range = ALL) -> Iterator[Row]:
    """In the order of the key, some at a time."""
    limit = _limit(table)
    while True:
        rows = side.rows(table, within, limit)
        yield from rows
        if len(rows) < limit:
            return
        within = within._replace(after=table.key_of(rows[-1]))


def copy(source: Side, target: Target, table: Table) -> Iterator[Copied]:
    """Range by range. Where nobody else writes to either side, each range was seen to be the same in the end.

    Raises StoreUnavailable where what was written is not what is read.
    """
    reached: Row | None = None
    met: Row | None = None  # on the other side: a key that cannot be kept there is no edge
    total, limit, is_last = Copied(), _limit(table), False
    while not is_last:
        rows = source.rows(table, Range(after=reached), limit)
        is_last = len(rows) < limit
        held, seen = _held(target, table, rows)
        if held or is_last:
            within = Range(met, None if is_last else table.key_of(held[-1]))
            seen = replace(seen, copied=_match(target, table, within, held, verify=source.is_still))
            met = within.upto
        reached = table.key_of(rows[-1]) if rows else None
        total += seen
        yield seen
    target.finish(table, source.numbers().get(table.name, 0))
    if source.is_still and count(target, table) != total.rows:
        raise StoreUnavailable(f"{table.name}: {total.rows} rows were copied, and there are {count(target, table)}")


def _limit(table: Table) -> int:
    return _FEWER.get(table.name, _ROWS)


def _held(target: Target, table: Table, rows: Sequence[Row]) -> tuple[list[Row], Copied]:
    """The rows as they can be kept."""
    held: list[Row] = []
    left_out: list[Row] = []
    changed = 0
    for row in rows:
        kept = target.held(row)
        if kept is row:
            held.append(row)
        elif table.key_of(kept) != (key := table.key_of(row)):
            left_out.append(key)
        else:
            changed += 1
            held.append(kept)
    return held, Copied(rows=len(held), changed=changed, left_out=tuple(left_out))


def _match(target: Target, table: Table, within: Range, rows: list[Row], *, verify: bool) -> int:
    """How many rows were copied."""
    if _is_same(target, table, within, rows):
        return 0
    target.replace(table, within, rows)
    if verify and not _is_same(target, table, within, rows):
        raise StoreUnavailable(f"{table.name}: what was written is not what is read")
    return len(rows)


def _is_same(target: Target, table: Table, within: Range, rows: list[Row]) -> bool:
    return target.rows(table, within, len(rows) + 1) == rows
