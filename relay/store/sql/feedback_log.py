"""What was heard, for people: the newest posts of SNS and what came of each, and facts that are nobody's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from relay import ses_event
from relay.ports.feedback import Found, Post, Stranger
from relay.store.sql.session import Reader

_POST = "SELECT number, id, topic, received_at, payload FROM notifications"
_POSTS = f"{_POST} WHERE number < ? ORDER BY number DESC LIMIT ?"
_ONE = f"{_POST} WHERE number = ?"
# A fact is found by what it says: who told it first is kept, and an index of that would cost more than all the others.
_TOLD = """SELECT fingerprint, notification_id, type, class, recipient, coalesce(message_id, ''), coalesce(number, 0)
    FROM events WHERE fingerprint IN (SELECT value FROM json_each(?))"""
_STRANGERS = """SELECT id, received_at, type, recipient, ses_message_id, detail FROM events
    WHERE message_id IS NULL AND id < ? ORDER BY id DESC LIMIT ?"""

_Facts = Mapping[str, Sequence[Any]]


class SqlFeedbackLog:
    """Implements ports.FeedbackLog."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def posts(self, *, before: int, count: int) -> tuple[Post, ...]:
        return await self._with_facts(await self._reader.rows(_POSTS, (before, count)))

    async def post(self, number: int) -> Post | None:
        return next(iter(await self._with_facts(await self._reader.rows(_ONE, (number,)))), None)

    async def strangers(self, *, before: int, count: int) -> tuple[Stranger, ...]:
        return tuple(map(_stranger, await self._reader.rows(_STRANGERS, (before, count))))

    async def _with_facts(self, rows: Sequence[Sequence[Any]]) -> tuple[Post, ...]:
        told = [(row, bytes(row[4]).decode("utf-8", "replace")) for row in rows]
        prints = [_fingerprints(payload, row[3]) for row, payload in told]
        wanted = json.dumps([each for some in prints for each in some])
        facts = {row[0]: row[1:] for row in await self._reader.rows(_TOLD, (wanted,))}
        return tuple(_post(row, payload, some, facts) for (row, payload), some in zip(told, prints, strict=True))


def _fingerprints(payload: str, received_at: float) -> list[str]:
    """Each once, in the order in which the post tells them."""
    events = ses_event.parse(payload, received_at=received_at)
    return list(dict.fromkeys(map(ses_event.fingerprint, events)))


def _post(row: Sequence[Any], payload: str, prints: Sequence[str], facts: _Facts) -> Post:
    number, id, topic, received_at, _ = row
    found = tuple(_found(facts[each], id) for each in prints if each in facts)
    return Post(number=number, id=id, topic=topic, received_at=received_at, payload=payload, found=found)


def _found(fact: Sequence[Any], notification_id: str) -> Found:
    told_by, kind, class_, recipient, message_id, number = fact
    delivery_id = f"{message_id}-{number}" if message_id else ""
    return Found(kind, class_, recipient, delivery_id, is_first=told_by == notification_id)


def _stranger(row: Sequence[Any]) -> Stranger:
    number, received_at, kind, recipient, ses_message_id, detail = row
    return Stranger(
        number=number, received_at=received_at, type=kind, recipient=recipient, ses_message_id=ses_message_id, detail=detail
    )
