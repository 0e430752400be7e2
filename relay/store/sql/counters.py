"""Counters by the hour: written in the transaction of what is counted, and summed when they are read."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from math import floor
from typing import Any

from relay import statistics
from relay.event import Event, EventType
from relay.model import Origin
from relay.ports.operators import Counted
from relay.statistics import DAY, HOUR, HOURS_KEPT, UNIQUE, By, Figures, Wanted
from relay.store.sql.rows import insert
from relay.store.sql.session import Reader, Session, beside_others
from relay.store.sql.writer import Writer

ORIGIN = "m.credential, m.sender, m.campaign, m.task"  # what statistics.origin makes one of
_COLUMNS = "hour, name, credential, sender_domain, campaign"
_ADD = f"ON CONFLICT ({_COLUMNS}, writer) DO UPDATE SET count = counters.count + excluded.count"
_KEYS: Mapping[By | None, str] = {
    None: "''",
    By.HOUR: "hour",
    By.DAY: "hour / 86400 * 86400",
    By.CREDENTIAL: "credential",
    By.DOMAIN: "sender_domain",
    By.CAMPAIGN: "campaign",
}
# Hours are written out: by how many there are between two PostgreSQL plans, and of values it does not ask.
_BETWEEN = "FROM counters WHERE hour >= {first} AND hour <= {last}"
_SUMS = "SELECT {key}, name, sum(count) {of} GROUP BY 1, 2 HAVING sum(count) > 0"
# In the order in which the rows lie: for any other SQLite sorts them all.
_HOURS = "FROM (SELECT hour, name, sum(count) AS count {of} GROUP BY hour, name) looked"
_BY_ORIGIN = "SELECT credential, sender_domain, campaign, name, sum(count) {of} GROUP BY 1, 2, 3, 4 HAVING sum(count) > 0"
# A few names of many hours: a look-up for each.
_BY_SENDER = f"""SELECT credential, sender_domain, name, sum(count) {_BETWEEN} AND name IN ({{names}})
    AND hour IN (SELECT CAST(value AS BIGINT) FROM json_each(:hours)) GROUP BY 1, 2, 3 HAVING sum(count) > 0"""
# Those that are new now, and all.
_FIRST = """SELECT min(at) FILTER (WHERE id NOT IN (SELECT CAST(value AS BIGINT) FROM json_each(?))), min(at) FROM events
    WHERE message_id = ? AND number = ? AND type = ? AND class = ''"""

_DAYS_OF_HOURS = """SELECT value FROM json_each(?) WHERE EXISTS
    (SELECT 1 FROM counters WHERE hour > CAST(value AS BIGINT) AND hour < CAST(value AS BIGINT) + 86400)"""
_FOLD = f"""INSERT INTO counters ({_COLUMNS}, writer, count)
    SELECT CAST(? AS BIGINT), name, credential, sender_domain, campaign, 0, sum(count) FROM counters WHERE hour = ?
    GROUP BY name, credential, sender_domain, campaign {_ADD}"""

_ADD_OF_TASK = "ON CONFLICT (task, name, writer) DO UPDATE SET count = task_counts.count + excluded.count"

_Key = tuple[int, str, str, str, str]


class Counts:
    """What one transaction counts: as many statements, whether it is of one message or of two hundred."""

    def __init__(self) -> None:
        self._counts: Counter[_Key] = Counter()
        self._of_tasks: Counter[tuple[int, str]] = Counter()

    def add(self, name: str, of: Origin, at: float, count: int = 1) -> None:
        """In the hour of `at`. A negative count takes back what was counted there; an empty name counts nothing."""
        if name:
            self._counts[int(at // HOUR * HOUR), name, *of[:3]] += count
            if of.task:
                self._of_tasks[of.task, name] += count

    def event(self, event: Event, found: str, of: Origin, due_at: float) -> None:
        """An event of our class `found`, about mail that might be sent from `due_at` on."""
        self.add(statistics.of_event(event, found), of, event.at)
        if event.type is EventType.DELIVERY and not of.task:  # a mailing takes as long as it may
            self.add(statistics.of_latency(event.at - due_at), of, event.at)

    def first(self, db: Session, kind: EventType, delivery: tuple[str, int], new: Collection[int], of: Origin) -> None:
        """After events of this kind came: whichever of all was the first is the one that is counted."""
        if not (name := UNIQUE.get(kind)):
            return
        before, now = db.execute(_FIRST, (json.dumps(list(new)), *delivery, kind)).fetchone()
        if before == now:
            return
        self.add(name, of, now)
        if before is not None:
            self.add(name, of, before, -1)

    def write(self, db: Session) -> None:
        counts = sorted(self._counts.items())  # in one order everywhere: two that wait for each other's rows would never end
        rows = [(*key, db.writer, count) for key, count in counts if count]
        insert(db, "counters", f"{_COLUMNS}, writer, count", rows, then=_ADD)
        of_tasks = [(*key, db.writer, count) for key, count in sorted(self._of_tasks.items()) if count]
        insert(db, "task_counts", "task, name, writer, count", of_tasks, then=_ADD_OF_TASK)


class SqlCounters:
    """Implements ports.Counters."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def count(self, counted: Iterable[Counted]) -> None:
        await self._writer.run(_count_all, tuple(counted))

    async def sums(self, wanted: Wanted) -> dict[str | int, Figures]:
        found: defaultdict[str | int, dict[str, int]] = defaultdict(dict)
        of, values = _wanted(wanted)
        of = _HOURS.format(of=of) if wanted.by in (None, By.HOUR, By.DAY) else of
        for key, name, count in await self._reader.rows(_SUMS.format(key=_KEYS[wanted.by], of=of), values):
            found[key][name] = count
        return {key: Figures(counts) for key, counts in found.items()}

    async def by_origin(self, wanted: Wanted) -> dict[tuple[str, str, str], Figures]:
        """Of a long time most rows are the hours of its last days: both parts are read beside one another."""
        middle = wanted.until - HOURS_KEPT
        parts = [wanted] if wanted.since >= middle else [replace(wanted, until=middle - HOUR), replace(wanted, since=middle)]
        found: defaultdict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
        for rows in await asyncio.gather(*map(self._of_origins, parts)):
            for credential, sender_domain, campaign, name, count in rows:
                found[credential, sender_domain, campaign][name] += count
        return {key: Figures(counts) for key, counts in found.items()}

    async def _of_origins(self, wanted: Wanted) -> list[Any]:
        of, values = _wanted(wanted)
        return await self._reader.rows(_BY_ORIGIN.format(of=of), values)

    async def by_sender(self, names: Collection[str], *, since: float, until: float) -> dict[tuple[str, str], Figures]:
        found: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
        hours = range(statistics.first_hour(since, until), int(until) + 1, int(HOUR))
        places, values = _named(names)
        statement = _BY_SENDER.format(first=hours[0], last=hours[-1], names=places)
        values["hours"] = json.dumps(list(hours))
        for credential, sender_domain, name, count in await self._reader.rows(statement, values):
            found[credential, sender_domain][name] = count
        return {key: Figures(counts) for key, counts in found.items()}

    async def newest_event(self) -> int:
        ((number,),) = await self._reader.rows("SELECT coalesce(max(number), 0) FROM notifications", {})
        return int(number)

    async def newest_event_at(self) -> float:
        rows = await self._reader.rows("SELECT received_at FROM notifications ORDER BY number DESC LIMIT 1", {})
        return float(rows[0][0]) if rows else 0.0


def _wanted(wanted: Wanted) -> tuple[str, dict[str, str]]:
    """What a statement goes on with, and the values of it."""
    origin = {"credential": wanted.credential, "sender_domain": wanted.sender_domain, "campaign": wanted.campaign}
    said = {name: value for name, value in origin.items() if value is not None}
    between = _BETWEEN.format(first=floor(wanted.since // HOUR * HOUR), last=floor(wanted.until // HOUR * HOUR))
    places, names = _named(wanted.names)
    conditions = [between, *(f"{name} = :{name}" for name in said), *([f"name IN ({places})"] if names else [])]
    return " AND ".join(conditions), said | names


def _named(names: Collection[str]) -> tuple[str, dict[str, str]]:
    """Their places in a statement, and the values of it; no name of a value has a digit."""
    values = {"name" + "_" * number: name for number, name in enumerate(names)}
    return ", ".join(f":{place}" for place in values), values


async def days_of_hours(reader: Reader, before: float) -> list[int]:
    """Days that were over before that, and of which there are still hours."""
    oldest = await reader.rows("SELECT min(hour) FROM counters")
    days = range(int((oldest[0][0] or 0) // DAY * DAY), int(before // DAY * DAY), int(DAY)) if oldest[0][0] else ()
    return [int(day) for (day,) in await reader.rows(_DAYS_OF_HOURS, (json.dumps(list(days)),))]


def fold(db: Session, hours: Sequence[int]) -> list[int]:
    """Each hour into its day, whoever counted it; of how many rows it was."""
    return [_fold(db, hour) for hour in hours]


def _fold(db: Session, hour: int) -> int:
    db.execute(_FOLD, (int(hour // DAY * DAY), hour))
    return db.execute("DELETE FROM counters WHERE hour = ?", (hour,)).rowcount


@beside_others
def _count_all(db: Session, items: Sequence[tuple[Counted, ...]]) -> list[None]:
    counts = Counts()
    for counted in items:
        for name, credential, at, count in counted:
            counts.add(name, Origin(credential, "", ""), at, count)
    counts.write(db)
    return [None] * len(items)
