"""Puts a backup where no database is: the content first, the database last, so that what was broken off can be begun again."""

from __future__ import annotations

import shutil
from pathlib import Path

from relay.errors import ConfigError
from relay.store.backup.manifest import DATABASE, Manifest, spool_name, sync
from relay.store.sqlite.file import condition, wal

_STAGE = "restoring"


def check_place(database: Path, spool: Path, manifest: Manifest) -> None:
    """Raises ConfigError where anything of another database is; content that a restore had put there is not."""
    shm = database.with_name(f"{database.name}-shm")
    strangers = [path for path in spool.glob("*.eml") if spool_name(path.stem) not in manifest.files]
    for path in (database, wal.path_of(database), shm, condition.mark_of(database), *strangers):
        if path.exists():
            what = "is there: a backup is put where no database is. Move the whole folder aside first, and keep it"
            raise ConfigError(str(path), "store.path", what)


def stage(folder: Path, database: Path) -> Path:
    """A copy of the backup's database, in a folder of its own beside its place, to be changed there. Raises OSError."""
    stage = database.with_name(_STAGE)
    if stage.exists():
        shutil.rmtree(stage)  # of one that was broken off
    stage.mkdir(mode=0o700)
    return _copied(folder / DATABASE, stage / database.name)


def put(folder: Path, manifest: Manifest, staged: Path, database: Path, spool: Path) -> None:
    """All of it in place, and synced. Raises OSError."""
    spool.mkdir(mode=0o700, exist_ok=True)
    for name in manifest.files:
        if name != DATABASE:
            _copied(folder / name, spool / Path(name).name)
    sync(spool)
    sync(staged)
    staged.rename(database)
    sync(database.parent)
    shutil.rmtree(staged.parent)


def _copied(source: Path, place: Path) -> Path:
    """Under its name only once it is whole."""
    new = place.with_suffix(".new")
    shutil.copyfile(source, new)
    new.chmod(0o600)
    sync(new)
    return new.rename(place)
