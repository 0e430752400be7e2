"""Facts as they are read one after the other: those of one login, by their numbers."""

from __future__ import annotations

from typing import Any

from relay.event import Fact
from relay.store.sql import fact_numbers
from relay.store.sql.facts import event_of
from relay.store.sql.records import pairs
from relay.store.sql.session import Reader

FACT = """e.id, e.message_id, e.number, e.class, coalesce(m.label_id, ''), coalesce(m.campaign, ''), coalesce(m.task, 0),
    e.credential, coalesce(m.sender, ''), coalesce(m.list, ''), coalesce(m.tags, '[]'),
    e.type, e.at, e.recipient, e.ses_message_id, e.detail, e.document"""
_READ = f"""SELECT {FACT} FROM events e LEFT JOIN messages m ON m.id = e.message_id
    WHERE e.credential = ? AND e.credential <> '' AND e.id > ? AND e.id <= ? ORDER BY e.id LIMIT ?"""


class SqlEvents:
    """Implements ports.Facts."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def read(self, credential: str, *, after: int, count: int) -> tuple[Fact, ...] | None:
        """Numbers that may still become visible out of their order are waited for: see fact_numbers.py."""
        drawn = await fact_numbers.drawn(self._reader)
        if after > drawn.last:
            return None
        rows = await self._reader.rows(_READ, (credential, after, drawn.settled, count))
        return tuple(map(fact_of, rows))


def fact_of(row: Any) -> Fact:
    """Out of the columns of `FACT`."""
    cursor, message_id, number, found, label_id, campaign, task, credential, sender, list, tags, *columns = row
    return Fact(
        cursor=cursor,
        delivery_id=f"{message_id}-{number}",
        event=event_of(columns),
        found=found,
        label_id=label_id,
        campaign=campaign,
        task=task,
        credential=credential,
        sender=sender,
        list=list,
        tags=pairs(tags),
    )
