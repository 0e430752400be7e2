"""What SES said last of our addresses and domains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relay.identities import Identity, IdentityState, KnownIdentities
from relay.store.sql import rows
from relay.store.sql.session import Reader, Session
from relay.store.sql.writer import Writer

_COLUMNS = "name, state, since, dkim, mail_from, error, dkim_hosts, looked_at"
# One statement, and so one state of the database: a time without identities is an account that has none.
_KNOWN = f"SELECT at, {_COLUMNS} FROM identities_known LEFT JOIN identities ON TRUE ORDER BY name"

_MARK = "SELECT (SELECT at FROM identities_known), (SELECT max(looked_at) FROM identities)"


def _row_of(found: Identity) -> tuple[Any, ...]:
    details = (found.dkim, found.mail_from, found.error, " ".join(found.dkim_hosts))
    return (found.name, found.state, found.since, *details, found.looked_at)


def _identity_of(row: Any) -> Identity:
    return Identity(
        name=row[0],
        state=IdentityState(row[1]),
        since=row[2],
        dkim=row[3],
        mail_from=row[4],
        error=row[5],
        dkim_hosts=tuple(row[6].split()),
        looked_at=row[7],
    )


def _put_last(db: Session, items: Sequence[KnownIdentities]) -> list[None]:
    db.execute("DELETE FROM identities")
    db.execute("DELETE FROM identities_known")
    db.execute("INSERT INTO identities_known (at) VALUES (?)", (items[-1].at,))
    rows.insert(db, "identities", _COLUMNS, [_row_of(identity) for identity in items[-1].identities])
    return [None] * len(items)


class SqlIdentities:
    """Implements ports.IdentityStore."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def known(self) -> KnownIdentities | None:
        found = await self._reader.rows(_KNOWN)
        if not found:
            return None
        return KnownIdentities(at=found[0][0], identities=tuple(_identity_of(row[1:]) for row in found if row[1]))

    async def mark(self) -> object:
        return (await self._reader.rows(_MARK))[0]

    async def put(self, known: KnownIdentities) -> None:
        await self._writer.run(_put_last, known)
