"""What is copied: every table that is not of one database alone, as the two catalogues have it, in ranges of its key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple

from relay.errors import StoreUnavailable

Row = tuple[Any, ...]

COPIED = "relay_copied"
# Who runs on a database, what those share there, and where it keeps large content: contents.py copies that.
OWN = frozenset({"nodes", "leader", "allowance", "usage", "chunks", "relay_schema", COPIED})


@dataclass(frozen=True, slots=True)
class Table:
    """Its columns are in the order of their names. One without a key has few rows: all columns are its key."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    @classmethod
    def found(cls, name: str, columns: Iterable[str], key: Iterable[str]) -> Table:
        in_order = tuple(sorted(columns))
        return cls(name, in_order, tuple(key) or in_order)

    def key_of(self, row: Row) -> Row:
        return tuple(row[self.columns.index(column)] for column in self.key)


class Range(NamedTuple):
    """Rows whose key lies behind `after`, if there is one, and up to `upto`, if there is one."""

    after: Row | None = None
    upto: Row | None = None

    def condition(self, key: Sequence[str], place: Callable[[Any], str]) -> tuple[str, Row]:
        """In SQL, and its values. `place` is where one of them goes.

        What both edges begin with is said by itself: of columns compared as one PostgreSQL ends a scan by the first alone.
        """
        same = self._same()
        conditions = [f"{column} = {place(value)}" for column, value in zip(key, same, strict=False)]
        values = list(same)
        for sign, edge in ((">", self.after), ("<=", self.upto)):
            if edge is not None:
                rest = edge[len(same) :]
                conditions.append(f"({', '.join(key[len(same) :])}) {sign} ({', '.join(map(place, rest))})")
                values += rest
        return f"WHERE {' AND '.join(conditions)}" if conditions else "", tuple(values)

    def _same(self) -> Row:
        """The values that both edges begin with; the last one stands for itself."""
        pairs = zip((self.after or ())[:-1], (self.upto or ())[:-1], strict=False)
        return tuple(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


ALL = Range()


def quoted(columns: Iterable[str]) -> list[str]:
    """In SQL: some are called as its words are."""
    return [f'"{column}"' for column in columns]


def shared(ours: dict[str, Table], theirs: dict[str, Table]) -> list[Table]:
    """To be copied, by name. Raises StoreUnavailable where the two differ: nothing must be forgotten silently."""
    wanted = ours.keys() | theirs.keys()
    if strange := sorted(name for name in wanted - OWN if ours.get(name) != theirs.get(name)):
        raise StoreUnavailable(f"the two databases do not have the same tables: {', '.join(strange)}")
    return [ours[name] for name in sorted(wanted - OWN)]
