"""Content on disk: small in its row, large in the spool folder, one file a message, synced before the row is written."""

from __future__ import annotations

import asyncio
import errno
import mmap
import os
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from blake3 import blake3

from relay.errors import DamagedBody, DiskFull, StoreUnavailable
from relay.model import Message
from relay.reading.mime import Octets, Slices

T = TypeVar("T", bound=Slices)

INLINE = 64 * 1024
CHUNK = 512 * 1024  # so much is collected before a thread writes it
_PIECE = 16 * 1024  # smaller pieces are put together
_BATCH = 500  # file names that are asked for at one time
FULL = (errno.ENOSPC, errno.EDQUOT)


class SpoolDraft:
    """Implements ports.Draft. A file is made once the content is larger than INLINE."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._digest = blake3()
        self._pending: list[bytes] = []
        self._written = 0
        self._descriptor = -1
        self._inline: bytes | None = None
        self._size = 0
        self._step: asyncio.Future[None] | None = None

    @property
    def size(self) -> int:
        return self._size

    @property
    def wants_flush(self) -> bool:
        return self._size - self._written >= CHUNK

    def write(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._pending and len(self._pending[-1]) < _PIECE:
            self._pending[-1] += piece
        else:
            self._pending.append(piece)

    async def flush(self) -> None:
        await self._in_thread(self._flush)

    async def finish(self) -> bytes:
        if self._size <= INLINE:
            self._inline = b"".join(self._pending)
            self._digest.update(self._inline)
            self._pending.clear()
        else:
            await self._in_thread(self._flush)
        return self._digest.digest()

    async def store(self) -> None:
        if self._inline is None:
            await self._in_thread(self._sync)

    def octets(self) -> Octets:
        if self._inline is not None:
            return self._inline
        return mmap.mmap(self._descriptor, 0, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE, prot=mmap.PROT_READ)

    @property
    def inline(self) -> bytes | None:
        return self._inline

    def close(self, *, keep: bool) -> None:
        # A cancelled task leaves its thread at work: the descriptor must not be closed, and used anew, under it.
        if self._step is not None and not self._step.done():
            self._step.add_done_callback(lambda _: self._close(keep))
        else:
            self._close(keep)

    def _close(self, keep: bool) -> None:
        self._pending.clear()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            if not keep:
                with suppress(OSError):
                    (self._folder / self._name).unlink()

    async def _in_thread(self, step: Callable[[], None]) -> None:
        self._step = asyncio.get_running_loop().run_in_executor(None, step)
        try:
            await asyncio.shield(self._step)
        except OSError as error:
            raise (DiskFull if error.errno in FULL else StoreUnavailable)(repr(error)) from error

    def _flush(self) -> None:
        if self._descriptor < 0:
            self._descriptor = os.open(self._folder / self._name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        # As one: each call here lets go of the interpreter, and has to wait for it again.
        octets = b"".join(self._pending)
        self._digest.update(octets)
        _write_all(self._descriptor, octets)
        self._written += len(octets)
        self._pending.clear()

    def _sync(self) -> None:
        """The file first, then its name in the folder: only both survive a power cut."""
        os.fsync(self._descriptor)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class Spool:
    """Implements ports.Bodies and ports.SpooledFiles over one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def draft(self, message_id: str) -> SpoolDraft:
        return SpoolDraft(self._folder, _name(message_id))

    async def read(self, message: Message, content: bytes | None) -> Slices:
        if content is not None:
            return checked(content, message.digest)
        return await asyncio.to_thread(self._read_file, message)

    def _read_file(self, message: Message) -> Slices:
        try:
            return checked(FileContent(os.open(self._folder / _name(message.id), os.O_RDONLY)), message.digest)
        except FileNotFoundError as error:
            raise DamagedBody(f"{error.filename} is gone") from error
        except OSError as error:
            raise StoreUnavailable(repr(error)) from error

    async def sweep(self, known: Callable[[Sequence[str]], Awaitable[Collection[str]]]) -> int:
        """Moves files that no stored message needs to `lost`, and counts them. Only before the first draft.

        `known` says which of some messages have their content here. Mostly the others are drafts that a crash cut short. But a
        database that was restored from an old copy makes orphans of accepted mail: so nothing is deleted.
        """
        names = [path.stem for path in self._folder.glob("*.eml")]
        orphans: list[str] = []
        for first in range(0, len(names), _BATCH):
            some = names[first : first + _BATCH]
            orphans += set(some).difference(await known(some))
        if orphans:
            self.lost.mkdir(mode=0o700, exist_ok=True)
        for name in map(_name, orphans):
            (self._folder / name).rename(self.lost / name)
        return len(orphans)

    @property
    def lost(self) -> Path:
        return self._folder / "lost"

    async def listed(self) -> tuple[str, ...]:
        return await asyncio.to_thread(self._list)

    async def remove(self, message_ids: Collection[str]) -> None:
        await asyncio.to_thread(self._remove, message_ids)

    def _list(self) -> tuple[str, ...]:
        try:
            return tuple(name.removesuffix(".eml") for name in os.listdir(self._folder) if name.endswith(".eml"))
        except OSError as error:
            raise StoreUnavailable(repr(error)) from error

    def _remove(self, message_ids: Collection[str]) -> None:
        try:
            for name in map(_name, message_ids):
                (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise StoreUnavailable(repr(error)) from error


def _name(message_id: str) -> str:
    return f"{message_id}.eml"


def _write_all(descriptor: int, octets: bytes) -> None:
    """One call as a rule; the kernel may take less, and then the rest is asked for again."""
    rest = memoryview(octets)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


class FileContent:
    """A file whose octets are read when they are asked for: many large messages may be under way at one time."""

    def __init__(self, descriptor: int) -> None:
        """The descriptor is closed with it."""
        self._descriptor = descriptor
        self._size = os.fstat(self._descriptor).st_size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, key: slice) -> bytes:
        start, stop, _ = key.indices(self._size)
        return os.pread(self._descriptor, stop - start, start)

    def __del__(self) -> None:
        os.close(self._descriptor)


def checked(content: T, digest: bytes) -> T:
    """Raises DamagedBody."""
    found = blake3()
    for position in range(0, len(content), CHUNK):
        found.update(content[position : position + CHUNK])
    if found.digest() != digest:
        raise DamagedBody("its digest differs")
    return content
