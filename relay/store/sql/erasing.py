"""Takes an address out of the store, in small steps: found by the reader, removed by the writer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from relay import address, failpoints, lifecycle
from relay.erasure import ErasedAddress, Erasure, Marks, Mentions
from relay.lifecycle import Cause
from relay.model import State
from relay.ports.privacy import Waits
from relay.store.sql import erased
from relay.store.sql.moves import end
from relay.store.sql.personal import DELIVERIES, PLACES, SUPPRESSIONS, Place, look
from relay.store.sql.records import DELIVERY, OPEN, delivery_of
from relay.store.sql.session import Reader, Session
from relay.store.sql.writer import Writer

_STEP = 100
_REASON = "its recipient was erased"
_MOVABLE = f"SELECT {DELIVERY} FROM deliveries d WHERE d.message_id = ? AND d.number = ? AND d.state = 'queued'"
_BEGUN = """INSERT INTO erased_addresses (mark, began_at) VALUES (?,?)
    ON CONFLICT (mark) DO UPDATE SET began_at = excluded.began_at, ended_at = NULL"""
_ENDED = "UPDATE erased_addresses SET ended_at = ? WHERE mark = ?"
_ERASED = "SELECT mark, began_at, ended_at FROM erased_addresses ORDER BY began_at DESC, mark"
# The content of a mailing is the same for all who get it, and has no address of theirs in it.
_NOBODY_WAITS = f"""SELECT id FROM messages m WHERE m.id = ? AND m.task = 0
    AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.message_id = m.id AND d.state IN {OPEN})"""
_CONTENT = (
    "DELETE FROM bodies WHERE lasts IN (0, 1) AND message_id = ?",
    "DELETE FROM spooled WHERE lasts IN (0, 1) AND message_id = ?",
    "UPDATE messages SET edits = '[]' WHERE id = ?",
)
_OF_DELIVERY = (
    ("notices", "DELETE FROM notices WHERE webhook IN (SELECT name FROM webhooks) AND message_id = ? AND number = ?"),
    ("attempts", "DELETE FROM attempts WHERE message_id = ? AND number = ?"),
    ("events", "DELETE FROM events WHERE message_id = ? AND number = ?"),
    ("links", "DELETE FROM old_links WHERE message_id = ? AND number = ?"),
    ("deliveries", f"DELETE FROM deliveries WHERE message_id = ? AND number = ? AND state NOT IN {OPEN}"),
)
_MESSAGE = """DELETE FROM messages WHERE id = ? AND task = 0
    AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.message_id = messages.id)"""
# A mailing's place among its contacts is given up once all of them have become deliveries.
_IS_BEING_MADE = "SELECT 1 FROM tasks WHERE last_key = ? AND is_whole = 0 AND ended_at IS NULL"

_Key = tuple[str, int]


class _Removal(NamedTuple):
    """Rows of a place by what tells them apart, with what is written into columns that stay."""

    place: Place
    keys: Sequence[tuple[Any, ...]]
    texts: Sequence[tuple[str, ...]] = ()


class SqlErasing:
    """Implements ports.Erasing."""

    def __init__(self, writer: Writer, reader: Reader, marks: Marks) -> None:
        self._writer = writer
        self._reader = reader
        self._marks = marks

    async def cancel(self, wanted: str, *, now: float) -> AsyncIterator[Waits]:
        async for found in self._keys(DELIVERIES, wanted):
            states = [State(row[DELIVERIES.width + 1]) for row in found]
            open_ones = [(row[0], row[1]) for row, state in zip(found, states, strict=True) if state is State.QUEUED]
            cancelled = await self._writer.run(_cancel_all, (open_ones, now)) if open_ones else 0
            called = sum(state in lifecycle.OPEN for state in states) - cancelled
            yield Waits(cancelled, called)
        yield Waits(0, await self.reached(wanted))

    async def reached(self, wanted: str) -> int:
        return len(await self._reader.rows(_IS_BEING_MADE, (address.key(wanted),)))

    async def begin(self, erasure: Erasure, *, now: float) -> str:
        return await self._writer.run(_begin_all, (erasure, now))

    async def deliveries(self, wanted: str) -> AsyncIterator[Sequence[_Key]]:
        async for found in self._keys(DELIVERIES, wanted):
            ended = [(row[0], row[1]) for row in found if State(row[DELIVERIES.width + 1]) not in lifecycle.OPEN]
            for first in range(0, len(ended), _STEP):
                yield ended[first : first + _STEP]

    async def let_go(self, some: Sequence[_Key]) -> tuple[str, ...]:
        return await self._writer.run(_let_go_all, [message_id for message_id, _ in some])

    async def forget(self, some: Sequence[_Key]) -> Mapping[str, int]:
        return await self._writer.run(_forget_all, some)

    async def everything_else(self, wanted: str) -> AsyncIterator[tuple[str, int]]:
        for place in PLACES:
            if place in (DELIVERIES, SUPPRESSIONS):  # these have steps of their own
                continue
            async for found in self._keys(place, wanted):
                for removal in _removals(place, found, Mentions(wanted)):
                    yield place.kind, await self._writer.run(_remove_all, removal)

    async def end(self, wanted: str, mark: str, *, now: float) -> None:
        await self._writer.run(_end_all, (wanted, mark, now))

    async def erased(self) -> tuple[ErasedAddress, ...]:
        rows = await self._reader.rows(_ERASED)
        return tuple(
            ErasedAddress(mark=mark, began_at=began, ended_at=ended, is_readable=self._marks.knows(mark))
            for mark, began, ended in rows
        )

    async def _keys(self, place: Place, wanted: str) -> AsyncIterator[Sequence[Any]]:
        """What is found in one part of it after the other, and is not nothing."""
        after: tuple[Any, ...] | None = None
        while True:
            found = await look(self._reader, place, wanted, after)
            if found.rows:
                yield found.rows
            if (after := found.after) is None:
                return


def _removals(place: Place, found: Sequence[Any], mentions: Mentions) -> Iterator[_Removal]:
    for first in range(0, len(found), _STEP):
        some = [_facts(place, row) for row in found[first : first + _STEP]]
        keys = [tuple(row[name] for name in _one(place)) for row in some]
        texts = [tuple(_left(place, str(row[name]), mentions) for name in place.stays) for row in some] if place.stays else ()
        yield _Removal(place, keys, texts)


def _left(place: Place, text: str, mentions: Mentions) -> str:
    return mentions.without(text) if place.texts else ""


def _facts(place: Place, row: Sequence[Any]) -> Mapping[str, Any]:
    return dict(zip([*place.keys, *place.names], row, strict=True))


def _one(place: Place) -> list[str]:
    return [place.one] if place.one else place.keys


def _cancel_all(db: Session, items: Sequence[tuple[Sequence[_Key], float]]) -> list[int]:
    return [sum(_cancel(db, key, now) for key in keys) for keys, now in items]


def _cancel(db: Session, key: _Key, now: float) -> bool:
    row = db.execute(_MOVABLE, key).fetchone()
    if row:
        end(db, delivery_of(row), Cause.CANCELLED, _REASON, now)
    return row is not None


def _begin_all(db: Session, items: Sequence[tuple[Erasure, float]]) -> list[str]:
    return [_begin(db, *item) for item in items]


def _begin(db: Session, erasure: Erasure, now: float) -> str:
    """What keeps mail from it is never gone for a moment."""
    key = address.key(erasure.address)
    mark = db.marks.of(key)[0]
    erased.move(db, key)
    if erasure.suppress:
        erased.suppress(db, erasure.address, now)
    db.execute(_BEGUN, (mark, now))
    return mark


def _let_go_all(db: Session, items: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    return [_let_go(db, message_ids) for message_ids in items]


def _let_go(db: Session, message_ids: Sequence[str]) -> tuple[str, ...]:
    gone = [id for id in dict.fromkeys(message_ids) if db.execute(_NOBODY_WAITS, (id,)).fetchone()]
    for statement in _CONTENT:
        db.executemany(statement, [(id,) for id in gone])
    return tuple(gone)


def _forget_all(db: Session, items: Sequence[Sequence[_Key]]) -> list[Mapping[str, int]]:
    return [_forget(db, keys) for keys in items]


def _forget(db: Session, keys: Sequence[_Key]) -> Mapping[str, int]:
    counts = {kind: sum(db.execute(statement, key).rowcount for key in keys) for kind, statement in _OF_DELIVERY}
    db.executemany(_MESSAGE, [(id,) for id in dict.fromkeys(message_id for message_id, _ in keys)])
    failpoints.reach(failpoints.IN_ERASURE)
    return counts


def _remove_all(db: Session, items: Sequence[_Removal]) -> list[int]:
    return [_remove(db, removal) for removal in items]


def _remove(db: Session, removal: _Removal) -> int:
    place = removal.place
    these = " AND ".join(f"{name} = ?" for name in _one(place))
    if not place.stays:
        return sum(db.execute(f"DELETE FROM {place.table} WHERE {these}", key).rowcount for key in removal.keys)
    changed = ", ".join(f"{name} = ?" for name in place.stays)
    rows = [(*texts, *key) for texts, key in zip(removal.texts, removal.keys, strict=True)]
    return sum(db.execute(f"UPDATE {place.table} SET {changed} WHERE {these}", row).rowcount for row in rows)


def _end_all(db: Session, items: Sequence[tuple[str, str, float]]) -> list[None]:
    """What came to keep mail from it meanwhile stays as well."""
    for wanted, mark, now in items:
        erased.move(db, address.key(wanted))
        db.execute(_ENDED, (now, mark))
    return [None] * len(items)
