"""What stands, as each node has seen it, and whom it was told."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from relay.alarm import Alarm, Kind, Level, Stands
from relay.store.sql.session import Reader, Session
from relay.store.sql.writer import Writer

_ROW = "kind, level, subject, words, node, began_at, seen_at, over_at, journal_at, webhook_at, mail_at, failure"
_KNOWN = frozenset(Kind)  # another release may have put others there
_WAYS = ("journal", "webhook", "mail")
# What is worse than it was, or was over, is news; and so is each test.
_AGAIN = "excluded.level > alarms.level OR alarms.over_at > 0 OR alarms.kind = 'test'"
_SEEN = f"""INSERT INTO alarms ({_ROW}) VALUES (?,?,?,?,?,?,?,0,0,0,0,'')
    ON CONFLICT (kind, subject, node) DO UPDATE SET level = excluded.level, words = excluded.words, seen_at = excluded.seen_at,
        over_at = 0, began_at = CASE WHEN alarms.over_at > 0 THEN excluded.began_at ELSE alarms.began_at END,
        {", ".join(f"{way}_at = CASE WHEN {_AGAIN} THEN 0 ELSE alarms.{way}_at END" for way in _WAYS)}"""
_STILL = """UPDATE alarms SET seen_at = ? WHERE node = ? AND over_at = 0 AND kind IN (SELECT value FROM json_each(?))"""
_OF = "kind = ? AND subject = ? AND node = ?"


class _Report(NamedTuple):
    node: str
    alarms: Sequence[Alarm]
    unknown: Collection[Kind]
    now: float


class SqlAlarms:
    """Implements ports.AlarmStore."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def all(self) -> tuple[Stands, ...]:
        rows = await self._reader.rows(f"SELECT {_ROW} FROM alarms ORDER BY began_at, kind, subject, node")
        return tuple(_stands(row) for row in rows if row[0] in _KNOWN)

    async def report(self, node: str, alarms: Sequence[Alarm], *, unknown: Collection[Kind], now: float) -> None:
        await self._writer.run(_report, _Report(node, alarms, unknown, now))

    async def end(self, *, unseen_since: float, now: float) -> None:
        await self._writer.run(
            _execute, ("UPDATE alarms SET over_at = ? WHERE over_at = 0 AND seen_at < ?", (now, unseen_since))
        )

    async def told(self, way: str, some: Sequence[Stands], *, at: float) -> None:
        if way not in _WAYS:
            raise ValueError(way)
        for each in some:
            values = (0.0 if each.over_at else at, *_key(each))
            await self._writer.run(_execute, (f"UPDATE alarms SET {way}_at = ?, failure = '' WHERE {_OF}", values))

    async def failed(self, some: Sequence[Stands], why: str) -> None:
        for each in some:
            await self._writer.run(_execute, (f"UPDATE alarms SET failure = ? WHERE {_OF}", (why, *_key(each))))

    async def forget(self, *, over_before: float) -> None:
        untold = " AND ".join(f"{way}_at = 0" for way in _WAYS)
        is_done = f"({untold}) OR kind = 'test' OR over_at < ?"
        await self._writer.run(_execute, (f"DELETE FROM alarms WHERE over_at > 0 AND ({is_done})", (over_before,)))


def _stands(row: tuple[Any, ...]) -> Stands:
    kind, level, subject, words, *rest = row
    alarm = Alarm(kind=Kind(kind), level=Level(level), subject=subject, words=json.loads(words))
    node, began_at, seen_at, over_at, journal_at, webhook_at, mail_at, failure = rest
    return Stands(
        alarm=alarm,
        node=node,
        began_at=began_at,
        seen_at=seen_at,
        over_at=over_at,
        journal_at=journal_at,
        webhook_at=webhook_at,
        mail_at=mail_at,
        failure=failure,
    )


def _key(stands: Stands) -> tuple[str, str, str]:
    return stands.alarm.kind, stands.alarm.subject, stands.node


def _report(db: Session, items: Sequence[_Report]) -> list[None]:
    for node, alarms, unknown, now in items:
        for each in alarms:
            db.execute(_SEEN, (each.kind, int(each.level), each.subject, json.dumps(dict(each.words)), node, now, now))
        db.execute(_STILL, (now, node, json.dumps(list(unknown))))
    return [None] * len(items)


def _execute(db: Session, items: Sequence[tuple[str, tuple[object, ...]]]) -> list[None]:
    for statement, values in items:
        db.execute(statement, values)
    return [None] * len(items)
