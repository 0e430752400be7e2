"""What an operator decides about a damaged database: to go on with what is left, with another one, or with none.

Nothing is deleted: what is not used any more is set aside.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import closing
from pathlib import Path

from relay.errors import ConfigError, StoreDamaged
from relay.store.sqlite.file import condition, wal


def trouble(database: Path) -> StoreDamaged | None:
    """What would keep a relay from starting."""
    try:
        condition.check(database)
    except StoreDamaged as found:
        return found
    return None


def go_on_without_log(database: Path) -> None:
    """With what the database has."""
    condition.unmark(database)


def set_aside(database: Path, *, now: float) -> Path:
    """The database with its log and its mark, in a folder beside it. Raises OSError."""
    folder = database.with_name(time.strftime("damaged-%Y%m%dT%H%M%SZ", time.gmtime(now)))
    folder.mkdir(mode=0o700)
    shm = database.with_name(f"{database.name}-shm")
    for path in (database, wal.path_of(database), shm, condition.mark_of(database)):
        if path.exists():
            path.rename(folder / path.name)
    return folder


def check_new(new: Path) -> None:
    """Whether it can be put in place. Raises ConfigError."""
    if not new.is_file() or not wal.is_empty(new):
        raise ConfigError(str(new), "--use", "is no database, or not all of one: there must be no log beside it")
    condition.check_content(new, closely=True)
    with closing(condition.reading(new)) as db:
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'deliveries'").fetchone():
            raise ConfigError(str(new), "--use", "is no database of a relay")


def put_in_place(new: Path, database: Path) -> None:
    """A copy of another database. Raises OSError."""
    copied = database.with_name(f"{database.name}.new")
    shutil.copyfile(new, copied)
    copied.chmod(0o600)
    descriptor = os.open(copied, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    copied.rename(database)
