from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3

from relay.errors import DamagedBody, DiskFull, StoreUnavailable
from relay.model import Claimed
from relay.reading.octets import Slices
from relay.store.bodies import INLINE, Spool, SpoolDraft
from tests.store.kit import delivery, message

SMALL = b"small\r\n"
LARGE = bytes(range(256)) * 300  # 76,800 octets
HUGE = os.urandom(4096) * 800  # several flushes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def spool(folder: Path) -> Spool:
    return Spool(folder)


def claimed(content: bytes, *, inline: bool) -> Claimed:
    """The claim of a message whose accepted content was `content`."""
    accepted = message(content=content)
    return Claimed(delivery=delivery(accepted), message=accepted, flow=1, content=content if inline else None)


async def written(spool: Spool, content: bytes, *, keep: bool = True) -> SpoolDraft:
    draft = spool.draft(message().id)
    for start in range(0, len(content), 50_000):
        draft.write(content[start : start + 50_000])
        if draft.wants_flush:
            await draft.flush()
    assert await draft.finish() == blake3(content).digest()
    await draft.store()
    assert draft.size == len(content)
    assert bytes(draft.octets()[:]) == content
    draft.close(keep=keep)
    return draft


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def read(spool: Spool, claimed: Claimed) -> Slices:
    return await spool.read(claimed.message, claimed.content)


@pytest.mark.parametrize("size", [0, 1, INLINE - 1, INLINE])
async def test_up_to_64_kb_stay_in_the_row(spool: Spool, folder: Path, size: int) -> None:
    assert INLINE == 64 * 1024
    draft = await written(spool, b"x" * size)
    assert draft.inline == b"x" * size
    assert names(folder) == []


@pytest.mark.parametrize("content", [b"x" * (INLINE + 1), LARGE, HUGE], ids=["one more", "large", "huge"])
async def test_above_that_a_file_has_it(spool: Spool, folder: Path, content: bytes) -> None:
    draft = await written(spool, content)
    assert draft.inline is None
    assert names(folder) == [f"{message().id}.eml"]
    assert (folder / names(folder)[0]).stat().st_mode & 0o777 == 0o600
    assert (await read(spool, claimed(content, inline=False)))[:] == content


async def test_not_all_of_a_huge_one_waits_in_memory(spool: Spool, folder: Path) -> None:
    draft = spool.draft("1")
    draft.write(HUGE[: 2**19 - 1])
    assert not draft.wants_flush
    draft.write(b"x")
    assert draft.wants_flush
    await draft.flush()
    assert not draft.wants_flush
    assert (folder / "1.eml").stat().st_size == 2**19
    draft.close(keep=False)


async def test_content_of_the_row_is_checked_as_well(spool: Spool) -> None:
    good = claimed(SMALL, inline=True)
    assert await read(spool, good) == SMALL
    with pytest.raises(DamagedBody):
        await read(spool, replace(good, content=SMALL + b"x"))


@pytest.mark.parametrize("damage", ["one bit", "cut", "longer", "empty"])
async def test_a_damaged_file_is_not_read(spool: Spool, folder: Path, damage: str) -> None:
    await written(spool, LARGE)
    (path,) = folder.iterdir()
    flipped = LARGE[:500] + bytes([LARGE[500] ^ 1]) + LARGE[501:]
    path.write_bytes({"one bit": flipped, "cut": LARGE[:-1], "longer": LARGE + b"\0", "empty": b""}[damage])
    with pytest.raises(DamagedBody):
        await read(spool, claimed(LARGE, inline=False))


async def test_a_missing_file_is_damage_too(spool: Spool) -> None:
    with pytest.raises(DamagedBody):
        await read(spool, claimed(LARGE, inline=False))


async def test_a_file_that_cannot_be_read_now_is_not_damaged(spool: Spool, folder: Path) -> None:
    (folder / f"{message().id}.eml").mkdir()
    with pytest.raises(StoreUnavailable):
        await read(spool, claimed(LARGE, inline=False))


@pytest.mark.parametrize("content", [SMALL, LARGE, HUGE], ids=["small", "large", "huge"])
async def test_closed_without_keep_leaves_no_file(spool: Spool, folder: Path, content: bytes) -> None:
    await written(spool, content, keep=False)
    assert names(folder) == []


async def test_closed_before_it_was_finished_leaves_no_file(spool: Spool, folder: Path) -> None:
    draft = spool.draft("1")
    draft.write(HUGE)
    await draft.flush()
    assert names(folder) == ["1.eml"]
    draft.close(keep=False)
    assert names(folder) == []


async def test_closed_during_a_flush_leaves_no_file(spool: Spool, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began, may_go_on = threading.Event(), threading.Event()
    write = os.write

    def slow(descriptor: int, octets: bytes) -> int:
        began.set()
        assert may_go_on.wait(10)
        return write(descriptor, octets)

    monkeypatch.setattr("relay.store.bodies.os.write", slow)
    draft = spool.draft("1")
    draft.write(HUGE)
    task = asyncio.ensure_future(draft.flush())
    assert await asyncio.to_thread(began.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    draft.close(keep=False)
    assert names(folder) == ["1.eml"]  # its thread is still at work: the descriptor must stay open under it
    may_go_on.set()
    for _ in range(5000):
        await asyncio.sleep(0.001)
        if not names(folder):
            break
    assert names(folder) == []


async def test_a_disk_that_does_not_take_it_is_said_so_and_leaves_nothing(
    spool: Spool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, octets: bytes) -> int:
        raise OSError(28, "No space left on device")

    draft = spool.draft("1")
    draft.write(LARGE)
    with monkeypatch.context() as patch:
        patch.setattr("relay.store.bodies.os.write", full)
        with pytest.raises(DiskFull):
            await draft.finish()
    draft.close(keep=False)
    assert names(folder) == []


async def test_a_write_cut_short_is_completed(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr("relay.store.bodies.os.write", lambda to, octets: write(to, octets[:1000]))
    draft = spool.draft(message().id)
    for start in range(0, len(LARGE), 5000):
        draft.write(LARGE[start : start + 5000])
    await draft.finish()
    draft.close(keep=True)
    assert (await read(spool, claimed(LARGE, inline=False)))[:] == LARGE


async def test_file_and_folder_are_synced_before_it_is_stored(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr("relay.store.bodies.os.fsync", watched)
    await written(spool, LARGE)
    assert synced == [f"{message().id}.eml", "spool"]


async def test_a_file_of_another_message_is_never_written_over(spool: Spool, folder: Path) -> None:
    (folder / "1.eml").write_bytes(b"here first")
    draft = spool.draft("1")
    draft.write(LARGE)
    with pytest.raises(StoreUnavailable):
        await draft.finish()
    draft.close(keep=False)
    assert (folder / "1.eml").read_bytes() == b"here first"


async def test_a_sweep_sets_aside_what_no_stored_message_needs_and_deletes_nothing(spool: Spool, folder: Path) -> None:
    for name in ("1.eml", "2.eml", "3.eml", "notes.txt"):
        (folder / name).write_bytes(b"x")
    assert await spool.sweep(among("2", "4")) == 2
    assert names(folder) == ["2.eml", "lost", "notes.txt"]
    assert names(folder / "lost") == ["1.eml", "3.eml"]
    assert await spool.sweep(among("2", "4")) == 0


async def test_a_sweep_asks_for_many_files_in_batches(spool: Spool, folder: Path) -> None:
    asked: list[int] = []

    async def known(some: Sequence[str]) -> Collection[str]:
        asked.append(len(some))
        return [name for name in some if int(name) % 2]

    for number in range(1200):
        (folder / f"{number}.eml").touch()
    assert await spool.sweep(known) == 600
    assert sum(asked) == 1200
    assert max(asked) <= 500
    assert names(folder / "lost") == sorted(f"{number}.eml" for number in range(0, 1200, 2))


def among(*stored: str) -> Callable[[Sequence[str]], Awaitable[Collection[str]]]:
    """The store, with these messages in it."""

    async def known(some: Sequence[str]) -> Collection[str]:
        return set(stored).intersection(some)

    return known
