"""Checks a backup without changing it: its files against its list, its database, and each content against its message."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from relay.store.backup.manifest import DATABASE, NAME, Digests, Manifest, digests, spool_name

_LARGE = "SELECT s.message_id, m.digest FROM spooled s LEFT JOIN messages m ON m.id = s.message_id ORDER BY 1"


def troubles(folder: Path, manifest: Manifest) -> list[str]:
    """What is wrong with it since it was made, for people; nothing where it can be restored as it was made."""
    found = dict(_looked_at(folder, manifest))
    told = [f"{name}: {each}" for name, each in found.items() if isinstance(each, str)]
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}
    told += [f"{name}: is not in its list" for name in sorted(there - manifest.files.keys() - {NAME})]
    if DATABASE not in manifest.files:
        return [*told, f"{DATABASE}: is not in its list"]
    return told + ([] if isinstance(found[DATABASE], str) else list(_of_database(folder, manifest, found)))


def _looked_at(folder: Path, manifest: Manifest) -> Iterator[tuple[str, Digests | str]]:
    """The digests of each file, or what is wrong with it."""
    for name, listed in manifest.files.items():
        try:
            seen = digests(folder / name)
        except OSError as error:
            yield name, "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        else:
            yield name, seen if seen.listed == listed else "is damaged: it is not what was written"


def _of_database(folder: Path, manifest: Manifest, found: dict[str, Digests | str]) -> Iterator[str]:
    try:
        with closing(_reading(folder / DATABASE)) as db:
            yield from (f"{DATABASE}: {said}" for (said,) in db.execute("PRAGMA integrity_check") if said != "ok")
            (schema,) = db.execute("PRAGMA user_version").fetchone()
            if schema != manifest.schema:
                yield f"{DATABASE}: schema {schema}, its list says {manifest.schema}"
            for message_id, digest in db.execute(_LARGE):
                if message_id not in manifest.amiss:
                    yield from _of_content(message_id, digest, found.get(spool_name(message_id)))
    except sqlite3.Error as error:
        yield f"{DATABASE}: {error}"


def _of_content(message_id: str, digest: bytes | None, found: Digests | str | None) -> Iterator[str]:
    """What is wrong with a file by itself is told elsewhere."""
    if found is None:
        yield f"the content of {message_id} is not in it"
    elif isinstance(found, Digests) and found.blake3 != digest:
        yield f"the content of {message_id} is not what was accepted"


def _reading(database: Path) -> sqlite3.Connection:
    """Nothing is made beside it, also where nothing may be."""
    return sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
