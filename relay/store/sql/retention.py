"""What is kept no longer,: found by the reader, removed by the writer in small steps.

Rows lie in the order in which they came, so a walk goes from the oldest to the first that are too young, and looks at each row
that must stay once.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import floor
from typing import Any

from relay import ids
from relay.statistics import HOUR
from relay.store.sql import entries, erased, flows, holds, receipts
from relay.store.sql.counters import days_of_hours, fold
from relay.store.sql.imports import SqlImports
from relay.store.sql.records import OPEN
from relay.store.sql.session import Reader, Session
from relay.store.sql.writer import Writer

# What is looked at, and at most removed, at once: each page of a body that goes has to be found, and costs as much as a row.
_STEP, _OCTETS = 100, 1024 * 1024
_HOUR, _DAY = 3600, 86400
_NUMBER = "CAST(value AS BIGINT)"

_IS_OPEN = f"""EXISTS (SELECT 1 FROM deliveries d WHERE d.message_id = value
    AND (d.state IN {OPEN} OR d.ended_at > :before))
    OR EXISTS (SELECT 1 FROM tasks t WHERE t.message_id <> '' AND t.message_id = value AND t.ended_at IS NULL)"""
_OF_IT = "WHERE lasts IN (0, 1) AND message_id = value"
_HAS_CONTENT = f"EXISTS (SELECT 1 FROM bodies {_OF_IT}) OR EXISTS (SELECT 1 FROM spooled {_OF_IT})"
# In a database that was rescued the row in `spooled` may be lost, and the delivery open.
_FILES_TO_GO = f"""SELECT value FROM json_each(:ids) WHERE EXISTS (SELECT 1 FROM messages WHERE id = value)
    AND NOT EXISTS (SELECT 1 FROM spooled {_OF_IT})
    AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.message_id = value AND d.state IN {OPEN})"""
_OLDEST_OPEN = f"SELECT accepted_at FROM messages WHERE id = (SELECT min(message_id) FROM deliveries WHERE state IN {OPEN})"


@dataclass(frozen=True, slots=True)
class _Kind:
    """What `rows` gives after :after, each with its `value`, whether it is old, and how many octets are in one row; which stay;
    where the others are removed.
    """

    rows: str
    stays: str
    tables: tuple[tuple[str, str], ...]
    first: int | str = ""


def _content(lasts: int) -> tuple[_Kind, ...]:
    """In the database, and files. What is kept for longer is looked at by itself, and not by each walk over the rest."""
    of_it = f"lasts = {lasts} AND message_id"
    bodies = f"""SELECT message_id AS value, message_id < :until AS is_old,
        coalesce((SELECT size FROM messages WHERE id = message_id), 0) AS octets
        FROM bodies WHERE {of_it} > :after ORDER BY message_id"""
    files = f"""SELECT message_id AS value, message_id < :until AS is_old, 0 AS octets
        FROM spooled WHERE {of_it} > :after ORDER BY message_id"""
    return _Kind(bodies, _IS_OPEN, (("bodies", of_it),)), _Kind(files, _IS_OPEN, (("spooled", of_it),))


_CONTENT, _LASTING_CONTENT = _content(lasts=0), _content(lasts=1)
_MESSAGES = _Kind(
    "SELECT id AS value, id < :until AS is_old, 0 AS octets FROM messages WHERE id > :after ORDER BY id",
    f"{_IS_OPEN} OR {_HAS_CONTENT}",
    (("messages", "id"), ("deliveries", "message_id"), ("attempts", "message_id"), ("events", "message_id")),
)
_STRANGERS = _Kind(
    "SELECT id AS value, received_at < :before AS is_old, 0 AS octets FROM events WHERE id > :after ORDER BY id",
    f"EXISTS (SELECT 1 FROM events WHERE id = {_NUMBER} AND (message_id IS NOT NULL OR received_at >= :before))",
    (("events", "id"),),
    first=0,
)
_NOTIFICATIONS = _Kind(
    """SELECT number AS value, received_at < :before AS is_old, length(payload) AS octets
        FROM notifications WHERE number > :after ORDER BY number""",
    f"EXISTS (SELECT 1 FROM notifications WHERE number = {_NUMBER} AND received_at >= :before)",
    (("notifications", "number"),),
    first=0,
)
_QUARANTINE = _Kind(
    """SELECT number AS value, received_at < :before AS is_old, length(body) AS octets
        FROM quarantine WHERE number > :after ORDER BY number""",
    f"EXISTS (SELECT 1 FROM quarantine WHERE number = {_NUMBER} AND received_at >= :before)",
    (("quarantine", "number"),),
    first=0,
)
_HISTORY = _Kind(
    "SELECT id AS value, at < :before AS is_old, 0 AS octets FROM suppression_history WHERE id > :after ORDER BY id",
    f"""EXISTS (SELECT 1 FROM suppression_history WHERE id = {_NUMBER} AND (change = 'removed' OR at >= :before))""",
    (("suppression_history", "id"),),
    first=0,
)
_AUDIT = _Kind(
    "SELECT id AS value, at < :before AS is_old, 0 AS octets FROM audit WHERE id > :after ORDER BY id",
    f"EXISTS (SELECT 1 FROM audit WHERE id = {_NUMBER} AND at >= :before)",
    (("audit", "id"),),
    first=0,
)
_OLD_LINKS = f"""DELETE FROM old_links WHERE (message_id, number) IN
    (SELECT message_id, number FROM old_links WHERE message_id < ? ORDER BY message_id, number LIMIT {_STEP})"""

_KEEP_LINKS = """INSERT INTO old_links (message_id, number, recipient, credential, sender, list)
    SELECT d.message_id, d.number, d.recipient, m.credential, m.sender, m.list
    FROM messages m JOIN deliveries d ON d.message_id = m.id
    WHERE m.id IN (SELECT value FROM json_each(?)) AND m.has_links = 1 ON CONFLICT DO NOTHING"""


_KEEP_LINKS_OF_SOME = """INSERT INTO old_links (message_id, number, recipient, credential, sender, list)
    SELECT d.message_id, d.number, d.recipient, m.credential, m.sender, m.list
    FROM messages m JOIN deliveries d ON d.message_id = m.id
    WHERE m.id = ? AND m.has_links = 1 ORDER BY d.message_id, d.number LIMIT ? ON CONFLICT DO NOTHING"""

# Of a mailing, the largest first: whose they are, what names one of them, and the order in which an index has them.
_PARTS = (
    ("events", "message_id", "id", "number"),
    ("attempts", "message_id", "message_id, number, attempt, at", "number"),
    ("deliveries", "message_id", "message_id, number", "number"),
    ("task_contacts", "task", "task, included, address_key, contact_id", "included, address_key"),
)


class SqlRetention:
    """Implements ports.Retention."""

    def __init__(self, writer: Writer, reader: Reader, imports: SqlImports, *, shorten: Callable[[Session], int]) -> None:
        """`shorten` gives some of the room back that is free in the database, and says how much."""
        self._writer = writer
        self._reader = reader
        self._imports = imports
        self._shorten = shorten

    async def bodies(self, before: float) -> AsyncIterator[int]:
        for kind in _CONTENT:
            async for count in self._walk(kind, before):
                yield count

    async def web_versions(self, before: float) -> AsyncIterator[int]:
        for kind in _LASTING_CONTENT:
            async for count in self._walk(kind, before):
                yield count

    async def facts(self, before: float) -> AsyncIterator[int]:
        for kind in (_MESSAGES, _STRANGERS):
            async for count in self._walk(kind, before):
                yield count

    async def links(self, before: float) -> AsyncIterator[int]:
        while count := await self._writer.run(_forget_links, before):
            yield count

    async def history(self, before: float) -> AsyncIterator[int]:
        async for count in self._walk(_HISTORY, before):
            yield count

    async def audit(self, before: float) -> AsyncIterator[int]:
        async for count in self._walk(_AUDIT, before):
            yield count

    async def counters(self, before: float) -> AsyncIterator[int]:
        while count := await self._writer.run(_forget_hours, before):
            yield count

    async def hours(self, before: float) -> AsyncIterator[int]:
        for day in await days_of_hours(self._reader, before):
            for hour in range(day + _HOUR, day + _DAY, _HOUR):
                yield await self._writer.run(fold, hour)

    async def notifications(self, before: float) -> AsyncIterator[int]:
        for kind in (_NOTIFICATIONS, _QUARANTINE):
            async for count in self._walk(kind, before):
                yield count

    async def suppressions(self, now: float) -> AsyncIterator[int]:
        while count := await self._writer.run(_expire_all, now):
            yield count

    async def imports(self, now: float) -> AsyncIterator[int]:
        async for count in self._imports.clear(now):
            yield count

    async def receipts(self, before: float) -> AsyncIterator[int]:
        while count := await self._writer.run(receipts.forget, before):
            yield count

    async def tasks(self, before: float) -> AsyncIterator[int]:
        while count := await self._writer.run(_forget_tasks, before):
            yield count

    async def flows_and_holds(self, now: float) -> int:
        return await self._writer.run(_forget_flows, None) + await self._writer.run(_forget_holds, now)

    async def files_to_go(self, message_ids: Collection[str]) -> tuple[str, ...]:
        return tuple(row[0] for row in await self._reader.rows(_FILES_TO_GO, {"ids": json.dumps(list(message_ids))}))

    async def free_pages(self) -> AsyncIterator[int]:
        while freed := await self._writer.run(_shorten, self._shorten):
            yield freed

    async def _walk(self, kind: _Kind, before: float) -> AsyncIterator[int]:
        """How many went, of some after others, until none of them are old."""
        query = f"SELECT value, is_old, octets, {kind.stays} FROM ({kind.rows} LIMIT {_STEP}) looked"
        values = {"before": before, "until": ids.ulid(max(before, 0.0), bytes(10)), "after": kind.first}
        while rows := _at_once(await self._reader.rows(query, values)):
            old = [value for value, is_old, _, stays in rows if is_old and not stays]
            yield await self._writer.run(_forget, (kind, old, before)) if old else 0
            if not any(is_old for _, is_old, _, _ in rows):
                return
            values["after"] = rows[-1][0]


def _at_once(rows: list[Any]) -> list[Any]:
    """So many of them as one step may remove, or one."""
    octets = list(accumulate(row[2] for row in rows))
    return rows[: bisect_left(octets, _OCTETS) + 1]


def _forget(db: Session, items: Sequence[tuple[_Kind, Sequence[int | str], float]]) -> list[int]:
    return [_forget_old(db, *item) for item in items]


def _forget_old(db: Session, kind: _Kind, values: Sequence[int | str], before: float) -> int:
    """What was found may have to stay by now: it is asked once more."""
    query = f"SELECT value FROM json_each(:values) WHERE NOT ({kind.stays})"
    found = db.execute(query, {"values": json.dumps(list(map(str, values))), "before": before}).fetchall()
    old = json.dumps([value for (value,) in found])
    if kind is _MESSAGES:
        db.execute(_KEEP_LINKS, (old,))
    value = "value" if kind.first == "" else _NUMBER
    gone = [
        db.execute(f"DELETE FROM {table} WHERE {column} IN (SELECT {value} FROM json_each(?))", (old,)).rowcount
        for table, column in kind.tables
    ]
    return gone[0]


def _forget_links(db: Session, items: Sequence[float]) -> list[int]:
    return [db.execute(_OLD_LINKS, (ids.ulid(max(before, 0.0), bytes(10)),)).rowcount for before in items]


def _forget_hours(db: Session, items: Sequence[float]) -> list[int]:
    """Hours that were over before that, the oldest first."""
    key = "hour, name, credential, sender_domain, campaign, writer"
    old = f"SELECT {key} FROM counters WHERE hour <= ? ORDER BY hour LIMIT ?"
    delete = f"DELETE FROM counters WHERE ({key}) IN ({old})"
    return [db.execute(delete, (floor(before - HOUR), _STEP)).rowcount for before in items]


def _forget_tasks(db: Session, items: Sequence[float]) -> list[int]:
    return [_forget_task(db, before) for before in items]


def _forget_task(db: Session, before: float) -> int:
    """One, from its largest parts to itself: how many rows of these went."""
    row = db.execute("SELECT id, message_id FROM tasks WHERE ended_at < ? ORDER BY ended_at LIMIT 1", (before,)).fetchone()
    if not row:
        return 0
    task, message_id = row
    values = {"message_id": message_id, "task": task}
    for table, column, key, order in _PARTS:
        if table == "deliveries":
            db.execute(_KEEP_LINKS_OF_SOME, (message_id, _STEP))
        some = f"SELECT {key} FROM {table} WHERE {column} = ? ORDER BY {order} LIMIT {_STEP}"
        if gone := values[column] and db.execute(f"DELETE FROM {table} WHERE ({key}) IN ({some})", (values[column],)).rowcount:
            return int(gone)
    for table in ("task_texts", "task_groups", "task_attachments", "task_counts"):
        db.execute(f"DELETE FROM {table} WHERE task = ?", (task,))
    return db.execute("DELETE FROM tasks WHERE id = ?", (task,)).rowcount


def _expire_all(db: Session, items: Sequence[float]) -> list[int]:
    return [entries.expire(db, now) or erased.expire(db, now) for now in items]


def _forget_flows(db: Session, items: Sequence[None]) -> list[int]:
    """Those whose newest message was let go, and with it all of them."""
    oldest = "coalesce((SELECT min(message_id) FROM deliveries), '~')"
    flows.fold(db)
    gone = db.execute(f"DELETE FROM loads WHERE open = 0 AND newest < {oldest}").rowcount
    db.execute("DELETE FROM flows WHERE id NOT IN (SELECT flow FROM loads)")
    return [gone] * len(items)


def _forget_holds(db: Session, items: Sequence[float]) -> list[int]:
    """Those that no open delivery has waited under, after what nothing waits under any more has ended."""
    for now in items:
        holds.end_idle(db, now)
    oldest = db.execute(_OLDEST_OPEN).fetchone()
    return [holds.forget(db, oldest[0] if oldest else now) for now in items]


def _shorten(db: Session, items: Sequence[Callable[[Session], int]]) -> list[int]:
    return [shorten(db) for shorten in items]
