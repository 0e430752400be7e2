"""Out of a damaged store into files that anybody can read: the messages that are not over, a list of them, a new database."""

from __future__ import annotations

import csv
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from blake3 import blake3

from relay.model import Message
from relay.store.sql.records import MESSAGE, message_of
from relay.store.sqlite.salvage import Salvaged, salvage
from relay.writing import edits

LIST = "messages.csv"
_COLUMNS = ("id", "state", "sender", "recipients", "file", "content")
_FORMULA = ("=", "+", "-", "@")  # a spreadsheet would take such an address for one
_ID = re.compile(r"[0-9A-Z]{26}", re.ASCII)
_OPEN = "state IN ('queued', 'sending', 'in_doubt')"
# Whatever is not known to be over: of a message without deliveries these are lost, and of what is in no other table all is.
_IDS = (
    f"SELECT message_id FROM deliveries WHERE {_OPEN}"
    " UNION SELECT id FROM messages WHERE id NOT IN (SELECT message_id FROM deliveries)"
    " UNION SELECT message_id FROM bodies WHERE message_id NOT IN (SELECT message_id FROM deliveries) ORDER BY 1"
)


class Content(StrEnum):
    """What is in a message's file."""

    WHOLE = "whole"  # as it would be sent
    UNEDITED = "unedited"  # as it came: the row that says what was accepted is lost
    DAMAGED = "damaged"  # not what was accepted
    MISSING = "missing"  # there is no file


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescued:
    """How much could be read, and how many messages there are of each kind."""

    database: Salvaged
    messages: Counter[Content]

    @property
    def is_whole(self) -> bool:
        return self.database.is_whole and set(self.messages) <= {Content.WHOLE}


def rescue(database: Path, spool: Path, folder: Path) -> Rescued:
    """Fills `folder`, which is empty, and only reads the store. Raises OSError or sqlite3.Error."""
    new = folder / database.name
    salvaged = salvage(database, new)
    counted: Counter[Content] = Counter()
    with closing(sqlite3.connect(new)) as db, (folder / LIST).open("w", newline="", encoding="utf-8") as file:
        listed = csv.writer(file)
        listed.writerow(_COLUMNS)
        for message_id in _ids(db, spool):
            sender, pieces, content = _found(db, message_id, spool)
            path = _write(folder, message_id, pieces) if content is not Content.MISSING else ""
            for state, recipients in _deliveries(db, message_id):
                listed.writerow(map(_harmless, (message_id, state, sender, recipients, path, content)))
            counted[content] += 1
    return Rescued(database=salvaged, messages=counted)


def _ids(db: sqlite3.Connection, spool: Path) -> Iterator[str]:
    for (message_id,) in db.execute(_IDS):
        yield message_id
    known = "SELECT 1 FROM deliveries WHERE message_id = ?1 UNION SELECT 1 FROM messages WHERE id = ?1"
    for path in sorted(spool.glob("*.eml")):
        if not db.execute(known, (path.stem,)).fetchone():
            yield path.stem


def _found(db: sqlite3.Connection, message_id: str, spool: Path) -> tuple[str, Iterator[bytes], Content]:
    """Its sender, what is to be written, and what that is."""
    message = _message(db, message_id)
    row = db.execute("SELECT content FROM bodies WHERE lasts IN (0, 1) AND message_id = ?", (message_id,)).fetchone()
    content = row[0] if row else _spooled(spool, message_id)
    sender = message.sender if message else ""
    if content is None:
        return sender, iter(()), Content.MISSING
    if message is None:
        return sender, iter((content,)), Content.UNEDITED
    if blake3(content).digest() != message.digest:
        return sender, iter((content,)), Content.DAMAGED
    return sender, edits.edited(content, message.edits), Content.WHOLE


def _message(db: sqlite3.Connection, message_id: str) -> Message | None:
    row = db.execute(f"SELECT {MESSAGE} FROM messages m WHERE m.id = ?", (message_id,)).fetchone()
    try:
        return message_of(row) if row else None
    except (ValueError, TypeError, LookupError):  # a row that can be read need not make sense
        return None


def _spooled(spool: Path, message_id: str) -> bytes | None:
    try:
        return (spool / f"{message_id}.eml").read_bytes() if _ID.fullmatch(message_id) else None
    except OSError:
        return None


def _write(folder: Path, message_id: str, pieces: Iterator[bytes]) -> str:
    """The file's name; what is no identifier of ours may be no name either."""
    name = f"{message_id if _ID.fullmatch(message_id) else blake3(message_id.encode()).hexdigest()[:26]}.eml"
    with (folder / name).open("wb") as file:
        file.writelines(pieces)
    return name


def _deliveries(db: sqlite3.Connection, message_id: str) -> list[tuple[str, str]]:
    """States, and the recipients of each."""
    rows = db.execute(
        f"SELECT state, group_concat(recipient, ' ') FROM deliveries WHERE message_id = ? AND {_OPEN} GROUP BY state",
        (message_id,),
    ).fetchall()
    return rows or [("unknown", "")]


def _harmless(field: str) -> str:
    return f"'{field}" if field.startswith(_FORMULA) else field
