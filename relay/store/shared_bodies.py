"""Content where several nodes share the database: large content lies there in pieces, and in a file only while it passes."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import IO

from relay import ids
from relay.errors import DamagedBody, DiskFull, StoreUnavailable
from relay.model import Message
from relay.ports.bodies import ContentStore
from relay.ports.clock import Clock
from relay.reading.mime import Slices
from relay.store.bodies import CHUNK, FULL, FileContent, SpoolDraft, checked

_STRAY_SECONDS = 86400.0  # what was put there and never stored is found by then


class SharedDraft(SpoolDraft):
    """Its file goes whatever becomes of the message."""

    def __init__(self, folder: Path, message_id: str, content: ContentStore) -> None:
        super().__init__(folder, f"{message_id}.eml")
        self._message_id = message_id
        self._content = content

    async def store(self) -> None:
        if self.inline is None:
            octets = self.octets()
            pieces = (octets[place : place + CHUNK] for place in range(0, self.size, CHUNK))
            await self._content.put(self._message_id, pieces)

    def close(self, *, keep: bool) -> None:
        """Pieces of a message whose row was not written for sure may be needed all the same: nobody knows."""
        super().close(keep=False)


class SharedBodies:
    """Implements ports.Bodies and ports.SpooledFiles. `folder` is of this node alone."""

    def __init__(self, folder: Path, content: ContentStore, clock: Clock) -> None:
        self._folder = folder
        self._content = content
        self._clock = clock
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def sweep(self, known: Callable[[Sequence[str]], Awaitable[Collection[str]]]) -> int:
        """Files here are drafts that a crash has cut short: none is needed."""
        for draft in self._folder.glob("*.eml"):
            draft.unlink()
        return 0

    def draft(self, message_id: str) -> SharedDraft:
        return SharedDraft(self._folder, message_id, self._content)

    async def read(self, message: Message, content: bytes | None) -> Slices:
        if content is not None:
            return checked(content, message.digest)
        return await asyncio.to_thread(checked, await self._fetched(message.id), message.digest)

    async def _fetched(self, message_id: str) -> Slices:
        """Into a file without a name: many large messages may be under way at one time."""
        try:
            with tempfile.TemporaryFile(dir=self._folder) as file:
                async for piece in self._content.pieces(message_id):
                    await asyncio.to_thread(file.write, piece)
                return self._opened(file, message_id)
        except OSError as error:
            raise (DiskFull if error.errno in FULL else StoreUnavailable)(repr(error)) from error

    def _opened(self, file: IO[bytes], message_id: str) -> FileContent:
        file.flush()
        if not file.tell():
            raise DamagedBody(f"the content of {message_id} is gone")
        return FileContent(os.dup(file.fileno()))

    async def listed(self) -> tuple[str, ...]:
        """And those of messages that never came to be are removed."""
        await self.remove(await self._content.strays(ids.ulid(max(0.0, self._clock() - _STRAY_SECONDS), bytes(10))))
        return await self._content.listed()

    async def remove(self, message_ids: Collection[str]) -> None:
        await self._content.remove(message_ids)
