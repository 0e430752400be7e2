"""What SES said last of the account."""

from __future__ import annotations

from collections.abc import Sequence

from relay.rate import Account
from relay.store.sql.session import Reader, Session
from relay.store.sql.writer import Writer


class SqlAccount:
    """Implements ports.AccountStore."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def known(self) -> Account | None:
        rows = await self._reader.rows("SELECT rate, quota, sent, at FROM account")
        return Account(rate=rows[0][0], quota=rows[0][1], sent=rows[0][2], at=rows[0][3]) if rows else None

    async def put(self, account: Account) -> None:
        await self._writer.run(_put_last, account)


def _put_last(db: Session, items: Sequence[Account]) -> list[None]:
    db.execute("DELETE FROM account")
    last = items[-1]
    db.execute("INSERT INTO account (rate, quota, sent, at) VALUES (?,?,?,?)", (last.rate, last.quota, last.sent, last.at))
    return [None] * len(items)
