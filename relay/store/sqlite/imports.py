"""Whole lists on SQLite. Their rows lie among the others, and do not count until their import is finished: one flip.

Only one import is under way at a time, and only in the process that holds the lock: every other one that is not finished was
broken off. What outweighs an entry that stands cannot lie in its place, so it waits beside it; the address is suppressed
either way.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from relay import address
from relay.store.sqlite import entries
from relay.store.sqlite.entries import ENTRY, entry_of, values
from relay.store.sqlite.writer import Writer
from relay.suppression import Change, Imported, Suppression

# A step takes as many rows as it has lately needed this long for: others wait meanwhile, and have the processor for a part of
# that time afterwards.
_STEP_SECONDS = 0.01
_PAUSE = 0.25
_FEWEST, _MOST = 20, 2000
_CLEARED = 500

_OPEN = "SELECT id FROM imports WHERE finished_at IS NULL"
_THERE = f"SELECT address_key, import_id, {ENTRY} FROM suppressions WHERE address_key IN (SELECT value FROM json_each(?))"
_RELEASED = """SELECT address_key, scope, max(at) FROM suppression_history
    WHERE address_key IN (SELECT value FROM json_each(?)) AND change = ? GROUP BY address_key, scope"""
_STAGE = f"INSERT OR REPLACE INTO suppressions (import_id, address_key, {ENTRY}) VALUES (?,?,?,?,?,?,?,?,?)"
_WAIT = f"INSERT OR REPLACE INTO suppressions_due (import_id, address_key, {ENTRY}) VALUES (?,?,?,?,?,?,?,?,?)"
_DUE = f"""SELECT import_id, began_at, {", ".join(f"d.{column}" for column in ENTRY.split(", "))}
    FROM suppressions_due d JOIN imports ON id = import_id
    WHERE import_id = (SELECT min(import_id) FROM suppressions_due) LIMIT {_CLEARED}"""
_LEFT = {
    table: f"""DELETE FROM {table} WHERE import_id = :id AND (address_key, scope) IN
        (SELECT address_key, scope FROM {table} WHERE import_id = :id LIMIT {_CLEARED})"""
    for table in ("suppressions", "suppressions_due")
}

_Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Step:
    import_id: int
    entries: Sequence[Suppression]
    again: bool
    now: float


class SqliteImports:
    """Implements ports.Imports."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._turn = asyncio.Lock()
        self._size = _FEWEST

    async def take(self, batches: AsyncIterator[Sequence[Suppression]], *, source: str, again: bool, now: float) -> Imported:
        async with self._turn:
            import_id, done = await self._writer.run(_begin_all, (source, now)), Imported()
            async for batch in batches:
                first = 0
                while part := batch[first : first + self._size]:
                    first += len(part)
                    done += await self._in_turn(_Step(import_id, part, again, now))
            await self._writer.run(_finish_all, (import_id, now))
            async for _ in self._until_nothing_is_left(now):
                await asyncio.sleep(_STEP_SECONDS)
        return done

    async def _in_turn(self, step: _Step) -> Imported:
        began = perf_counter()  # uvloop's own time stands still within a round
        done = await self._writer.run(_stage_all, step)
        taken = perf_counter() - began
        self._size = min(max(_FEWEST, int(len(step.entries) * _STEP_SECONDS / taken)), 2 * self._size, _MOST)
        await asyncio.sleep(min(taken, _STEP_SECONDS) * _PAUSE)
        return done

    async def clear(self, now: float) -> AsyncIterator[int]:
        """What those have left that were broken off goes, and what finished ones had still to do is done."""
        if self._turn.locked():  # one is under way, and looks as if it were broken off
            return
        async with self._turn:
            async for count in self._until_nothing_is_left(now):
                yield count

    async def _until_nothing_is_left(self, now: float) -> AsyncIterator[int]:
        """What may settle is known only once what was broken off is gone."""
        for verb in (_forget_all, _settle_all):
            while count := await self._writer.run(verb, now):
                yield count


def _begin_all(db: sqlite3.Connection, items: Sequence[tuple[str, float]]) -> list[int]:
    return [db.execute("INSERT INTO imports (source, began_at) VALUES (?,?)", item).lastrowid or 0 for item in items]


def _finish_all(db: sqlite3.Connection, items: Sequence[tuple[int, float]]) -> list[int]:
    return [db.execute("UPDATE imports SET finished_at = ? WHERE id = ?", (now, id)).rowcount for id, now in items]


def _stage_all(db: sqlite3.Connection, items: Sequence[_Step]) -> list[Imported]:
    return [_Staging(db, step).done() for step in items]


@dataclass(slots=True)
class _Staging:
    """Some rows of an import: what is new, and what waits."""

    db: sqlite3.Connection
    step: _Step
    new: dict[_Place, Suppression] = field(default_factory=dict)
    due: dict[_Place, Suppression] = field(default_factory=dict)

    def done(self) -> Imported:
        keys = json.dumps([address.key(entry.address) for entry in self.step.entries])
        stands, staged = self._there(keys)
        released = {} if self.step.again else self._released(keys)
        counts: Counter[str] = Counter()
        for entry in self.step.entries:
            place = (address.key(entry.address), entry.scope)
            if released.get(place, 0.0) >= entry.created_at:
                counts["released"] += 1
            else:
                counts[self._put(place, entry, stands.get(place), staged.get(place))] += 1
        self._write(_STAGE, self.new)
        self._write(_WAIT, self.due)
        return Imported(**counts)

    def _put(self, place: _Place, entry: Suppression, stands: Suppression | None, staged: Suppression | None) -> str:
        """The name of what it counts as."""
        kept, told = (self.due, "graver") if stands else (self.new, "added")
        old = kept.get(place) or stands or staged
        if 0 < entry.expires_at <= self.step.now or (old and not entry.outweighs(old)):
            return "stood"
        told = "stood" if place in kept or staged else told
        kept[place] = entry
        return told

    def _there(self, keys: str) -> tuple[dict[_Place, Suppression], dict[_Place, Suppression]]:
        """Those that count; and those of this import. What another has left is nobody's, and what is over makes room."""
        is_open = {id for (id,) in self.db.execute(_OPEN)}
        stands: dict[_Place, Suppression] = {}
        staged: dict[_Place, Suppression] = {}
        for key, import_id, *columns in self.db.execute(_THERE, (keys,)).fetchall():
            entry = entry_of(columns)
            if import_id in is_open:
                if import_id == self.step.import_id:
                    staged[key, entry.scope] = entry
            elif 0 < entry.expires_at <= self.step.now:
                entries.end(self.db, entry, self.step.now)
            else:
                stands[key, entry.scope] = entry
        return stands, staged

    def _released(self, keys: str) -> dict[_Place, float]:
        rows = self.db.execute(_RELEASED, (keys, Change.REMOVED))
        return {(key, scope): at for key, scope, at in rows}

    def _write(self, statement: str, found: dict[_Place, Suppression]) -> None:
        rows = ((self.step.import_id, key, *values(entry)) for (key, _), entry in found.items())
        self.db.executemany(statement, rows)


def _settle_all(db: sqlite3.Connection, items: Sequence[float]) -> list[int]:
    """Where an import is finished the graver entries take their places; who was removed after it began stays so."""
    return [_settle(db, now) for now in items]


def _settle(db: sqlite3.Connection, now: float) -> int:
    rows = db.execute(_DUE).fetchall()
    for import_id, began_at, *columns in rows:
        entry = entry_of(columns)
        key = address.key(entry.address)
        if began_at >= entries.released_at(db, key, entry.scope):
            entries.add(db, entry, at=now)
        db.execute(
            "DELETE FROM suppressions_due WHERE import_id = ? AND address_key = ? AND scope = ?", (import_id, key, entry.scope)
        )
    return len(rows)


def _forget_all(db: sqlite3.Connection, items: Sequence[float]) -> list[int]:
    return [_forget(db) for _ in items]


def _forget(db: sqlite3.Connection) -> int:
    """Some rows of one that was broken off, and itself in the end."""
    row = db.execute(f"{_OPEN} LIMIT 1").fetchone()
    if row is None:
        return 0
    for delete in _LEFT.values():
        if gone := db.execute(delete, {"id": row[0]}).rowcount:
            return gone
    return db.execute("DELETE FROM imports WHERE id = ?", row).rowcount
