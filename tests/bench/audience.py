"""`python -m tests.bench.audience`: a mailing to two million contacts, from the count of them to the last delivery."""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from relay.contact import Contact, ContactDetails
from relay.mailing import Audience, Mailing, Task, TaskState
from relay.model import Edit, Message, Place
from relay.ports.tasks import Pace
from relay.store.sql.contact_rows import COLUMNS, row_of
from relay.store.sqlite import schema
from relay.store.sqlite.store import SqliteStore
from relay.writing.merging import RECIPIENT
from tests.store import kit

_STEP = 500  # as relay/campaigns.py makes them
_TOLD = 8
_MAILING = Mailing(name="all", sender="news@example.com", sender_name="Shop", subject="News", html="<p>Hello</p>")


def _contacts(first: int, count: int) -> Iterator[Contact]:
    for number in range(first, first + count):
        details = ContactDetails(first_name=f"Name {number}", fields=(("City", f"City {number % 977}"),))
        yield Contact(group_id=1, email=f"reader{number}@example{number % 977}.net", phone="", details=details)


def _fill(path: Path, rows: int) -> None:
    with closing(schema.open_writer(path)) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN")
        insert = f"INSERT INTO contacts ({COLUMNS}) VALUES (?,?,?,?,?,?)"
        db.executemany(insert, map(row_of, _contacts(0, rows)))
        db.execute("COMMIT")


async def _released(store: SqliteStore, task_id: int) -> tuple[Task, Message]:
    edits = (Edit(0, 4, fields=("FirstName", "City", RECIPIENT), place=Place.HEADER),)
    message = replace(kit.accepted(kit.NOW), credential="crm", task=task_id, edits=edits)
    await store.queue.enqueue(message, kit.CONTENT, ())
    await store.tasks.move(task_id, [TaskState.NEW], TaskState.CREATED, at=kit.NOW)
    await store.tasks.begin(task_id, message.id)
    task = await store.tasks.get(task_id)
    assert task
    return task, message


async def _expanded(store: SqliteStore, task: Task, message: Message, rows: int) -> Sequence[float]:
    """Seconds after which each eighth was made. Nothing is sent meanwhile: what waits is more than ever does."""
    began, told = time.perf_counter(), list[float]()
    pace = Pace(now=kit.NOW, lifetime=86400.0, start_at=kit.NOW)
    while not task.is_whole:
        after = (await store.tasks.expand(task, message, count=_STEP, pace=pace)).task
        assert after
        task = after
        if task.made * _TOLD >= rows * (len(told) + 1):
            told.append(time.perf_counter() - began)
    assert task.made == rows
    return told


async def _run(path: Path, rows: int) -> None:
    store = await SqliteStore.open(path)
    group = await store.contacts.add_group("crm", name="all", description="", at=kit.NOW)
    assert group == 1
    began = time.perf_counter()
    await asyncio.to_thread(_fill, path, rows)
    print(f"{rows:>10} contacts filled in {time.perf_counter() - began:.0f} s", flush=True)
    task_id = await store.tasks.add("crm", _MAILING, Audience(groups=(group,)), at=kit.NOW)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    reach = await store.tasks.reach(task_id, now=kit.NOW)
    print(f"{reach.recipients:>10} recipients counted in {time.perf_counter() - began:.1f} s", flush=True)
    told = await _expanded(store, *await _released(store, task_id), rows)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    rates = ", ".join(f"{rows / _TOLD / (after - before):.0f}" for before, after in zip((0.0, *told), told, strict=False))
    print(f"{rows:>10} deliveries made in {told[-1]:.0f} s, by eighths {rates} a second; memory grew by {grown:.0f} MB")
    await store.close()


def main() -> None:
    """Prints what was seen; the exit status is 0 whatever that was."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.audience")
    parser.add_argument("--rows", type=int, default=2_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as name:
        asyncio.run(_run(Path(name) / "relay.db", options.rows))


if __name__ == "__main__":
    main()
