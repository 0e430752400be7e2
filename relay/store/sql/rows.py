"""Writes many rows with few statements."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from relay.store.sql.session import Session

# Statements are kept prepared by their text: so many lengths of VALUES there are at most per table.
_ROWS = 32


def insert(
    db: Session,
    table: str,
    columns: str,
    rows: Sequence[Sequence[Any]],
    *,
    then: str = "",
) -> None:
    """INSERT of all rows, a statement for each 32. `then` is an ON CONFLICT clause."""
    for first in range(0, len(rows), _ROWS):
        some = rows[first : first + _ROWS]
        db.execute(_statement(table, columns, len(some[0]), len(some), then), list(chain.from_iterable(some)))


@lru_cache(maxsize=1024)
def _statement(table: str, columns: str, width: int, count: int, then: str) -> str:
    row = f"({','.join('?' * width)})"
    return f"INSERT INTO {table} ({columns}) VALUES {','.join([row] * count)} {then}"
