"""Mailings: what their owners say of them, and how far they have come."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from relay import documents
from relay.holds import Holder
from relay.lifecycle import NEVER
from relay.mailing import AT_WORK, Audience, Mailing, Reach, Task, TaskState
from relay.model import File, Message, Receipt
from relay.outcome import Hold, HoldScope
from relay.ports.tasks import MOST_LISTED, Member, Pace, Progress, Step
from relay.statistics import Figures
from relay.store.sql import audiences, holds, receipts, task_files
from relay.store.sql.records import MESSAGE, message_of
from relay.store.sql.rows import insert
from relay.store.sql.session import Reader, Session, beside_others
from relay.store.sql.writer import Writer

_COLUMNS = """id, credential, document, state, created_at, reason, message_id, last_key, last_id, reach, made,
    is_whole, coalesce(ended_at, 0)"""
_NO_TEXTS = f"SELECT {_COLUMNS}, '', '' FROM tasks"
_WHOLE = f"SELECT {_COLUMNS}, html, plain FROM tasks JOIN task_texts ON task = id WHERE id = ?"
_LISTED = f"""SELECT {_COLUMNS}, substr(html, 1, {MOST_LISTED}), substr(plain, 1, {MOST_LISTED})
    FROM tasks JOIN task_texts ON task = id WHERE credential = ? AND state <> 'deleted' ORDER BY id DESC LIMIT ? OFFSET ?"""
_NEWEST = f"{_NO_TEXTS} WHERE state <> 'deleted' AND id < ? ORDER BY id DESC LIMIT ?"
_NEWEST_OF = f"{_NO_TEXTS} WHERE credential = ? AND state <> 'deleted' AND id < ? ORDER BY id DESC LIMIT ?"
_NEW = "INSERT INTO tasks (credential, document, state, created_at, start_at) VALUES (?,?,'new',?,?) RETURNING id"
_AT_WORK = f"""{_NO_TEXTS} WHERE state IN ({", ".join(f"'{state}'" for state in AT_WORK)})
    AND ended_at IS NULL AND (state <> 'created' OR start_at <= ?) ORDER BY id"""
_SINGLE = """INSERT INTO task_contacts (task, included, address_key, contact_id)
    SELECT ?, ?, c.address_key, c.id FROM contacts c JOIN contact_groups g ON g.id = c.group_id
    WHERE c.id IN (SELECT CAST(value AS BIGINT) FROM json_each(?)) AND g.credential = ? ON CONFLICT DO NOTHING"""
_ELSEWHERE = "FROM contacts c WHERE c.id = task_contacts.contact_id AND c.address_key <> task_contacts.address_key"
_FOLLOW = f"""UPDATE task_contacts SET address_key = (SELECT c.address_key {_ELSEWHERE})
    WHERE task = (SELECT id FROM tasks WHERE id = ? AND message_id = '') AND EXISTS (SELECT 1 {_ELSEWHERE})"""
_ARE_ELSEWHERE = f"SELECT 1 FROM task_contacts WHERE task = ? AND EXISTS (SELECT 1 {_ELSEWHERE}) LIMIT 1"
_GROUPS = "SELECT group_id, included FROM task_groups WHERE task = ? ORDER BY 1"
_CONTACTS = "SELECT contact_id, included FROM task_contacts WHERE task = ? ORDER BY 1"
_OVER = (TaskState.FINISHED, TaskState.FAILED)
_SENDS_NOTHING = (TaskState.STOPPED, TaskState.CANCELED, TaskState.DELETED)
_COUNTED_OF_MANY = """SELECT task, name, sum(count) FROM task_counts
    WHERE task IN (SELECT CAST(value AS BIGINT) FROM json_each(?)) GROUP BY task, name"""
_OPEN_OF_MANY = """SELECT f.task, sum(l.open) FROM flows f JOIN loads l ON l.flow = f.id
    WHERE f.task IN (SELECT CAST(value AS BIGINT) FROM json_each(?)) GROUP BY f.task"""
_COUNTED = "SELECT name, sum(count) FROM task_counts WHERE task = ? GROUP BY name"


class SqlTasks:
    """Implements ports.Tasks."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def add(
        self, credential: str, mailing: Mailing, audience: Audience, *, at: float, receipt: Receipt | None = None
    ) -> int:
        return await self._writer.run(_add_all, (credential, mailing, audience, at, receipt))

    async def change(
        self, task_id: int, mailing: Mailing, audience: Audience | None, *, was: tuple[Mailing, Audience | None] | None = None
    ) -> bool:
        return await self._writer.run(_change_all, _Change(task_id, mailing, audience, was))

    async def get(self, task_id: int) -> Task | None:
        rows = await self._reader.rows(_WHOLE, (task_id,))
        return _task_of(rows[0]) if rows else None

    async def audience(self, task_id: int) -> Audience:
        groups = await self._reader.rows(_GROUPS, (task_id,))
        return _audience_of(groups, await self._reader.rows(_CONTACTS, (task_id,)))

    async def of(self, credential: str, *, skipped: int, count: int) -> tuple[tuple[Task, ...], int]:
        rows = await self._reader.rows(_LISTED, (credential, count, skipped))
        how_many = "SELECT count(*) FROM tasks WHERE credential = ? AND state <> 'deleted'"
        ((total,),) = await self._reader.rows(how_many, (credential,))
        return tuple(map(_task_of, rows)), total

    async def newest(self, *, before: int, count: int, credential: str = "") -> tuple[Task, ...]:
        rows = await self._reader.rows(
            _NEWEST_OF if credential else _NEWEST, (*([credential] if credential else []), before, count)
        )
        return tuple(map(_task_of, rows))

    async def move(self, task_id: int, states: Sequence[TaskState], to: TaskState, *, at: float, reason: str = "") -> bool:
        return await self._writer.run(_move_all, (task_id, tuple(states), to, at, reason))

    async def attach(self, task_id: int, file: File) -> bool:
        return await self._writer.run(task_files.attach_all, (task_id, file))

    async def detach(self, task_id: int) -> bool:
        return await self._writer.run(task_files.detach_all, task_id)

    async def files(self, task_id: int) -> tuple[File, ...]:
        return await task_files.read(self._reader, task_id)

    async def file_names(self, task_id: int) -> tuple[str, ...]:
        return await task_files.names(self._reader, task_id)

    async def reach(self, task_id: int, *, now: float) -> Reach:
        task = await self.get(task_id)
        if task is None:
            return Reach()
        if not task.message_id and await self._reader.rows(_ARE_ELSEWHERE, (task_id,)):
            await self._writer.run(_follow_all, task_id)
        found = await audiences.reach(self._reader, task, now)
        if found != task.reach:
            await self._writer.run(_note_all, (task_id, found))
        return found

    async def fields(self, task_id: int) -> frozenset[str]:
        rows = await self._reader.rows(
            "SELECT fields FROM contact_groups WHERE id IN (SELECT group_id FROM task_groups WHERE task = ? AND included = 1)"
            " OR id IN (SELECT c.group_id FROM task_contacts t JOIN contacts c ON c.id = t.contact_id"
            " WHERE t.task = ? AND t.included = 1)",
            (task_id, task_id),
        )
        return frozenset(name for (fields,) in rows for name in json.loads(fields))

    async def at_work(self, *, now: float) -> tuple[Task, ...]:
        return tuple(_task_of(row) for row in await self._reader.rows(_AT_WORK, (now,)))

    async def begin(self, task_id: int, message_id: str) -> bool:
        return await self._writer.run(_begin_all, (task_id, message_id))

    async def expand(self, task: Task, message: Message, *, count: int, pace: Pace) -> Step:
        return await self._writer.run(audiences.expand_all, (task, message, count, pace))

    async def open(self, task_id: int) -> int:
        rows = await self._reader.rows(
            "SELECT coalesce(sum(l.open), 0) FROM flows f JOIN loads l ON l.flow = f.id WHERE f.task = ?", (task_id,)
        )
        return int(rows[0][0])

    async def end(self, task_id: int, *, at: float) -> None:
        await self._writer.run(_end_all, (task_id, at))

    async def figures(self, task_id: int) -> Figures:
        return Figures(dict(await self._reader.rows(_COUNTED, (task_id,))))

    async def progress(self, task_ids: Collection[int]) -> Mapping[int, Progress]:
        wanted = (json.dumps(list(task_ids)),)
        counts: dict[int, dict[str, int]] = {id: {} for id in task_ids}
        for id, name, count in await self._reader.rows(_COUNTED_OF_MANY, wanted):
            counts[id][name] = count
        waiting = dict(await self._reader.rows(_OPEN_OF_MANY, wanted))
        return {id: Progress(Figures(found), int(waiting.get(id, 0))) for id, found in counts.items()}

    async def some(self, task_id: int, *, after: tuple[str, int], count: int) -> tuple[Member, ...]:
        return await audiences.some(self._reader, task_id, after, count)

    async def message(self, message_id: str) -> Message | None:
        rows = await self._reader.rows(f"SELECT {MESSAGE} FROM messages m WHERE m.id = ?", (message_id,))
        return message_of(rows[0]) if rows else None


def _task_of(row: Sequence[Any]) -> Task:
    return Task(
        id=row[0],
        credential=row[1],
        mailing=replace(documents.read(Mailing, row[2]), html=row[13], text=row[14]),
        state=TaskState(row[3]),
        created_at=row[4],
        reason=row[5],
        message_id=row[6],
        last=(row[7], row[8]),
        reach=documents.read(Reach, row[9]),
        made=row[10],
        is_whole=bool(row[11]),
        ended_at=row[12],
    )


def _audience_of(groups: Sequence[Sequence[int]], contacts: Sequence[Sequence[int]]) -> Audience:
    return Audience(
        groups=tuple(id for id, is_in in groups if is_in),
        contacts=tuple(id for id, is_in in contacts if is_in),
        excluded_groups=tuple(id for id, is_in in groups if not is_in),
        excluded_contacts=tuple(id for id, is_in in contacts if not is_in),
    )


@beside_others
def _add_all(db: Session, items: Sequence[tuple[str, Mailing, Audience, float, Receipt | None]]) -> list[int]:
    return [_add(db, *item) for item in items]


def _add(db: Session, credential: str, mailing: Mailing, audience: Audience, at: float, receipt: Receipt | None) -> int:
    ((task_id,),) = db.execute(_NEW, (credential, _document(mailing), at, mailing.start_at)).fetchall()
    db.execute("INSERT INTO task_texts (task, html, plain) VALUES (?,?,?)", (task_id, mailing.html, mailing.text))
    _address(db, task_id, credential, audience)
    if receipt:
        receipts.write(db, [(credential, receipt, str(task_id), at)])
    return int(task_id)


def _document(mailing: Mailing) -> str:
    return documents.written(replace(mailing, html="", text=""))


def _address(db: Session, task_id: int, credential: str, audience: Audience) -> None:
    """Only those of its own login."""
    for included, groups in ((1, audience.groups), (0, audience.excluded_groups)):
        insert(db, "task_groups", "task, included, group_id", [(task_id, included, id) for id in sorted(set(groups))])
    for included, contacts in ((1, audience.contacts), (0, audience.excluded_contacts)):
        if contacts:
            db.execute(_SINGLE, (task_id, included, json.dumps(contacts), credential))


class _Change(NamedTuple):
    task_id: int
    mailing: Mailing
    audience: Audience | None
    was: tuple[Mailing, Audience | None] | None


@beside_others
def _change_all(db: Session, items: Sequence[_Change]) -> list[bool]:
    return [(item.was is None or _is_still(db, item.task_id, *item.was)) and _change(db, *item[:3]) for item in items]


def _is_still(db: Session, task_id: int, mailing: Mailing, audience: Audience | None) -> bool:
    """And stays so until the change is there."""
    db.execute(task_files.LOCK_NEW, (task_id,))
    rows = db.execute(_WHOLE, (task_id,)).fetchall()
    if not rows or _task_of(rows[0]).mailing != mailing:
        return False
    return audience is None or audience == _audience_of(
        *(db.execute(each, (task_id,)).fetchall() for each in (_GROUPS, _CONTACTS))
    )


def _change(db: Session, task_id: int, mailing: Mailing, audience: Audience | None) -> bool:
    found = db.execute(
        "UPDATE tasks SET document = ?, start_at = ? WHERE id = ? AND state = 'new' RETURNING credential",
        (_document(mailing), mailing.start_at, task_id),
    ).fetchall()
    if found:
        db.execute("UPDATE task_texts SET html = ?, plain = ? WHERE task = ?", (mailing.html, mailing.text, task_id))
    if found and audience is not None:
        for table in ("task_groups", "task_contacts"):
            db.execute(f"DELETE FROM {table} WHERE task = ?", (task_id,))
        _address(db, task_id, found[0][0], audience)
    return bool(found)


@beside_others
def _move_all(db: Session, items: Sequence[tuple[int, tuple[TaskState, ...], TaskState, float, str]]) -> list[bool]:
    return [_move(db, *item) for item in items]


def _move(db: Session, task_id: int, states: tuple[TaskState, ...], to: TaskState, at: float, reason: str) -> bool:
    """What has not begun is created again when it goes on: its time may still come."""
    moved = db.execute(
        "UPDATE tasks SET state = CASE WHEN ? = 'started' AND message_id = '' THEN 'created' ELSE ? END, reason = ?"
        " WHERE id = ? AND state IN (SELECT value FROM json_each(?)) RETURNING ended_at IS NULL",
        (to, to, reason, task_id, json.dumps(states)),
    ).fetchall()
    if not moved:
        return False
    if to in _OVER:
        _end_all(db, [(task_id, at)])
    elif moved[0][0] and to in _SENDS_NOTHING:
        holds.put(db, Hold(HoldScope.TASK, f"{to} by its owner", NEVER, str(task_id)), holder=Holder.LOGIN, at=at)
    elif to is TaskState.STARTED:
        holds.lift(db, HoldScope.TASK, str(task_id), at, Holder.LOGIN)
    return True


@beside_others
def _note_all(db: Session, items: Sequence[tuple[int, Reach]]) -> list[None]:
    note = "UPDATE tasks SET reach = ? WHERE id = ?"
    db.executemany(note, [(documents.written(reach), task_id) for task_id, reach in items])
    return [None] * len(items)


@beside_others
def _follow_all(db: Session, items: Sequence[int]) -> list[None]:
    """Single contacts are in a mailing by the addresses that they have when it begins."""
    db.executemany(_FOLLOW, [(task_id,) for task_id in items])
    return [None] * len(items)


@beside_others
def _begin_all(db: Session, items: Sequence[tuple[int, str]]) -> list[bool]:
    _follow_all(db, [task_id for task_id, _ in items])
    begin = "UPDATE tasks SET state = 'started', message_id = ? WHERE id = ? AND state = 'created'"
    return [db.execute(begin, (message_id, task_id)).rowcount == 1 for task_id, message_id in items]


@beside_others
def _end_all(db: Session, items: Sequence[tuple[int, float]]) -> list[None]:
    """Nothing of it is left that a hold could stop."""
    db.executemany("UPDATE tasks SET ended_at = ? WHERE id = ?", [(at, task_id) for task_id, at in items])
    for task_id, at in items:
        holds.lift(db, HoldScope.TASK, str(task_id), at, Holder.LOGIN)
    return [None] * len(items)
