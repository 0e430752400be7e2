"""Backups of SQLite's store: of one moment, though others write; checked to the last octet; never put over anything."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3

from relay.errors import ConfigError
from relay.model import Message
from relay.outcome import Sent
from relay.store.backup import checking, making, manifest, placing
from relay.store.backup.manifest import Manifest
from relay.store.bodies import INLINE, Spool
from relay.store.sqlite.store import SqliteStore
from tests.store.kit import NOW, change, claim, database, delivery, enqueue, message, settle, suppressed, suppression

LARGE = b"From: shop@example.com\r\n\r\n" + b"x" * INLINE + b"\r\n"


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups" / "monday"


def made(tmp_path: Path, folder: Path) -> Manifest:
    return making.make(database(tmp_path), tmp_path / "spool", folder, now=NOW, release="1.2.3")


async def add_large(store: SqliteStore, spool: Path, number: int) -> Message:
    wanted = replace(message(number, content=LARGE), digest=blake3(LARGE).digest())
    draft = Spool(spool).draft(wanted.id)
    draft.write(LARGE)
    await draft.finish()
    await draft.store()
    await store.queue.enqueue(wanted, None, (delivery(wanted),))
    draft.close(keep=True)
    return wanted


async def backed_up(tmp_path: Path, folder: Path) -> tuple[Manifest, Message]:
    """Of a store with a message that was sent, one that waits, and a large one."""
    store = await SqliteStore.open(database(tmp_path))
    await enqueue(store, 1)
    for claimed in await claim(store):
        await settle(store, claimed, Sent("ses-1"))
    await enqueue(store, 2)
    large = await add_large(store, tmp_path / "spool", 3)
    await store.suppressions.add(suppression("blocked@example.net"))
    done = made(tmp_path, folder)
    await store.close()
    return done, large


async def test_it_has_what_was_there_and_says_how_much(tmp_path: Path, folder: Path) -> None:
    done, large = await backed_up(tmp_path, folder)
    assert (done.messages, done.open, done.spooled, done.made_at, done.relay) == (3, 2, 1, NOW, "1.2.3")
    assert done.amiss == {}
    assert manifest.read(folder) == done
    assert checking.troubles(folder, done) == []
    assert {path.name for path in folder.rglob("*") if path.is_file()} == {"backup.json", "relay.db", f"{large.id}.eml"}
    assert (folder / "spool" / f"{large.id}.eml").read_bytes() == LARGE
    assert [path.name for path in folder.parent.iterdir()] == ["monday"]
    assert {oct(path.stat().st_mode & 0o077) for path in (folder, folder / "relay.db")} == {"0o0"}


async def test_it_is_of_one_moment_though_others_write(tmp_path: Path, folder: Path) -> None:
    """Each transaction adds a message and its delivery; of none there may be a half, and of those before none is missing."""
    store = await SqliteStore.open(database(tmp_path))
    await enqueue(store, 0)
    with closing(sqlite3.connect(database(tmp_path))) as other:  # enough that the copy takes many steps
        other.execute("CREATE TABLE ballast (octets BLOB)")
        other.executemany("INSERT INTO ballast VALUES (?)", [(os.urandom(100_000),) for _ in range(300)])
        other.commit()
    copying = asyncio.create_task(asyncio.to_thread(made, tmp_path, folder))
    count = 1
    while not copying.done():
        await enqueue(store, count)
        count += 1
        await asyncio.sleep(0)
    done = await copying
    await store.close()
    assert count > 20
    assert 1 <= done.messages < count
    with closing(sqlite3.connect(folder / "relay.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        ids = [id for (id,) in db.execute("SELECT id FROM messages ORDER BY id")]
        assert ids == [f"{number:026}" for number in range(done.messages)]
        for table in ("deliveries", "bodies"):
            assert [id for (id,) in db.execute(f"SELECT message_id FROM {table} ORDER BY 1")] == ids


async def test_another_disk_gets_a_copy(tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm") / f"relay-backup-{os.getpid()}"
    if not elsewhere.parent.is_dir() or elsewhere.parent.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other disk")
    try:
        done, large = await backed_up(tmp_path, elsewhere / "monday")
        copy = elsewhere / "monday" / "spool" / f"{large.id}.eml"
        assert (copy.read_bytes(), copy.stat().st_nlink) == (LARGE, 1)
        assert checking.troubles(elsewhere / "monday", done) == []
    finally:
        shutil.rmtree(elsewhere, ignore_errors=True)


async def test_what_is_wrong_in_the_store_itself_is_told_and_the_rest_is_kept(
    tmp_path: Path, spool: Path, folder: Path
) -> None:
    store = await SqliteStore.open(database(tmp_path))
    missing, damaged = [await add_large(store, spool, number) for number in (1, 2)]
    await store.close()
    (spool / f"{missing.id}.eml").unlink()
    (spool / f"{damaged.id}.eml").write_bytes(LARGE.replace(b"x", b"y"))
    done = made(tmp_path, folder)
    assert done.amiss == {missing.id: "missing", damaged.id: "damaged"}
    assert checking.troubles(folder, done) == []


async def test_what_the_relay_let_go_meanwhile_is_not_missed(tmp_path: Path, spool: Path, folder: Path) -> None:
    store = await SqliteStore.open(database(tmp_path))
    large = await add_large(store, spool, 1)
    await change(store, "CREATE TABLE ballast (octets BLOB)")
    for _ in range(200):
        await change(store, "INSERT INTO ballast VALUES (?)", (os.urandom(100_000),))
    (spool / f"{large.id}.eml").unlink()
    copying = asyncio.create_task(asyncio.to_thread(made, tmp_path, folder))
    for _ in range(1000):
        if folder.with_name("monday.part").joinpath("relay.db").exists():  # its moment is over
            break
        await asyncio.sleep(0.001)
    await change(store, "DELETE FROM spooled")
    assert not copying.done()
    done = await copying
    await store.close()
    assert (done.spooled, done.amiss, checking.troubles(folder, done)) == (0, {}, [])
    with closing(sqlite3.connect(folder / "relay.db")) as db:
        assert db.execute("SELECT count(*) FROM spooled").fetchone() == (0,)


async def test_nothing_is_written_over(tmp_path: Path, folder: Path) -> None:
    await backed_up(tmp_path, folder)
    was = (folder / "backup.json").read_bytes()
    with pytest.raises(ConfigError, match="is there already"):
        made(tmp_path, folder)
    assert (folder / "backup.json").read_bytes() == was
    part = folder.with_name("tuesday.part")
    part.mkdir()
    with pytest.raises(ConfigError, match="another backup is being made, or one was broken off"):
        made(tmp_path, folder.with_name("tuesday"))
    assert part.exists()


async def test_what_fails_leaves_nothing_behind(tmp_path: Path, folder: Path) -> None:
    database(tmp_path).write_bytes(b"no database" * 1000)
    with pytest.raises(sqlite3.DatabaseError):
        made(tmp_path, folder)
    assert list(folder.parent.iterdir()) == []


async def test_every_damage_is_found(tmp_path: Path, folder: Path) -> None:
    done, large = await backed_up(tmp_path, folder)
    for name in ("relay.db", f"spool/{large.id}.eml"):
        whole = (folder / name).read_bytes()
        (folder / name).unlink()  # the content of the store itself has the same octets
        (folder / name).write_bytes(whole[:9000] + bytes([whole[9000] ^ 1]) + whole[9001:])
        assert checking.troubles(folder, done) == [f"{name}: is damaged: it is not what was written"]
        (folder / name).unlink()
        assert checking.troubles(folder, done) == [f"{name}: is missing"]
        (folder / name).write_bytes(whole)
    (folder / "spool" / "stranger.eml").write_bytes(b"")
    assert checking.troubles(folder, done) == ["spool/stranger.eml: is not in its list"]
    (folder / "spool" / "stranger.eml").unlink()
    assert checking.troubles(folder, done) == []


async def test_content_that_the_list_has_forgotten_or_mistaken_is_found(tmp_path: Path, folder: Path) -> None:
    done, large = await backed_up(tmp_path, folder)
    name = f"spool/{large.id}.eml"
    (folder / name).unlink()
    forgotten = replace(done, files={each: listed for each, listed in done.files.items() if each != name})
    assert checking.troubles(folder, forgotten) == [f"the content of {large.id} is not in it"]
    (folder / name).write_bytes(b"another")
    mistaken = replace(done, files={**done.files, name: manifest.digests(folder / name).listed})
    assert checking.troubles(folder, mistaken) == [f"the content of {large.id} is not what was accepted"]
    assert (
        checking.troubles(folder, replace(done, schema=99))
        == [
            f"relay.db: schema {done.schema}, its list says 99",
            f"{name}: is damaged: it is not what was written",
        ][::-1]
    )


WHOLE = {"format": 1, "relay": "0.1.0", "schema": 1, "made_at": 0.0, "messages": 0, "open": 0, "files": {}, "amiss": {}}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "there is none"),
        ("{", "cannot be read"),
        ('{"format": 2}', "of format 2"),
        ('{"format": 1, "files": {}}', "cannot"),
        (json.dumps(WHOLE | {"amiss": None}), "cannot be read"),
        (json.dumps(WHOLE | {"made_at": "soon"}), "cannot be read"),
        (json.dumps(WHOLE | {"made_at": 1e30}), "cannot be read"),
        (json.dumps(WHOLE | {"messages": {}}), "cannot be read"),
        (json.dumps(WHOLE | {"files": {"../secret": {"size": 1, "sha256": ""}}}), "no file of a backup"),
        ("[" * 100_000, "cannot be read"),
    ],
)
async def test_a_list_that_cannot_be_used_is_refused(tmp_path: Path, text: str | None, why: str) -> None:
    if text is not None:
        (tmp_path / "backup.json").write_text(text)
    with pytest.raises(ConfigError, match=why):
        manifest.read(tmp_path)


async def test_it_is_put_where_nothing_is_and_all_of_it_is_there(tmp_path: Path, folder: Path) -> None:
    done, large = await backed_up(tmp_path, folder)
    new = tmp_path / "new"
    new.mkdir()
    placing.check_place(database(new), new / "spool", done)
    placing.put(folder, done, placing.stage(folder, database(new)), database(new), new / "spool")
    assert sorted(path.name for path in new.iterdir()) == ["relay.db", "spool"]
    store = await SqliteStore.open(database(new))
    assert await suppressed(store, "blocked@example.net") != {}
    assert await store.spooled([large.id]) == {large.id}
    content = await Spool(new / "spool").read(large, None)
    assert content[: len(LARGE)] == LARGE
    await store.close()
    assert checking.troubles(folder, done) == []


@pytest.mark.parametrize("name", ["relay.db", "relay.db-wal", "relay.db-shm", "relay.open", "spool/01.eml"])
async def test_it_is_put_over_nothing(tmp_path: Path, folder: Path, name: str) -> None:
    done, _ = await backed_up(tmp_path, folder)
    new = tmp_path / "new"
    (new / "spool").mkdir(parents=True)
    (new / name).write_bytes(b"")
    with pytest.raises(ConfigError, match="Move the whole folder aside"):
        placing.check_place(database(new), new / "spool", done)


async def test_a_restore_that_was_broken_off_is_begun_again(tmp_path: Path, folder: Path) -> None:
    done, large = await backed_up(tmp_path, folder)
    new = tmp_path / "new"
    (new / "spool").mkdir(parents=True)
    placing.stage(folder, database(new))
    (new / "spool" / f"{large.id}.eml").write_bytes(LARGE[:100])
    (new / "spool" / f"{large.id}.new").write_bytes(LARGE[:100])
    placing.check_place(database(new), new / "spool", done)
    placing.put(folder, done, placing.stage(folder, database(new)), database(new), new / "spool")
    assert [path.read_bytes() for path in (new / "spool").iterdir()] == [LARGE]
    assert json.loads((folder / "backup.json").read_text())["messages"] == 3
