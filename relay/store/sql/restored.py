"""What a restored backup does not know: whether that which was open in it was sent after it. It is held for a decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from relay.holds import Holder
from relay.lifecycle import NEVER, RESTORED
from relay.outcome import Hold, HoldScope
from relay.store.sql import holds
from relay.store.sql.records import OPEN
from relay.store.sql.session import Session
from relay.store.sql.writer import Writer

_OF = f"FROM deliveries WHERE state IN {OPEN} AND NOT (due_at = ? AND reason = ?)"
# The call that nobody knows of: the one that was open, or the next one.
_TRY = "attempt + CASE WHEN state = 'sending' THEN 0 ELSE 1 END"
_DOUBT = f"""INSERT INTO attempts (message_id, number, attempt, at, state, reason)
    SELECT message_id, number, {_TRY}, ?, 'in_doubt', ? {_OF} ON CONFLICT DO NOTHING"""
_HOLD = f"""UPDATE deliveries SET attempt = {_TRY}, state = 'queued', due_at = ?, reason = ?, lease_until = NULL
    {_OF.removeprefix("FROM deliveries ")}"""
# Whose audience was not all made into deliveries: some may have been made, and sent, since.
_STOP = """UPDATE tasks SET state = 'stopped', reason = ? WHERE state IN ('created', 'started') AND ended_at IS NULL
    AND is_whole = 0 RETURNING id"""


class Marked(NamedTuple):
    """How many deliveries are held, and how many mailings were stopped."""

    deliveries: int
    mailings: int


class SqlRestored:
    """To be used once after a restore, before any relay runs on it. Doing it twice is as doing it once."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def mark(self, *, now: float) -> Marked:
        """Whatever was open is held until it is retried, cancelled, or proven sent by an event. Raises StoreUnavailable."""
        return await self._writer.run(_marks, now)


def _marks(db: Session, items: Sequence[float]) -> list[Marked]:
    return [_mark(db, now) for now in items]


def _mark(db: Session, now: float) -> Marked:
    db.execute(_DOUBT, (now, RESTORED, NEVER, RESTORED))
    held = db.execute(_HOLD, (NEVER, RESTORED, NEVER, RESTORED)).rowcount
    stopped = [id for (id,) in db.execute(_STOP, (RESTORED,)).fetchall()]
    for id in stopped:
        holds.put(db, Hold(HoldScope.TASK, RESTORED, NEVER, str(id)), holder=Holder.LOGIN, at=now)
    return Marked(held, len(stopped))
