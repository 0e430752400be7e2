"""Facts from SES: raw notification, events, states and suppressions in one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence

from relay import ids
from relay.bounces import DEFAULT_RULES, BounceRules
from relay.event import Event, Replayed
from relay.ports.feedback import Recorded
from relay.store.sql import fact_numbers, facts, replay
from relay.store.sql.counters import Counts
from relay.store.sql.replay import Step
from relay.store.sql.session import Reader, Session, beside_others, changes
from relay.store.sql.writer import Writer

_SAMPLE = 1000
_RECENT = 100_000  # events: those of before were looked at by the node that led then
_LAST = "SELECT coalesce(max(id), 0) FROM events"
_PARTED = """SELECT e.id, e.ses_message_id FROM events e WHERE e.id > ? AND e.id <= ? AND e.message_id IS NULL
    AND EXISTS (SELECT 1 FROM deliveries d WHERE d.ses_message_id = e.ses_message_id) ORDER BY e.id LIMIT ?"""
_HEARD = f"""SELECT count(*), count(heard) FROM (SELECT
    (SELECT 1 FROM events e WHERE e.message_id = d.message_id AND e.number = d.number LIMIT 1) heard FROM deliveries d
    WHERE d.message_id >= ? AND d.message_id < ? AND d.state = 'sent' AND d.sent_at < ?
    ORDER BY d.message_id DESC LIMIT {_SAMPLE}) newest"""

# Mail of long mailings, and what was held, was accepted long before: of that only those are known of whom was heard.
_HEARD_OF_OLDER = f"""SELECT count(*) FROM (SELECT message_id, number FROM events ORDER BY id DESC LIMIT {_SAMPLE}) newest
    JOIN deliveries d ON d.message_id = newest.message_id AND d.number = newest.number WHERE d.sent_at >= ? AND d.sent_at < ?"""


class SqlFeedback:
    """Implements ports.FeedbackStore."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def record(
        self,
        *,
        notification_id: str,
        topic: str,
        payload: str,
        received_at: float,
        events: tuple[Event, ...],
        rules: BounceRules = DEFAULT_RULES,
    ) -> tuple[Recorded, ...]:
        raw = payload.encode("utf-8", "surrogatepass")
        return await self._writer.run(_record_all, (rules, notification_id, topic, raw, received_at, events))

    async def heard(self, *, since: float, until: float) -> tuple[int, int]:
        first, last = (ids.ulid(at, bytes(10)) for at in (since, until))
        ((sent, heard),) = await self._reader.rows(_HEARD, (first, last, until))
        if not sent:
            ((heard,),) = await self._reader.rows(_HEARD_OF_OLDER, (since, until))
        return sent or heard, heard

    async def join(self, *, after: int) -> int:
        ((last,),) = await self._reader.rows(_LAST)
        found = await self._reader.rows(_PARTED, (max(after, last - _RECENT), last, _SAMPLE))
        if found:
            await self._writer.run(_join_all, [ses_message_id for _, ses_message_id in found])
        return int(last if len(found) < _SAMPLE else found[-1][0])

    async def replay(self, *, rules: BounceRules, now: float) -> AsyncIterator[Replayed]:
        for verb in (_notifications_again, _events_again):
            last = 0
            while (step := await self._writer.run(verb, (rules, last, now))).looked:
                last = step.last
                yield step.done


@beside_others
def _join_all(db: Session, items: Sequence[Sequence[str]]) -> list[None]:
    counts = Counts()
    facts.join(db, {id for ids in items for id in ids}, counts)
    counts.write(db)
    return [None] * len(items)


_Notification = tuple[BounceRules, str, str, bytes, float, tuple[Event, ...]]
_Again = tuple[BounceRules, int, float]


def _told_of(item: _Notification) -> Iterator[str]:
    """The deliveries that its events name; others' tags may say anything."""
    return (event.relay_id for event in item[-1] if facts.key(event) is not None)


@beside_others
@changes(_told_of)
def _record_all(db: Session, items: Sequence[_Notification]) -> list[tuple[Recorded, ...]]:
    counts = Counts()
    fact_numbers.draw(db)
    recorded = [_record(db, counts, *item) for item in items]
    counts.write(db)
    return recorded


def _record(
    db: Session,
    counts: Counts,
    rules: BounceRules,
    notification_id: str,
    topic: str,
    payload: bytes,
    received_at: float,
    events: tuple[Event, ...],
) -> tuple[Recorded, ...]:
    cursor = db.execute(
        "INSERT INTO notifications (id, topic, received_at, payload) VALUES (?,?,?,?) ON CONFLICT DO NOTHING",
        (notification_id, topic, received_at, payload),
    )
    if not cursor.rowcount:
        return ()
    new = [facts.record(db, event, rules, counts, notification_id=notification_id, received_at=received_at) for event in events]
    if any(fact is None and facts.is_of_erased(db, event) for event, fact in zip(events, new, strict=True)):
        db.execute("UPDATE notifications SET payload = ? WHERE id = ?", (b"", notification_id))
    return tuple(fact for fact in new if fact)


def _notifications_again(db: Session, items: Sequence[_Again]) -> list[Step]:
    return [replay.notifications(db, rules, after) for rules, after, _ in items]


def _events_again(db: Session, items: Sequence[_Again]) -> list[Step]:
    return [replay.events(db, rules, after, now) for rules, after, now in items]
