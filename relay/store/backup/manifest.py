"""What a backup holds: a folder with the database, the content beside it, and a list of all of them with their digests."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from blake3 import blake3

from relay.errors import ConfigError

NAME = "backup.json"
DATABASE = "relay.db"
SPOOL = "spool"
FORMAT = 1
_PIECE = 1 << 20
_SPOOLED = re.compile(rf"{SPOOL}/[0-9A-Za-z-]+\.eml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A file: its octets, and the SHA-256 of them."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`open` are deliveries that were not over. `files` are named as they lie below the folder. `amiss` are messages whose
    large content was missing or damaged in the store itself, each with which of both.
    """

    relay: str
    schema: int
    made_at: float
    messages: int
    open: int
    files: dict[str, Listed]
    amiss: dict[str, str]
    format: int = FORMAT

    @property
    def size(self) -> int:
        """Octets of all files."""
        return sum(listed.size for listed in self.files.values())

    @property
    def spooled(self) -> int:
        """How many messages have their content in a file."""
        return len(self.files) - 1


class Digests(NamedTuple):
    """Of a file, by one look at it."""

    listed: Listed
    blake3: bytes


def digests(path: Path) -> Digests:
    """Raises OSError."""
    sha256, own, size = hashlib.sha256(), blake3(), 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            sha256.update(piece)
            own.update(piece)
            size += len(piece)
    return Digests(Listed(size=size, sha256=sha256.hexdigest()), own.digest())


def spool_name(message_id: str) -> str:
    """The name of a message's content below the folder."""
    return f"{SPOOL}/{message_id}.eml"


def write(folder: Path, manifest: Manifest) -> None:
    """Synced, as the folder is. Raises OSError."""
    with (folder / NAME).open("x", encoding="utf-8") as file:
        json.dump(asdict(manifest), file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    sync(folder)


def read(folder: Path) -> Manifest:
    """Raises ConfigError where it is no backup, or one of a later release."""
    try:
        found: dict[str, Any] = json.loads((folder / NAME).read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            raise ConfigError(str(folder), NAME, f"a backup of format {found['format']}, this release knows {FORMAT}")
        files = {
            _own(name): Listed(size=int(each["size"]), sha256=str(each["sha256"])) for name, each in found["files"].items()
        }
        return Manifest(
            relay=str(found["relay"]),
            schema=int(found["schema"]),
            made_at=_time(found["made_at"]),
            messages=int(found["messages"]),
            open=int(found["open"]),
            files=files,
            amiss={str(name): str(why) for name, why in found["amiss"].items()},
        )
    except FileNotFoundError as error:
        raise ConfigError(str(folder), NAME, "there is none: this is no backup, or not all of one") from error
    except (OSError, ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise ConfigError(str(folder), NAME, f"cannot be read: {error}") from error


def _own(name: str) -> str:
    """Of the database, or of a message's content. Raises ValueError for what lies elsewhere."""
    if name != DATABASE and not _SPOOLED.fullmatch(name):
        raise ValueError(f"{name!r} is no file of a backup")
    return name


def _time(at: float) -> float:
    """Raises ValueError or OverflowError."""
    time.gmtime(float(at))
    return float(at)


def sync(path: Path) -> None:
    """A file, or the names in a folder. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
