"""Copies content that is too large for a row: a file of one database, pieces of another. Its message has its digest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from blake3 import blake3

from relay.errors import StoreUnavailable
from relay.store.copying import rows
from relay.store.copying.sides import Side, Target
from relay.store.copying.tables import Table

_NOTHING = blake3().digest()
_DIGEST = "SELECT digest FROM messages WHERE id = ?"
_IS_WANTED = "SELECT 1 FROM spooled WHERE lasts IN (0, 1) AND message_id = ?"


class Trouble(StrEnum):
    """What is wrong with the content of a message that should be there."""

    MISSING = "missing"
    DAMAGED = "damaged"  # not what was accepted; copied as it is


@dataclass(frozen=True, slots=True)
class Content:
    """What became of that of one message."""

    message_id: str
    is_copied: bool = False
    trouble: Trouble | None = None


def copy(source: Side, target: Target, spooled: Table) -> Iterator[Content]:
    """Of each message that has any. What the other side has and should not goes."""
    place = spooled.columns.index("message_id")
    for row in rows.each(source, spooled):
        yield _copy(source, target, row[place])
    target.tidy()


def _copy(source: Side, target: Target, message_id: str) -> Content:
    found = source.execute(_DIGEST, (message_id,)).fetchone()
    accepted, theirs = bytes(found[0]) if found else _NOTHING, _digest(target.pieces(message_id))
    if theirs == accepted != _NOTHING:
        return Content(message_id)
    ours = _digest(source.pieces(message_id))
    if ours != theirs:
        target.put(message_id, source.pieces(message_id))
        if source.is_still and _digest(target.pieces(message_id)) != ours:
            raise StoreUnavailable(f"the content of {message_id}: what was written is not what is read")
    return Content(message_id, is_copied=ours not in (theirs, _NOTHING), trouble=_trouble(source, message_id, accepted, ours))


def _trouble(source: Side, message_id: str, accepted: bytes, found: bytes) -> Trouble | None:
    """None as well for content that was let go meanwhile."""
    if found == accepted or not source.execute(_IS_WANTED, (message_id,)).fetchone():
        return None
    return Trouble.MISSING if found == _NOTHING else Trouble.DAMAGED


def _digest(pieces: Iterable[bytes]) -> bytes:
    found = blake3()
    for piece in pieces:
        found.update(piece)
    return found.digest()
