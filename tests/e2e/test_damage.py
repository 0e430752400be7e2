"""A damaged store from outside: what the relay says, what can be saved, how it goes on. A damaged body is held, not sent."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from relay.sandbox.cloud import Cloud
from relay.sandbox.faults import SesError
from tests.harness import APPLICATION, Relay, mail, running_relay
from tests.wire import logged_in

PAGE = 4096
LARGE = mail(body=("x" * 70 + "\r\n") * 1500)
QUICK = {"RELAY_RETRY__DELAYS_SECONDS": "1", "RELAY_RETRY__IN_DOUBT_SECONDS": "2"}


def busy() -> Cloud:
    """A far side that takes nothing until `times` is set to 0: what was accepted waits."""
    cloud = Cloud(rate=100.0)
    cloud.faults.times, cloud.faults.error = 1_000_000, SesError(503, "ServiceUnavailableException", "later")
    return cloud


async def crash(relay: Relay, *, count: int = 10, content: bytes | None = None) -> list[str]:
    """Accepts so many messages that wait, and is killed."""
    async with logged_in(relay.ports["submissions"]) as wire:
        accepted = [await wire.submit(content) for _ in range(count)]
    await relay.kill()
    return accepted


async def refusal(relay: Relay) -> str:
    """What `serve` says, which does not start. One line, and nobody's traceback."""
    status, said = await relay.cli("serve", check=False)
    assert status == 2
    [line] = [line for line in said.splitlines() if not line.startswith("{")]
    assert line.startswith(f"relay: {relay.path}: store.path: ")
    return line


def overwrite(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(os.urandom(PAGE))


async def test_a_log_that_is_gone_after_a_crash_is_missed_until_its_loss_is_accepted(tmp_path: Path) -> None:
    async with running_relay(tmp_path, APPLICATION, far_side=busy, settings=QUICK) as (relay, _):
        await crash(relay)
        relay.path.with_name("relay.db-wal").unlink()
        assert "relay.db-wal is gone" in await refusal(relay)
        status, said = await relay.cli("credential", "add", "other", "--sender", "@example.com", check=False)
        assert (status, "relay.db-wal is gone" in said) == (2, True)
        status, said = await relay.cli("queue", "rescue", str(tmp_path / "rescued"), check=False)
        assert (status, "relay.db-wal is gone" in said) == (1, True)
        _, said = await relay.cli("queue", "accept-loss", "--yes")
        assert "goes on with what the database has" in said
        await relay.start()
        async with logged_in(relay.ports["submissions"]) as wire:
            await wire.submit()


async def test_a_damaged_database_is_refused_rescued_and_replaced_and_its_mail_is_sent(tmp_path: Path) -> None:
    async with running_relay(tmp_path, APPLICATION, far_side=busy, settings=QUICK) as (relay, cloud):
        accepted = set(await crash(relay)) | set(await restarted(relay, content=LARGE))
        with closing(sqlite3.connect(relay.path)) as db:  # all that is in the log goes into the database
            [(root,)] = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'events'").fetchall()
        overwrite(relay.path, (root - 1) * PAGE)
        overwrite(relay.path, 0)
        assert "the database is damaged" in await refusal(relay)
        rescued = tmp_path / "rescued"
        status, said = await relay.cli("queue", "rescue", str(rescued), check=False)
        assert status == 1
        assert "20 messages are not over" in said
        assert "20 as they would be sent" in said
        assert {path.stem for path in rescued.glob("*.eml")} == accepted
        assert sum(LARGE in path.read_bytes() for path in rescued.glob("*.eml")) == 10
        assert {path.stat().st_mode & 0o077 for path in rescued.rglob("*")} == {0}
        _, said = await relay.cli("queue", "accept-loss", "--yes", "--use", str(rescued / "relay.db"))
        [aside] = tmp_path.glob("damaged-*")
        assert str(aside) in said
        assert {path.name for path in aside.iterdir()} >= {"relay.db"}
        cloud.faults.times = 0
        await relay.start()
        await arrived_all(cloud, accepted)


async def restarted(relay: Relay, *, content: bytes) -> list[str]:
    await relay.start()
    return await crash(relay, content=content)


async def arrived_all(cloud: Cloud, accepted: set[str]) -> None:
    for _ in range(300):
        if accepted <= {call.tags["relay_id"][:26] for call in cloud.calls}:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(len(cloud.calls))


async def test_a_database_that_is_gone_is_missed_and_its_spool_files_are_kept(tmp_path: Path) -> None:
    async with running_relay(tmp_path, APPLICATION, far_side=busy, settings=QUICK) as (relay, _):
        accepted = await crash(relay, content=LARGE, count=3)
        for name in ("relay.db", "relay.db-wal", "relay.db-shm", "relay.open"):
            (tmp_path / name).unlink()
        assert "the database is gone, and" in await refusal(relay)
        status, said = await relay.cli("queue", "rescue", str(tmp_path / "rescued"), check=False)
        assert status == 1
        assert "3 as they came, for what was to be changed is lost" in said
        _, said = await relay.cli("queue", "accept-loss", "--yes")
        assert "3 files of the spool folder moved" in said
        await relay.start(APPLICATION)
        assert {path.stem for path in (tmp_path / "spool" / "lost").iterdir()} == set(accepted)


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    relay = Relay(tmp_path, 9, RELAY_STORE__PATH=str(tmp_path / "nowhere" / "relay.db"))
    for verb in (("rescue", str(tmp_path / "rescued")), ("accept-loss", "--yes")):
        assert await relay.cli("queue", *verb, check=False) == (2, f"relay: {tmp_path}/nowhere: there is no such folder\n")


async def test_nothing_is_done_without_a_yes_and_nothing_while_a_relay_runs(tmp_path: Path) -> None:
    async with running_relay(tmp_path, APPLICATION) as (relay, _):
        for verb in (("rescue", str(tmp_path / "rescued")), ("accept-loss", "--yes")):
            status, said = await relay.cli("queue", *verb, check=False)
            assert (status, "a relay runs on" in said) == (2, True)
        await relay.kill()
        status, said = await relay.cli("queue", "accept-loss")
        assert "nothing is missing" in said
        relay.path.with_name("relay.db-wal").unlink()
        status, said = await relay.cli("queue", "accept-loss", check=False)
        assert (status, "Go on?" in said) == (1, True)
        assert "relay.db-wal is gone" in await refusal(relay)
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "file").touch()
        status, said = await relay.cli("queue", "rescue", str(tmp_path / "full"), check=False)
        assert (status, "is not empty" in said) == (2, True)
        status, said = await relay.cli("queue", "accept-loss", "--yes", "--use", str(tmp_path / "full" / "file"), check=False)
        assert (status, "--use" in said) == (2, True)
        await relay.cli("queue", "accept-loss", "--yes")
        await relay.start()


@pytest.mark.parametrize("damage", ["row", "file", "no file"])
async def test_a_damaged_body_is_held_and_not_sent_and_stops_nobody_else(tmp_path: Path, damage: str) -> None:
    async with running_relay(tmp_path, APPLICATION, far_side=busy, settings=QUICK) as (relay, cloud):
        [damaged] = await crash(relay, count=1, content=LARGE if "file" in damage else None)
        if damage == "row":
            with closing(sqlite3.connect(relay.path)) as db:
                db.execute("UPDATE bodies SET content = x'00'")
                db.commit()
            relay.path.with_name("relay.open").unlink()  # whoever wrote last has taken the log away
        elif damage == "file":
            overwrite(tmp_path / "spool" / f"{damaged}.eml", 1000)
        else:
            (tmp_path / "spool" / f"{damaged}.eml").unlink()
        cloud.faults.times = 0
        await relay.start()
        async with logged_in(relay.ports["submissions"]) as wire:
            other = await wire.submit()
        await arrived_all(cloud, {other})
        await relay.told("trouble", what=f"{damaged}-1: the stored body is damaged and not sent")
        await asyncio.sleep(2)
        assert [call.tags["relay_id"][:26] for call in cloud.calls] == [other]
        life = await relay.life(damaged)
        assert life
        assert (life.statuses, life.deliveries[0].reason) == (("queued",), "the stored body is not what was accepted")
