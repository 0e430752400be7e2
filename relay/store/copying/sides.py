"""The two databases as the copy sees them. All verbs raise the database's own errors, which become ours where it was opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from relay.errors import ConfigError
from relay.store.copying.tables import Range, Row, Table
from relay.store.sql.session import Cursor

PIECE = 512 * 1024  # of large content


def too_old(name: str, found: int, needed: int) -> ConfigError:
    """A database that is to be copied is not changed."""
    return ConfigError(name, "FROM", f"schema {found}, this release needs {needed}: run `relay migrate` on it")


class Side(Protocol):
    """A database that is read."""

    is_still: bool
    """Nobody else writes to it as long as it is open here."""

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Cursor:
        """What both databases understand, with `?` for values."""

    def tables(self) -> dict[str, Table]:
        """All of its catalogue."""

    def rows(self, table: Table, within: Range, limit: int) -> list[Row]:
        """In the order of the key: text by its octets."""

    def numbers(self) -> dict[str, int]:
        """By table the last number that was given, of rows that are gone as well."""

    def pieces(self, message_id: str) -> Iterator[bytes]:
        """Large content; nothing where it is missing."""


class Target(Side, Protocol):
    """A database that is made the same as another."""

    def held(self, row: Row) -> Row:
        """As it can be kept here."""

    def replace(self, table: Table, within: Range, rows: Sequence[Row]) -> None:
        """Just these are in the range afterwards."""

    def finish(self, table: Table, last: int) -> None:
        """All its rows are there; up to `last` numbers were given, which others may have kept."""

    def put(self, message_id: str, pieces: Iterable[bytes]) -> None:
        """Large content, in the place of what was there. Without any pieces there is none."""

    def tidy(self) -> None:
        """Large content of no message goes, if nobody else sees to it."""
