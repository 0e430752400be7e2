"""What SES said last of the account, on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import aiosqlite

from relay.errors import StoreUnavailable
from relay.rate import Account
from relay.store.sqlite.writer import Writer


class SqliteAccount:
    """Implements ports.AccountStore."""

    def __init__(self, writer: Writer, reader: aiosqlite.Connection) -> None:
        self._writer = writer
        self._reader = reader

    async def known(self) -> Account | None:
        try:
            rows = list(await self._reader.execute_fetchall("SELECT rate, quota, sent, at FROM account"))
        except sqlite3.Error as error:
            raise StoreUnavailable(repr(error)) from error
        return Account(rate=rows[0][0], quota=rows[0][1], sent=rows[0][2], at=rows[0][3]) if rows else None

    async def put(self, account: Account) -> None:
        await self._writer.run(_put_last, account)


def _put_last(db: sqlite3.Connection, items: Sequence[Account]) -> list[None]:
    db.execute("DELETE FROM account")
    last = items[-1]
    db.execute("INSERT INTO account (rate, quota, sent, at) VALUES (?,?,?,?)", (last.rate, last.quota, last.sent, last.at))
    return [None] * len(items)
