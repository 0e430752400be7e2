"""The disk below the store: how much of it is free, and a ballast that is given up when it is full.

On a full disk no row can be changed either: what SES did could not be written down, and mail would be sent twice. So some
room is kept in a file that nobody needs, and while that is gone no message is taken.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from relay.errors import StoreUnavailable

_TO_OPEN = 8 * 1024 * 1024  # what the store itself needs to begin with, its log among it


class Room:
    """Implements ports.Room. The disk is that of the fullest of the `folders`; a ballast of 0 octets is none.

    A lost ballast is made again where `spare` octets stay free beside it.
    """

    def __init__(self, folders: Collection[Path], *, ballast: Path, octets: int, spare: int) -> None:
        self._folders = tuple(folders)
        self._ballast = ballast
        self._octets = octets
        self._spare = spare
        self._is_whole = not octets or _allocated(ballast) == octets

    def free_octets(self) -> int:
        """Raises StoreUnavailable."""
        try:
            return min(found.f_bavail * found.f_frsize for found in map(os.statvfs, self._folders))
        except OSError as error:
            raise StoreUnavailable(repr(error)) from error

    @property
    def has_ballast(self) -> bool:
        return self._is_whole

    def make_way(self) -> None:
        """Before the store is opened: a full disk could not even take its log. Raises StoreUnavailable."""
        if not self._octets or self.free_octets() < _TO_OPEN:
            self.give_up_ballast()

    def give_up_ballast(self) -> None:
        """May be called from any thread."""
        self._is_whole = not self._octets
        with suppress(OSError):
            self._ballast.unlink(missing_ok=True)

    async def restore(self) -> None:
        """Makes the ballast again if there is room. Raises StoreUnavailable."""
        if self._is_whole or self.free_octets() < self._octets + self._spare:
            return
        try:
            await asyncio.to_thread(_allocate, self._ballast, self._octets)
        except OSError as error:
            self.give_up_ballast()
            raise StoreUnavailable(f"no ballast: {error!r}") from error
        self._is_whole = True


def _allocate(path: Path, octets: int) -> None:
    """With its blocks on the disk: a file with holes would keep no room."""
    descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, octets)
    finally:
        os.close(descriptor)


def _allocated(path: Path) -> int:
    """Octets of a file that has its blocks; 0 for any other."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0
    return found.st_size if found.st_blocks * 512 >= found.st_size else 0
