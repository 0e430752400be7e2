"""In what condition a database was left: looked at before it is opened, for opening it makes what is missing.

SQLite sees neither a database nor a write-ahead log that is gone, nor commits behind a damaged page of that log: it goes on
without those rows, and its integrity check says ok. So a mark lies beside the database for as long as its log is needed. It is
made once the log has its first page, and taken away when all is in the database itself. Where it lies there before the start,
the last relay did not stop in good order, and its log must be there too.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from itertools import chain
from pathlib import Path
from threading import Timer

from relay import journal
from relay.errors import StoreDamaged
from relay.store.sqlite.file import wal

_CHECK_SECONDS = 5.0
# The check may not come to its end: the content of messages, which is checked again when it is sent, comes last.
_CHECKED = ("deliveries", "messages", "suppressions", "bodies")
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_CUT_BY_POWER = 1  # commits behind a page that never came to the disk: the last one, which nobody was told of

_NOTE = "The database beside this file is open, or its relay did not stop in good order. docs/store.md\n"
_WAY_OUT = (
    "Nothing was changed. `relay queue rescue FOLDER` saves what can be read,"
    " `relay queue accept-loss` goes on without the rest (docs/store.md)"
)


def mark_of(database: Path) -> Path:
    """The file that is the mark; not to be taken for one of SQLite's own."""
    return database.with_name("relay.open")


def mark(database: Path) -> None:
    """To be called when the log has its first page, before anything that counts is written."""
    with mark_of(database).open("w") as file:
        file.write(_NOTE)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(database)


def unmark(database: Path) -> None:
    """To be called when nothing needs the log any more, before SQLite removes it."""
    mark_of(database).unlink(missing_ok=True)
    _sync_folder(database)


def _sync_folder(database: Path) -> None:
    folder = os.open(database.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def check(database: Path, *, seconds: float = _CHECK_SECONDS) -> None:
    """Raises StoreDamaged where rows are gone, or may be. Changes nothing. A close look takes so long at most."""
    is_marked = mark_of(database).exists()
    if not database.exists():
        left = chain((mark_of(database), wal.path_of(database)), database.parent.glob("spool/*.eml"))
        if found := next((path.name for path in left if path.exists()), ""):
            raise _damaged(database, f"the database is gone, and {found} is still there")
        return
    if not database.stat().st_size:
        raise _damaged(database, "the database is empty")
    is_log_gone = is_marked and wal.is_empty(database)
    check_content(database, closely=is_marked, seconds=seconds)
    if is_log_gone:
        what = f"the relay did not stop in good order, and {wal.path_of(database).name} is gone: what came last may be missing"
        raise _damaged(database, what, is_usable=True)


def check_content(database: Path, *, closely: bool, seconds: float = _CHECK_SECONDS) -> None:
    """`closely` looks at all that the queue needs, as far as there is time. Raises StoreDamaged."""
    began = time.monotonic()
    try:
        with closing(reading(database)) as db:
            db.execute("PRAGMA schema_version").fetchall()
            if closely:
                is_done = _check_closely(database, db, until=began + seconds)
                journal.checked_after_crash(seconds=time.monotonic() - began, is_done=is_done)
    except sqlite3.Error as error:  # all other trouble is told when the database is opened
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE:
            raise _damaged(database, f"the database is damaged: {error}") from error


def reading(database: Path) -> sqlite3.Connection:
    """Cannot write. Raises sqlite3.OperationalError where there is no database."""
    return sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)


def _check_closely(database: Path, db: sqlite3.Connection, *, until: float) -> bool:
    """False if the time was over before the end."""
    try:
        if (unseen := wal.unseen_commits(database)) > _CUT_BY_POWER:
            what = f"{wal.path_of(database).name} is damaged, and {unseen} commits stand behind the damage"
            raise _damaged(database, what)
        there = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        for table in (table for table in _CHECKED if table in there):
            if (found := _quick_check(db, table, until)) != "ok":
                raise _damaged(database, f"the database is damaged: {table}: {found}")
    except TimeoutError:
        return False
    return True


def _quick_check(db: sqlite3.Connection, table: str, until: float) -> str:
    """What SQLite says first. Raises TimeoutError."""
    if (seconds := until - time.monotonic()) <= 0:
        raise TimeoutError
    timer = Timer(seconds, db.interrupt)  # a progress handler is not asked before the end: SQLite before 3.41
    timer.start()
    try:
        found: str = db.execute(f"PRAGMA quick_check('{table}')").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        raise TimeoutError from error
    finally:
        timer.cancel()
        timer.join()
    return found


def _damaged(database: Path, what: str, *, is_usable: bool = False) -> StoreDamaged:
    return StoreDamaged(str(database), "store.path", what, way_out=_WAY_OUT, is_usable=is_usable)
