"""Writes many rows with few statements."""

from __future__ import annotations

from collections.abc import Sequence
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
        row = f"({','.join('?' * len(some[0]))})"
        values = ",".join([row] * len(some))
        db.execute(f"INSERT INTO {table} ({columns}) VALUES {values} {then}", [value for row in some for value in row])
