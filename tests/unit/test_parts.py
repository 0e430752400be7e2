"""The parts of a relay end in the reverse of the order in which they began, whatever one of them does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from io import StringIO

import pytest

from relay import journal
from relay.parts import Parts


@pytest.fixture(autouse=True)
def log() -> Iterator[StringIO]:
    journal.open_journal(stream=(log := StringIO()))
    yield log
    journal.open_journal(stream=StringIO())


class Part:
    """Tells that it ended, if it does."""

    def __init__(self, name: str, ended: list[str], seconds: float = 0.0) -> None:
        self._name = name
        self._ended = ended
        self._seconds = seconds

    async def stop(self) -> None:
        await asyncio.sleep(self._seconds)
        self._ended.append(self._name)

    async def run(self) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await self.stop()
            raise


async def test_they_end_in_the_reverse_of_their_order() -> None:
    parts, ended = Parts(), list[str]()
    parts.ends_with(Part("store", ended).stop)
    parts.closes_with(lambda: ended.append("lock"))
    parts.keep_running(Part("chore", ended).run, "the chore")
    await asyncio.sleep(0)
    await parts.end(within=5)
    assert ended == ["chore", "lock", "store"]


async def test_one_that_hangs_is_told_of_and_the_others_end(log: StringIO) -> None:
    parts, ended = Parts(), list[str]()
    parts.ends_with(Part("store", ended).stop)
    parts.ends_with(Part("database", ended, 3600).stop)
    parts.keep_running(Part("chore", ended, 3600).run, "the chore")
    parts.ends_with(Part("door", ended).stop)
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await parts.end(within=0.1)
    assert ended == ["door", "store"]
    assert "the chore takes too long" in log.getvalue()
    assert "Part.stop takes too long" in log.getvalue()


async def test_a_part_that_fails_is_told_of_and_fails_the_relay() -> None:
    parts = Parts()

    async def broken() -> None:
        raise LookupError

    parts.keep_running(broken, "the broken one")
    async with asyncio.timeout(5):
        await parts.failed.wait()
    await parts.end(within=5)
