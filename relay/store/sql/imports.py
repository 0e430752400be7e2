"""Whole lists. Their rows lie among the others, and do not count until their import is finished: one flip.

A process has one import under way at a time. One that is not finished and older than a day was broken off: before, on
PostgreSQL, another node or the command line may be at it.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from math import inf
from time import perf_counter

from relay import address
from relay.errors import StoreRefuses
from relay.store.sql.entries import ENTRY, KEY, PUT, VISIBLE, entry_of, values
from relay.store.sql.session import Session
from relay.store.sql.writer import Writer
from relay.suppression import Change, Imported, Reason, Suppression

# A step takes as many rows as it has lately needed this long for: others wait meanwhile, and if there were any they have the
# processor for a part of that time afterwards.
_STEP_SECONDS = 0.01
_PAUSE = 0.25
_FEWEST, _MOST = 20, 2000
_CLEARED = 500
_LONGEST = 86400.0  # seconds for which one may be under way

_BEGIN = "INSERT INTO imports (source, began_at) VALUES (?,?) RETURNING id"
_IS_OPEN = "SELECT 1 FROM imports WHERE id = ? AND finished_at IS NULL"
_BROKEN_OFF = "SELECT id FROM imports WHERE finished_at IS NULL AND began_at <= ? LIMIT 1"
_THERE = f"""SELECT address_key, {ENTRY} FROM suppressions
    WHERE address_key IN (SELECT value FROM json_each(?)) AND (import_id = ? OR {VISIBLE})"""
_RELEASED = """SELECT address_key, scope, max(at) FROM suppression_history
    WHERE address_key IN (SELECT value FROM json_each(?)) AND change = ? GROUP BY address_key, scope"""
_LEFT = f"""DELETE FROM suppressions WHERE ({KEY}) IN
    (SELECT {KEY} FROM suppressions WHERE import_id = ? AND import_id > 0 LIMIT {_CLEARED})"""

_GONE = "the import took so long that it was cleared away"

_Place = tuple[str, str, Reason]


@dataclass(frozen=True, slots=True)
class _Step:
    import_id: int
    entries: Sequence[Suppression]
    again: bool
    now: float


class SqlImports:
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
        return done

    async def _in_turn(self, step: _Step) -> Imported:
        began, others = perf_counter(), self._writer.in_earnest  # uvloop's own time stands still within a round
        done = await self._writer.run(_stage_all, step, lazily=True)  # none of it counts yet
        taken = perf_counter() - began
        self._size = min(max(_FEWEST, int(len(step.entries) * _STEP_SECONDS / taken)), 2 * self._size, _MOST)
        if self._writer.in_earnest > others:
            await asyncio.sleep(min(taken, _STEP_SECONDS) * _PAUSE)
        return done

    async def clear(self, now: float) -> AsyncIterator[int]:
        """What those have left that were broken off goes."""
        if self._turn.locked():  # one is under way, and looks as if it were broken off
            return
        async with self._turn:
            while count := await self._writer.run(_forget_all, now):
                yield count


def _begin_all(db: Session, items: Sequence[tuple[str, float]]) -> list[int]:
    return [int(db.execute(_BEGIN, item).fetchone()[0]) for item in items]


def _finish_all(db: Session, items: Sequence[tuple[int, float]]) -> list[int]:
    """Raises StoreRefuses where it was cleared away as broken off: nothing of it counts."""
    done = [db.execute("UPDATE imports SET finished_at = ? WHERE id = ?", (now, id)).rowcount for id, now in items]
    if not all(done):
        raise StoreRefuses(_GONE)
    return done


def _stage_all(db: Session, items: Sequence[_Step]) -> list[Imported]:
    return [_Staging(db, step).done() for step in items]


@dataclass(slots=True)
class _Staging:
    """Some rows of an import: what is new, or ends later than what stands for the same reason."""

    db: Session
    step: _Step
    new: dict[_Place, Suppression] = field(default_factory=dict)

    def done(self) -> Imported:
        """Rows of an import that is gone would count at once: StoreRefuses."""
        if self.db.execute(_IS_OPEN, (self.step.import_id,)).fetchone() is None:
            raise StoreRefuses(_GONE)
        keys = json.dumps([address.key(entry.address) for entry in self.step.entries])
        there = self._there(keys)
        released = {} if self.step.again else self._released(keys)
        counts = Counter(self._put(entry, there, released) for entry in self.step.entries)
        rows = ((self.step.import_id, key, *values(entry)) for (key, _, _), entry in self.new.items())
        self.db.executemany(PUT, rows)
        return Imported(**counts)

    def _put(self, entry: Suppression, there: dict[_Place, Suppression], released: dict[tuple[str, str], float]) -> str:
        """The name of what it counts as."""
        key = address.key(entry.address)
        if released.get((key, entry.scope), -inf) >= entry.created_at:
            return "released"
        place = (key, entry.scope, entry.reason)
        old = self.new.get(place) or there.get(place)
        if 0 < entry.expires_at <= self.step.now or (old and not entry.outlasts(old)):
            return "stood"
        self.new[place] = entry
        return "longer" if old else "added"

    def _there(self, keys: str) -> dict[_Place, Suppression]:
        """What ends last of what counts, and of what this import has brought."""
        rows = self.db.execute(_THERE, (keys, self.step.import_id)).fetchall()
        there: dict[_Place, Suppression] = {}
        for key, *columns in rows:
            entry = entry_of(columns)
            place = (key, entry.scope, entry.reason)
            is_over = 0 < entry.expires_at <= self.step.now
            if not is_over and (place not in there or entry.outlasts(there[place])):
                there[place] = entry
        return there

    def _released(self, keys: str) -> dict[tuple[str, str], float]:
        rows = self.db.execute(_RELEASED, (keys, Change.REMOVED))
        return {(key, scope): at for key, scope, at in rows}


def _forget_all(db: Session, items: Sequence[float]) -> list[int]:
    return [_forget(db, now - _LONGEST) for now in items]


def _forget(db: Session, before: float) -> int:
    """Some rows of one that was broken off, and itself in the end."""
    row = db.execute(_BROKEN_OFF, (before,)).fetchone()
    if row is None:
        return 0
    if gone := db.execute(_LEFT, row).rowcount:
        return gone
    return db.execute("DELETE FROM imports WHERE id = ?", row).rowcount
