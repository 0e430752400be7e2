"""Makes a backup of SQLite's store, also while a relay runs on it.

All is of one moment: that at which a read transaction begins. It lasts until the pages are copied, so that whoever writes
meanwhile neither waits nor makes SQLite begin anew; the log grows for as long. Pages go in steps with a rest between them, and
are synced as they come, for intake shares the disk.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import time
from collections.abc import Collection, Mapping
from contextlib import closing, suppress
from pathlib import Path

from relay.errors import ConfigError
from relay.store.backup.manifest import DATABASE, SPOOL, Digests, Manifest, digests, spool_name, sync, write
from relay.store.sqlite.file import condition

_PAGES = 256  # in one step: a megabyte
_REST = 0.01  # seconds after each
_SYNCED = 8  # steps
_UNLINKABLE = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP)
_LARGE = "SELECT s.message_id, m.digest FROM spooled s LEFT JOIN messages m ON m.id = s.message_id ORDER BY 1"
_IS_WANTED = "SELECT 1 FROM spooled WHERE lasts IN (0, 1) AND message_id = ?"
_COUNTS = """SELECT (SELECT count(*) FROM messages),
    (SELECT count(*) FROM deliveries WHERE state IN ('queued', 'sending', 'in_doubt'))"""


def make(database: Path, spool: Path, folder: Path, *, now: float, release: str) -> Manifest:
    """`folder` is made; until all is in it and synced it has another name. Raises ConfigError, OSError or sqlite3.Error."""
    part = _begun(folder)
    try:
        made = _fill(database, spool, part, now, release)
        _check_new(folder)
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    sync(folder.absolute().parent)
    return made


def _begun(folder: Path) -> Path:
    """The folder under the name that it has at first."""
    _check_new(folder)
    part = folder.with_name(f"{folder.name}.part")
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    try:
        part.mkdir(mode=0o700)
    except FileExistsError as error:
        what = "is there: another backup is being made, or one was broken off. Remove it in that case"
        raise ConfigError(str(part), "FOLDER", what) from error
    (part / SPOOL).mkdir(mode=0o700)
    return part


def _check_new(folder: Path) -> None:
    if os.path.lexists(folder):
        raise ConfigError(str(folder), "FOLDER", "is there already: a backup is made in a new folder")


def _fill(database: Path, spool: Path, part: Path, now: float, release: str) -> Manifest:
    wanted, gone = _snapshot(database, spool, part)
    let_go = {message_id for message_id in gone if not _is_wanted(database, message_id)}
    schema, messages, is_open = _settled(part / DATABASE, let_go)
    found = {message_id: digests(part / spool_name(message_id)) for message_id in wanted.keys() - gone}
    made = Manifest(
        relay=release,
        schema=schema,
        made_at=now,
        messages=messages,
        open=is_open,
        files={
            DATABASE: digests(part / DATABASE).listed,
            **{spool_name(message_id): each.listed for message_id, each in found.items()},
        },
        amiss=dict.fromkeys(gone - let_go, "missing") | _damaged(wanted, found),
    )
    sync(part / SPOOL)
    write(part, made)
    return made


def _snapshot(database: Path, spool: Path, part: Path) -> tuple[dict[str, bytes | None], set[str]]:
    """The database, and the content that lies beside it: its messages with their digests, and those whose file is not there."""
    with closing(condition.reading(database)) as source:
        source.isolation_level = None
        source.execute("BEGIN")
        wanted: dict[str, bytes | None] = dict(source.execute(_LARGE).fetchall())
        gone = {message_id for message_id in wanted if not _is_taken(spool, part, message_id)}
        _copy_pages(source, part / DATABASE)
    return wanted, gone


def _is_taken(spool: Path, part: Path, message_id: str) -> bool:
    """A file never changes once its message is stored: another name for it is a copy. False if it is not there."""
    source, copy = spool / f"{message_id}.eml", part / spool_name(message_id)
    try:
        os.link(source, copy)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno not in _UNLINKABLE:
            raise
        with suppress(FileNotFoundError):
            shutil.copyfile(source, copy)
            copy.chmod(0o600)
            sync(copy)
        return copy.exists()
    return True


def _copy_pages(source: sqlite3.Connection, copy: Path) -> None:
    steps = 0

    def rest(*_: int) -> None:
        nonlocal steps
        steps += 1
        if steps % _SYNCED == 0:
            os.fdatasync(descriptor)
        time.sleep(_REST)

    # SQLite's locks on a file go with any descriptor of it that is closed: so after its connection.
    descriptor = os.open(copy, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    try:
        with closing(sqlite3.connect(copy, isolation_level=None)) as target:
            target.execute("PRAGMA journal_mode = OFF")
            target.execute("PRAGMA synchronous = OFF")
            source.backup(target, pages=_PAGES, progress=rest)
    finally:
        os.close(descriptor)


def _is_wanted(database: Path, message_id: str) -> bool:
    """Not what the relay let go since."""
    with closing(condition.reading(database)) as db:
        return db.execute(_IS_WANTED, (message_id,)).fetchone() is not None


def _settled(copy: Path, let_go: Collection[str]) -> tuple[int, int, int]:
    """One file without a log. Its version, its messages, and its deliveries that are not over."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        db.executemany("DELETE FROM spooled WHERE lasts IN (0, 1) AND message_id = ?", [(each,) for each in let_go])
        (schema,) = db.execute("PRAGMA user_version").fetchone()
        messages, is_open = db.execute(_COUNTS).fetchone()
    sync(copy)
    return schema, messages, is_open


def _damaged(wanted: Mapping[str, bytes | None], found: Mapping[str, Digests]) -> dict[str, str]:
    return {message_id: "damaged" for message_id, each in found.items() if each.blake3 != wanted[message_id]}
