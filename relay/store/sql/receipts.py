"""What calls with an Idempotency-Key have done."""

from __future__ import annotations

from collections.abc import Sequence

from relay.model import Receipt
from relay.ports.receipts import Received
from relay.store.sql.rows import insert
from relay.store.sql.session import Reader, Session


def write(db: Session, rows: Sequence[tuple[str, Receipt, str, float]]) -> None:
    """The login, what it calls its request, what that is answered, and when. The database refuses a key that it has used."""
    values = [
        (credential, key, receipt.fingerprint, answer, at) for credential, receipt, answer, at in rows for key in receipt.keys
    ]
    insert(db, "receipts", "credential, key, fingerprint, answer, at", values)


def forget(db: Session, items: Sequence[float]) -> list[int]:
    """Some of those that came before that."""
    old = "SELECT credential, key FROM receipts WHERE at < ? ORDER BY at LIMIT 500"
    return [db.execute(f"DELETE FROM receipts WHERE (credential, key) IN ({old})", (at,)).rowcount for at in items]


class SqlReceipts:
    """Implements ports.Receipts."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def find(self, credential: str, key: str) -> Received | None:
        rows = await self._reader.rows(
            "SELECT fingerprint, answer FROM receipts WHERE credential = ? AND key = ?", (credential, key)
        )
        return Received(bytes(rows[0][0]), rows[0][1]) if rows else None
