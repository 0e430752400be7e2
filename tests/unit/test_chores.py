"""What takes longer than a page may: one of each name at a time, and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import cast

import pytest

from relay import journal
from relay.errors import QueueUnavailable, RightMissing
from relay.web.console.chores import Chores
from relay.web.console.feedback import REDRIVE, FeedbackPages
from relay.web.console.visits import Objection, Said, Visit


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def chores(clock: Clock) -> AsyncIterator[Chores]:
    made = Chores(clock)
    yield made
    await made.stop()


async def over(chores: Chores, name: str) -> tuple[str, bool]:
    """What it said in the end, and whether it failed."""
    for _ in range(100):
        await asyncio.sleep(0)
    chore = chores.of(name)
    assert chore
    assert chore.said
    return chore.said.text.format_map(chore.said.words), chore.has_failed


def saying(text: str, until: asyncio.Event | None = None) -> Callable[[], Awaitable[Said]]:
    async def work() -> Said:
        if until:
            await until.wait()
        return Said(text)

    return work


async def test_one_of_a_name_is_under_way_at_a_time(chores: Chores, clock: Clock) -> None:
    until = asyncio.Event()
    chores.begin("long", saying("done", until))
    chores.begin("other", saying("done too"))
    assert chores.is_under_way("nothing", "long")
    with pytest.raises(Objection, match="under way already"):
        chores.begin("long", saying("twice"))
    clock.now += 60
    until.set()
    assert await over(chores, "long") == ("done", False)
    found = chores.of("long")
    assert found
    assert (found.began_at, found.ended_at) == (1000.0, 1060.0)
    chores.begin("long", saying("again"))
    assert await over(chores, "long") == ("again", False)


async def failing(error: Exception) -> Said:
    raise error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (QueueUnavailable("gone", "no such queue {0}"), "It could not be done: no such queue {0}"),
        (RightMissing("sns:Subscribe", "no"), "AWS does not let us: the right sns:Subscribe is missing."),
        (ZeroDivisionError(), "A fault of ours: the journal has it."),
    ],
)
async def test_what_fails_says_why(chores: Chores, error: Exception, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(journal, "bug", told.append)
    chores.begin("it", lambda: failing(error))
    assert await over(chores, "it") == (said, True)
    assert bool(told) == isinstance(error, ZeroDivisionError)


async def test_a_page_that_was_read_while_it_was_under_way_says_so(chores: Chores) -> None:
    """Otherwise it may say that all is done, show what was before, and not look again."""
    until = asyncio.Event()
    chores.begin(REDRIVE, saying("done", until))

    async def ends_meanwhile() -> float:
        until.set()
        await over(chores, REDRIVE)
        return 0.0

    async def nothing(**_: object) -> tuple[()]:
        return ()

    far = SimpleNamespace(posts=nothing, newest_event_at=ends_meanwhile, seen=(), hearing=None, count=0)
    around = dict.fromkeys(
        ("ways", "log", "counters", "quarantine", "refused", "queues", "alarms", "second_try", "replay"), far
    )
    pages = FeedbackPages(**around, chores=chores)  # type: ignore[arg-type]
    page = await pages._show(cast(Visit, SimpleNamespace(query={"watch": "on"}, now=1000.0)))
    ((_, chore),) = page.facts["chores"]
    assert (chore.ended_at, page.facts["is_busy"], page.facts["watches"]) == (0.0, True, True)


async def test_what_is_long_over_is_forgotten(chores: Chores, clock: Clock) -> None:
    chores.begin("old", saying("done"))
    await over(chores, "old")
    clock.now += 86401
    chores.begin("new", saying("done"))
    assert chores.of("old") is None
    assert chores.of("new")


async def test_what_is_under_way_is_broken_off_in_the_end(clock: Clock) -> None:
    made = Chores(clock)
    made.begin("endless", saying("never", asyncio.Event()))
    await asyncio.sleep(0)
    await made.stop()
    assert not made.is_under_way("endless")
    found = made.of("endless")
    assert found
    assert found.said is None
