"""One pass of what is let go: in which order, how often, and what a crash in between leaves."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from relay import journal
from relay.errors import StoreUnavailable
from relay.keeping import Keeping, KeptFor
from relay.lifecycle import Cause
from relay.model import Edit, Message
from relay.outcome import Later, Never, Sent, Unknown
from relay.queueing import Selection
from relay.store.bodies import Spool
from relay.store.sql.store import SqlStore
from tests.store.kit import CONTENT, NOW, PATIENCE, Opener, accepted, change, claim, delivery, event, rows, settle

DAY = 86400.0
LARGE = b"x" * 70_000


class House:
    """A store, a spool folder and a clock; `keeping` is over all three."""

    def __init__(self, folder: Path, store: SqlStore) -> None:
        self.store = store
        self.spool = Spool(folder / "spool")
        self.now = NOW
        self.keeping = self.kept_for()

    def kept_for(
        self,
        *,
        bodies: int = 3,
        web_versions: int = 90,
        notifications: int = 30,
        facts: int = 400,
        store: SqlStore | None = None,
    ) -> Keeping:
        return Keeping(
            store=(store or self.store).retention,
            files=self.spool,
            clock=lambda: self.now,
            kept_for=KeptFor(bodies=bodies, web_versions=web_versions, notifications=notifications, facts=facts),
            every=0.01,
            pause=0.0,
        )

    async def put(self, number: int = 1, *, large: bool = False, web_version: bool = False) -> Message:
        """Accepted now."""
        content = LARGE if large else CONTENT
        made = accepted(self.now, number, content=content)
        if web_version:
            made = replace(made, edits=(Edit(0, 0, b"x", links=("WebVersion",)),))
        draft = self.spool.draft(made.id)
        draft.write(content)
        await draft.finish()
        await self.store.queue.enqueue(made, draft.inline, (delivery(made, due_at=self.now),))
        draft.close(keep=True)
        return made

    async def send_all(self) -> None:
        for claimed in await claim(self.store, now=self.now):
            await settle(self.store, claimed, Sent(claimed.delivery.id), now=self.now)

    async def has_content(self, message: Message) -> bool:
        life = await self.store.messages.show(message.id)
        return life is not None and life.has_content

    def file(self, message: Message) -> Path:
        return self.spool.lost.parent / f"{message.id}.eml"


@pytest.fixture
def journaled() -> Iterator[StringIO]:
    stream = StringIO()
    journal.open_journal(stream=stream)
    yield stream
    journal.open_journal(stream=StringIO())


@pytest.fixture
def house(tmp_path: Path, store: SqlStore) -> House:
    return House(tmp_path, store)


async def test_content_goes_after_its_days_whether_in_its_row_or_in_a_file(house: House) -> None:
    made = [await house.put(1), await house.put(2, large=True)]
    await house.send_all()
    for passed, kept in ((2.9, [True, True]), (3.1, [False, False])):
        house.now = NOW + passed * DAY
        await house.keeping.once()
        assert [await house.has_content(each) for each in made] == kept
        assert house.file(made[1]).exists() is kept[1]


async def test_what_readers_have_a_link_to_is_kept_for_longer(house: House) -> None:
    made = [await house.put(1, web_version=True), await house.put(2, large=True, web_version=True), await house.put(3)]
    await house.send_all()
    for passed, kept in ((3.1, True), (89.9, True), (90.1, False)):
        house.now = NOW + passed * DAY
        await house.keeping.once()
        assert [await house.has_content(each) for each in made] == [kept, kept, False]
        assert house.file(made[1]).exists() is kept


async def test_a_file_that_an_open_delivery_needs_stays(house: House) -> None:
    made = await house.put(large=True)
    house.now += 1000 * DAY
    await house.keeping.once()
    assert await house.has_content(made)
    (claimed,) = await claim(house.store, now=house.now)
    assert (await house.spool.read(claimed.message, claimed.content))[:] == LARGE


async def test_files_of_messages_that_the_store_does_not_know_stay(house: House) -> None:
    """One that is just coming in; what a database lost; what is none of ours."""
    old = await house.put(large=True)
    await house.send_all()
    house.now += 10 * DAY
    coming = house.spool.draft(accepted(house.now).id)
    coming.write(LARGE)
    await coming.finish()
    folder = house.file(old).parent
    for name in ("unknown.eml", "notes.txt"):
        (folder / name).write_bytes(b"x")
    house.spool.lost.mkdir()
    (house.spool.lost / house.file(old).name).write_bytes(b"x")
    await house.keeping.once()
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [f"{accepted(house.now).id}.eml", "unknown.eml", "notes.txt", "lost"]
    )
    assert len(list(house.spool.lost.iterdir())) == 1
    coming.close(keep=False)


async def test_a_file_that_a_crash_left_behind_its_row_goes_the_next_time(house: House) -> None:
    made = await house.put(large=True)
    await house.send_all()
    house.now += 10 * DAY
    async for _ in house.store.retention.bodies(house.now - 3 * DAY):
        pass
    assert house.file(made).exists()
    assert await house.spool.sweep(house.store.spooled) == 0  # a start in between does not take it for lost mail
    await house.keeping.once()
    assert not house.file(made).exists()


async def test_a_file_whose_row_was_lost_stays_while_its_delivery_is_open(house: House) -> None:
    """As in a database that was rescued."""
    waiting, over = await house.put(1, large=True), await house.put(2, large=True)
    async for _ in house.store.desk.move(Cause.CANCELLED, Selection(ids=(over.id,)), now=NOW):
        pass
    await change(house.store, "DELETE FROM spooled")
    await house.keeping.once()
    assert (house.file(waiting).exists(), house.file(over).exists()) == (True, False)


async def test_facts_go_after_the_content_and_raw_notifications_before_them(house: House) -> None:
    made = await house.put()
    await house.send_all()
    await house.store.feedback.record(notification_id="n", topic="t", payload="{}", received_at=NOW, events=(event(),))
    for passed, known, kept in ((29, True, 1), (31, True, 0), (399, True, 0), (401, False, 0)):
        house.now = NOW + passed * DAY
        await house.keeping.once()
        assert (await house.store.messages.show(made.id) is not None) is known
        assert await rows(house.store, "SELECT count(*) FROM notifications") == [(kept,)]


@pytest.mark.parametrize("large", [False, True])
async def test_0_days_are_for_ever_and_facts_stay_with_the_content(house: House, large: bool) -> None:
    made = await house.put(large=large)
    await house.send_all()
    house.now += 10_000 * DAY
    for keeping in (house.kept_for(bodies=0, notifications=0, facts=0), house.kept_for(bodies=0)):
        await keeping.once()
        assert await house.has_content(made)
    await house.kept_for(facts=0).once()
    assert not await house.has_content(made)
    assert await house.store.messages.show(made.id)
    await house.keeping.once()
    assert await house.store.messages.show(made.id) is None


async def test_while_a_file_cannot_be_removed_its_facts_stay(house: House) -> None:
    made = await house.put(large=True)
    await house.send_all()
    house.now += 1000 * DAY
    house.file(made).unlink()
    house.file(made).mkdir()
    with pytest.raises(StoreUnavailable):
        await house.keeping.once()
    assert await house.store.messages.show(made.id)
    house.file(made).rmdir()
    await house.keeping.once()
    assert await house.store.messages.show(made.id) is None


async def test_a_store_that_takes_nothing_is_tried_again_the_next_time(
    house: House, journaled: StringIO, another_to_read: Opener
) -> None:
    made = await house.put()
    await house.send_all()
    house.now += 10 * DAY
    running = asyncio.create_task(house.kept_for(store=await another_to_read()).run())
    while journaled.getvalue().count("what is old is kept for now") < 2:
        assert not running.done()
        await asyncio.sleep(0.01)
    running.cancel()
    assert await house.has_content(made)


async def test_what_went_is_journaled_and_nothing_where_nothing_went(house: House, journaled: StringIO) -> None:
    await house.put(1)
    await house.put(2, large=True)
    await house.send_all()
    await house.keeping.once()
    assert journaled.getvalue() == ""
    house.now += 10 * DAY
    await house.keeping.once()
    assert '"event": "forgotten", "bodies": 2, "web_versions": 0, "files": 1,' in journaled.getvalue()


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_in_which_order_what_is_open_has_its_content(house: House, seed: int) -> None:
    """Mail, answers, time and passes by chance; some of the passes are cut short, as by a crash."""
    chance = random.Random(seed)
    sent = 0
    for number in range(60):
        house.now += chance.choice((0.0, 1.0, 0.5 * DAY, 2.0 * DAY))
        await house.put(number, large=chance.random() < 0.4)
        for claimed in await claim(house.store, limit=chance.randrange(3), now=house.now):
            assert len(await house.spool.read(claimed.message, claimed.content)) == claimed.message.size
            outcome = chance.choice((Sent(claimed.delivery.id), Never("x"), Later("x"), Unknown("x"), None))
            sent += isinstance(outcome, Sent)
            if outcome:  # or else its lease runs out
                await settle(house.store, claimed, outcome, now=house.now)
        await house.store.queue.rescue(now=house.now, everything=False, patience=PATIENCE)
        await house.store.queue.decide(now=house.now)
        await cut_short(house.keeping.once(), after=chance.choice((0, 1, 3, 5, 1000)))
        assert await without_content(house) == []
    assert sent > 5


async def cut_short(step: Coroutine[Any, Any, None], *, after: int) -> None:
    """Cancelled once the loop has gone round so often."""
    task = asyncio.ensure_future(step)
    for _ in range(after):
        await asyncio.sleep(0)
    if after < 1000:
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def without_content(house: House) -> list[str]:
    """Open messages whose content cannot be had."""
    found = await rows(
        house.store,
        "SELECT DISTINCT d.message_id, b.message_id IS NOT NULL, s.message_id IS NOT NULL FROM deliveries d"
        " LEFT JOIN bodies b ON b.message_id = d.message_id LEFT JOIN spooled s ON s.message_id = d.message_id"
        " WHERE d.state IN ('queued', 'sending', 'in_doubt')",
    )
    return [
        message_id
        for message_id, is_inline, is_spooled in found
        if not is_inline and not (is_spooled and (house.spool.lost.parent / f"{message_id}.eml").exists())
    ]
