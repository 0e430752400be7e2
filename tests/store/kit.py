"""Values for the tests of the store: messages, deliveries and events with all but the interesting part filled in."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag
from typing import Any

from blake3 import blake3

from relay import ids, lifecycle
from relay.event import Event, EventType
from relay.lifecycle import Patience
from relay.model import Claimed, Delivery, Labels, Lane, Message, State
from relay.outcome import Outcome
from relay.queueing import Claims, Round, Settled
from relay.store.sql.session import Session, Values
from relay.store.sql.store import SqlStore
from relay.store.sqlite.database import SqliteDatabase
from relay.store.sqlite.store import SqliteStore
from relay.suppression import EVERYWHERE, Reason, Release, Suppression
from relay.turns import Turns

NOW = 1_763_720_000.0
LEASE = 60.0
LIFETIME = 3 * 86400.0
PATIENCE = Patience()
NO_LABELS = Labels()
Opener = Callable[[], Awaitable[SqlStore]]
CONTENT = b"From: shop@example.com\r\n\r\nHello\r\n"


def message(
    number: int = 1,
    *,
    sender: str = "shop@example.com",
    content: bytes = CONTENT,
    credential: str = "app",
    labels: Labels = NO_LABELS,
) -> Message:
    return Message(
        id=f"{number:026}",
        accepted_at=NOW,
        credential=credential,
        sender=sender,
        header_from=sender,
        client_message_id="<1@example.com>",
        subject="Order 42",
        peer="127.0.0.1",
        size=len(content),
        digest=blake3(content).digest(),
        edits=(),
        labels=labels,
    )


def accepted(at: float, number: int = 1, *, sender: str = "shop@example.com", content: bytes = CONTENT) -> Message:
    """A message of that time, also by its identifier; of one time there are others by other numbers."""
    made = message(sender=sender, content=content)
    return replace(made, id=ids.ulid(at, number.to_bytes(10, "big")), accepted_at=at)


def delivery(of: Message, *, number: int = 1, recipient: str = "reader@example.net", due_at: float = NOW) -> Delivery:
    return Delivery(
        message_id=of.id, number=number, recipient=recipient, state=State.QUEUED, due_at=due_at, expires_at=NOW + LIFETIME
    )


async def enqueue(
    store: SqlStore,
    number: int = 1,
    *,
    sender: str = "shop@example.com",
    recipient: str = "reader@example.net",
    due_at: float = NOW,
    credential: str = "app",
    labels: Labels = NO_LABELS,
) -> Delivery:
    """One message to one recipient; the delivery as it was stored."""
    wanted = message(number, sender=sender, credential=credential, labels=labels)
    (stored,) = await store.queue.enqueue(wanted, CONTENT, (delivery(wanted, recipient=recipient, due_at=due_at),))
    return stored


async def claims(store: SqlStore, *, limit: int = 100, now: float = NOW, lanes: Collection[Lane] = tuple(Lane)) -> Claims:
    return await store.queue.claim(
        Round(limit=limit, now=now, lease_until=now + LEASE, lifetime=LIFETIME, turns=Turns(), lanes=lanes)
    )


async def claim(store: SqlStore, *, limit: int = 100, now: float = NOW) -> tuple[Claimed, ...]:
    return (await claims(store, limit=limit, now=now)).claimed


async def claim_one(store: SqlStore, *, now: float = NOW) -> Claimed:
    (claimed,) = await claim(store, now=now)
    return claimed


async def settle(store: SqlStore, claimed: Claimed, outcome: Outcome, *, now: float = NOW + 1) -> bool:
    """Whether it was in time."""
    return await settled(store, claimed, outcome, now=now) is Settled.IN_TIME


async def settled(store: SqlStore, claimed: Claimed, outcome: Outcome, *, now: float = NOW + 1) -> Settled:
    return await store.queue.settle(lifecycle.settle(claimed, outcome, now=now, chance=0.5, patience=PATIENCE))


async def stored(store: SqlStore, of: Delivery) -> Delivery:
    """The delivery as it stands in the store now."""
    life = await store.messages.show(of.message_id)
    assert life is not None
    (found,) = [each for each in life.deliveries if each.number == of.number]
    return found


async def state(store: SqlStore, of: Delivery) -> State:
    return (await stored(store, of)).state


def suppression(address: str = "reader@example.net", **changes: str) -> Suppression:
    made = Suppression(address=address, reason=Reason.MANUAL, source="cli", created_at=NOW)
    return replace(made, reason=Reason(changes["reason"])) if "reason" in changes else made


def release(address: str = "reader@example.net", *, at: float = NOW + 100, scope: str = EVERYWHERE) -> Release:
    return Release(address=address, source="cli", at=at, scope=scope)


async def suppressed(store: SqlStore, *addresses: str, now: float = NOW) -> dict[str, Suppression]:
    """What keeps mail from these, by the address as given."""
    found = await store.suppressions.find(addresses)
    return {address: entry for address in addresses if (entry := found.of(address, now=now))}


def event(type: EventType = EventType.SEND, *, of: Delivery | None = None, at: float = NOW + 5, **changes: Any) -> Event:
    """An event, tagged as the relay tags its calls if it is about a delivery."""
    made = Event(
        type=type,
        at=at,
        recipient=of.recipient if of else "stranger@example.org",
        ses_message_id="ses-1",
        relay_id=of.id if of else "",
    )
    return replace(made, **changes)


def hard_bounce(*, of: Delivery | None = None, feedback_id: str = "feedback-1", **changes: str) -> Event:
    given: dict[str, Any] = {"bounce_type": "Permanent", "bounce_subtype": "General", "feedback_id": feedback_id, **changes}
    return event(EventType.BOUNCE, of=of, **given)


# Behind the store's back.


async def rows(store: SqlStore, query: str, values: Values = ()) -> list[tuple[Any, ...]]:
    return await store._reader.rows(query, values)


async def column(store: SqlStore, query: str, values: Values = ()) -> list[Any]:
    """The first one."""
    return [row[0] for row in await rows(store, query, values)]


async def change(store: SqlStore, statement: str, values: Values = ()) -> None:
    await store._writer.run(_execute, (statement, values))


def _execute(db: Session, items: Sequence[tuple[str, Values]]) -> list[None]:
    for statement, values in items:
        db.execute(statement, values)
    return [None] * len(items)


async def make_impatient(store: SqlStore, *, milliseconds: int = 20) -> None:
    """It waits for others that write no longer than this."""
    if isinstance(store, SqliteStore):
        await change(store, f"PRAGMA busy_timeout = {milliseconds}")
    else:
        store._writer._database.patience = milliseconds  # type: ignore[union-attr]


@asynccontextmanager
async def writing(other: SqlStore) -> AsyncIterator[None]:
    """It is in the middle of a transaction, and nobody else can write."""
    has_begun, is_over = Flag(), Flag()

    def wait(db: Session, items: Sequence[None]) -> list[None]:
        if not isinstance(db, SqliteDatabase):
            db.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        has_begun.set()
        is_over.wait(60)
        return [None] * len(items)

    under_way = asyncio.ensure_future(other._writer.run(wait, None))
    await asyncio.to_thread(has_begun.wait, 10)
    try:
        yield
    finally:
        is_over.set()
        await under_way


def database(folder: Path) -> Path:
    return folder / "relay.db"


def connection_of(store: SqliteStore) -> sqlite3.Connection:
    """The one that writes."""
    database = store._writer._database
    assert isinstance(database, SqliteDatabase)
    return database.connection
