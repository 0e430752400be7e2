"""What links in mail lead to,: whose they are, also of messages that were let go, and what he does with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from relay import address, statistics
from relay.event import EventType
from relay.links import Addressee, LinkedMail
from relay.store.sql import entries, own_facts
from relay.store.sql.counters import Counts
from relay.store.sql.entries import VISIBLE
from relay.store.sql.own_facts import OwnFact
from relay.store.sql.records import MESSAGE, MESSAGE_WIDTH, message_of
from relay.store.sql.session import Reader, Session
from relay.store.sql.writer import Writer
from relay.suppression import Reason, Release, Suppression, of_credential, of_list
from relay.tokens import Link

_SOURCE = "link in mail"
_WHOSE = ("credential", "sender", "list", "campaign", "task", "message_id", "number")
_ADDRESSEE = """SELECT d.recipient, m.credential, m.sender, m.list, m.campaign, m.task, m.id, d.number
        FROM deliveries d JOIN messages m ON m.id = d.message_id WHERE d.message_id = :message_id AND d.number = :number
    UNION ALL SELECT recipient, credential, sender, list, '', 0, '', 0 FROM old_links
        WHERE message_id = :message_id AND number = :number"""
_MAIL = f"""SELECT {MESSAGE}, b.content, s.message_id IS NOT NULL, d.fields
    FROM deliveries d JOIN messages m ON m.id = d.message_id
    LEFT JOIN bodies b ON b.lasts = m.lasts AND b.message_id = m.id
    LEFT JOIN spooled s ON s.lasts = m.lasts AND s.message_id = m.id
    WHERE d.message_id = ? AND d.number = ?"""
_LEFT = f"""SELECT scope FROM suppressions WHERE address_key = ? AND reason = ?
    AND (expires_at = 0 OR expires_at > ?) AND {VISIBLE}"""
# Of the last that were delivered: there may be mail of many years.
_LISTS = """SELECT DISTINCT m.list FROM
    (SELECT message_id FROM events WHERE address_key = ? AND type = 'delivery' ORDER BY at DESC LIMIT 500) newest
    JOIN messages m ON m.id = newest.message_id WHERE m.credential = ? AND m.list <> ''"""


class SqlLinks:
    """Implements ports.LinkStore."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def addressee(self, link: Link) -> Addressee | None:
        rows = await self._reader.rows(_ADDRESSEE, {"message_id": link.message_id, "number": link.number})
        return _addressee(*rows[0]) if rows else None

    async def has_left(self, whom: Addressee, *, now: float) -> bool:
        return not {whom.scope, of_credential(whom.credential)}.isdisjoint(await self._left(whom, now))

    async def mail(self, link: Link) -> LinkedMail | None:
        rows = await self._reader.rows(_MAIL, (link.message_id, link.number))
        content, is_spooled, fields = rows[0][MESSAGE_WIDTH:] if rows else (None, False, "")
        if content is None and not is_spooled:
            return None
        return LinkedMail(message=message_of(rows[0]), content=content, fields=fields)

    async def lists(self, whom: Addressee, *, now: float) -> Mapping[str, bool]:
        rows = await self._reader.rows(_LISTS, (address.key(whom.address), whom.credential))
        names = {name for (name,) in rows} | ({whom.list} if whom.list else set())
        left = await self._left(whom, now)
        gets_any = of_credential(whom.credential) not in left
        return {name: gets_any and of_list(name) not in left for name in sorted(names)}

    async def _left(self, whom: Addressee, now: float) -> frozenset[str]:
        """The scopes whose mail he does not want any more."""
        rows = await self._reader.rows(_LEFT, (address.key(whom.address), Reason.UNSUBSCRIBED, now))
        return frozenset(scope for (scope,) in rows)

    async def leave(self, whom: Addressee, *, at: float) -> bool:
        return await self._writer.run(_leave_all, (whom, at))

    async def come_back(self, whom: Addressee, *, at: float) -> bool:
        return await self._writer.run(_come_back_all, (whom, at))


def _addressee(recipient: str, *whose: Any) -> Addressee:
    return Addressee(address=recipient, **dict(zip(_WHOSE, whose, strict=True)))


def _leave_all(db: Session, items: Sequence[tuple[Addressee, float]]) -> list[bool]:
    counts = Counts()
    left = [_leave(db, whom, at, counts) for whom, at in items]
    counts.write(db)
    return left


def _leave(db: Session, whom: Addressee, at: float, counts: Counts) -> bool:
    entry = Suppression(address=whom.address, reason=Reason.UNSUBSCRIBED, source=_SOURCE, created_at=at, scope=whom.scope)
    is_new = entries.add(db, entry, at=at)
    if is_new:
        counts.add(statistics.UNSUBSCRIBED, statistics.origin(whom.credential, whom.sender, whom.campaign, whom.task), at)
        _note(db, whom, EventType.UNSUBSCRIBED, at)
    return is_new


def _come_back_all(db: Session, items: Sequence[tuple[Addressee, float]]) -> list[bool]:
    return [_come_back(db, whom, at) for whom, at in items]


def _come_back(db: Session, whom: Addressee, at: float) -> bool:
    was_out = entries.opt_in(db, Release(address=whom.address, source=_SOURCE, at=at, scope=whom.scope))
    if was_out:
        _note(db, whom, EventType.RESUBSCRIBED, at)
    return was_out


def _note(db: Session, whom: Addressee, kind: EventType, at: float) -> None:
    """Not of a message that was let go: nobody knows it any more."""
    if whom.message_id:
        fact = OwnFact(whom.message_id, whom.number, whom.address, whom.credential, kind, at, whom.scope)
        own_facts.note(db, [fact])
