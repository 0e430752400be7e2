"""Our suppression list beside SES's own: real requests, and a far side that wants the exact case and one a second at most."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import boto3
import pytest

from relay.account_list import UNTIL_LISTED, ListSync
from relay.aws.clients import client
from relay.aws.suppressed import BotoAccountList
from relay.errors import SesUnavailable
from relay.event import Event, EventType
from relay.list_sync import SuppressionSync
from relay.sandbox.cloud import ACCESS_KEYS, Cloud
from relay.sandbox.suppressed import Entry
from relay.store.sqlite.store import SqliteStore
from relay.suppression import Reason, Release, Suppression, of_list
from tests.harness import Relay, running_relay

NOW = 1_763_720_000.0
DAY = 86400.0


class Both:
    """A store and a far side; `sync` compares them at `now`."""

    def __init__(self, store: SqliteStore, cloud: Cloud) -> None:
        key, secret = next(iter(ACCESS_KEYS.items()))
        session = boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1")
        self.ses = BotoAccountList(client(session, "sesv2", f"http://127.0.0.1:{cloud.port}"))
        self.store = store
        self.cloud = cloud
        self.now = NOW
        self.sync = self.syncing()

    def syncing(self, *, pushes: bool = True, compares: bool = True, pause: float = 0.0) -> SuppressionSync:
        return SuppressionSync(
            ses=self.ses, store=self.store.account_list, clock=lambda: self.now, pushes=pushes, compares=compares, pause=pause
        )

    async def work(self) -> int:
        """How much was to be done."""
        count = 0
        while await self.sync.work_once():
            count += 1
        return count

    async def suppressed(self, address: str) -> Suppression | None:
        return (await self.store.suppressions.find([address])).of(address, now=self.now)

    async def add(self, address: str, reason: Reason = Reason.HARD_BOUNCE, **fields: str) -> None:
        await self.store.suppressions.add(
            Suppression(address=address, reason=reason, source="test", created_at=self.now, **fields)  # type: ignore[arg-type]
        )

    async def bounces(self, address: str, *, subtype: str, at: float) -> None:
        id, kind = f"ses-{at}", EventType.BOUNCE
        bounce = Event(type=kind, at=at, recipient=address, ses_message_id=id, bounce_type="Permanent", bounce_subtype=subtype)
        await self.store.feedback.record(notification_id=id, topic="t", payload="{}", received_at=at, events=(bounce,))

    async def remove(self, address: str, *, keep_at_ses: bool = False) -> None:
        release = Release(address=address, source="test", at=self.now, keep_at_ses=keep_at_ses)
        await self.store.suppressions.remove(release)


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Both]:
    cloud = Cloud()
    await cloud.start()
    both = Both(await SqliteStore.open(tmp_path / "relay.db"), cloud)
    yield both
    await both.store.close()
    await cloud.stop()


async def test_who_is_on_sess_list_is_suppressed_here_for_the_same_reason(both: Both) -> None:
    both.cloud.suppressed.update({"A@Example.net": Entry("BOUNCE", NOW - DAY), "b@example.net": Entry("COMPLAINT", NOW - 5)})
    assert await both.sync.once() == ListSync(listed=2, added=2, queued=0)
    found = await both.suppressed("a@example.net")
    assert found == Suppression(
        address="A@Example.net", reason=Reason.HARD_BOUNCE, source="SES account list", created_at=NOW - DAY
    )
    assert await both.suppressed("b@example.net")
    assert await both.sync.once() == ListSync(listed=1, added=0, queued=0)


async def test_a_long_list_comes_page_by_page_and_later_only_what_is_new(both: Both) -> None:
    both.cloud.suppressed.update({f"a{number}@example.net": Entry("BOUNCE", NOW - 2 * DAY) for number in range(2500)})
    assert await both.sync.once() == ListSync(listed=2500, added=2500, queued=0)
    assert len(both.cloud.suppressed.requests) == 3
    both.now += DAY
    both.cloud.suppressed["new@example.net"] = Entry("BOUNCE", both.now - 60)
    assert await both.sync.once() == ListSync(listed=1, added=1, queued=0)
    assert len(both.cloud.suppressed.requests) == 4


async def test_ours_are_put_there_where_that_is_wanted(both: Both) -> None:
    await both.add("Gone@example.net")
    await both.add("angry@example.net", Reason.COMPLAINT)
    await both.add("hand@example.net", Reason.MANUAL)
    await both.add("list@example.net", scope=of_list("news"))
    both.cloud.suppressed["angry@example.net"] = Entry("COMPLAINT", NOW)
    assert (await both.syncing(pushes=False).once()).queued == 0
    assert (await both.sync.once()).queued == 1
    assert await both.work() == 1
    assert both.cloud.suppressed["Gone@example.net"].reason == "BOUNCE"
    assert set(both.cloud.suppressed) == {"Gone@example.net", "angry@example.net"}
    assert (await both.sync.once()).queued == 0


async def test_who_is_removed_here_is_deleted_there_however_it_is_written_there(both: Both) -> None:
    both.cloud.suppressed.update({"Reader@Example.net": Entry("BOUNCE", NOW), "READER@example.net": Entry("COMPLAINT", NOW)})
    await both.sync.once()
    both.now += 60
    await both.remove("reader@example.net")
    await both.work()
    assert both.cloud.suppressed == {}
    await both.sync.once()
    assert await both.suppressed("reader@example.net") is None


async def test_a_spelling_that_nobody_knows_here_is_deleted_once_ses_has_told_it(both: Both) -> None:
    both.cloud.suppressed["Reader@Example.net"] = Entry("BOUNCE", NOW)
    both.now += 60
    await both.add("reader@example.net")
    await both.remove("reader@example.net")
    assert await both.work() == 1
    assert "Reader@Example.net" in both.cloud.suppressed
    assert (await both.sync.once()).added == 0
    await both.work()
    assert both.cloud.suppressed == {}


async def test_who_is_removed_here_only_stays_there_and_does_not_come_back(both: Both) -> None:
    both.cloud.suppressed["reader@example.net"] = Entry("BOUNCE", NOW)
    await both.sync.once()
    both.now += 60
    await both.remove("reader@example.net", keep_at_ses=True)
    assert await both.work() == 0
    assert (await both.sync.once()).added == 0
    assert "reader@example.net" in both.cloud.suppressed
    assert await both.suppressed("reader@example.net") is None


async def test_who_bounces_again_after_he_was_removed_comes_back(both: Both) -> None:
    both.cloud.suppressed["reader@example.net"] = Entry("BOUNCE", NOW)
    await both.sync.once()
    both.now += 60
    await both.remove("reader@example.net")
    both.cloud.suppressed["reader@example.net"] = Entry("BOUNCE", NOW + 100)
    both.now += 60
    assert (await both.sync.once()).added == 1
    assert await both.work() == 0
    assert "reader@example.net" in both.cloud.suppressed


async def test_a_dry_run_looks_at_all_and_changes_nothing(both: Both) -> None:
    both.cloud.suppressed["a@example.net"] = Entry("BOUNCE", NOW)
    await both.add("b@example.net")
    for _ in range(2):
        assert await both.sync.once(dry=True) == ListSync(listed=1, added=1, queued=1)
    assert await both.suppressed("a@example.net") is None
    assert await both.work() == 0


async def test_what_is_to_be_done_survives_ses_and_us(both: Both, tmp_path: Path) -> None:
    await both.add("a@example.net")
    both.cloud.suppressed["a@example.net"] = Entry("BOUNCE", NOW)
    await both.remove("a@example.net")
    await both.cloud.close_door()
    assert await both.sync.work_once()
    assert not await both.sync.work_once()
    await both.store.close()
    both.store = await SqliteStore.open(tmp_path / "relay.db")
    await both.cloud.start(both.cloud.port)
    both.sync, both.now = both.syncing(), NOW + 31
    assert await both.work() == 1
    assert both.cloud.suppressed == {}


async def test_ses_that_cannot_be_asked_is_told_and_nothing_is_lost(both: Both) -> None:
    await both.cloud.close_door()
    with pytest.raises(SesUnavailable):
        await both.sync.once()
    await both.cloud.start(both.cloud.port)
    both.cloud.suppressed["a@example.net"] = Entry("BOUNCE", NOW)
    assert (await both.sync.once()).added == 1


async def test_no_more_than_one_request_a_second_whatever_is_to_be_done(both: Both) -> None:
    both.cloud.suppressed.rate = 1
    both.cloud.suppressed["x@example.net"] = Entry("BOUNCE", NOW)
    await both.add("a@example.net")
    both.sync = both.syncing(pause=1.1)
    began = time.monotonic()
    await both.sync.once()
    await asyncio.gather(both.work(), both.sync.once())
    assert time.monotonic() - began >= 2.2
    assert set(both.cloud.suppressed) == {"a@example.net", "x@example.net"}


async def test_the_relay_that_runs_keeps_both_alike(tmp_path: Path) -> None:
    settings = {"RELAY_SUPPRESSION__SYNC_MINUTES": "60", "RELAY_SUPPRESSION__PUSH": "true"}
    async with running_relay(tmp_path, settings=settings) as (relay, cloud):
        await relay.told("suppressions_synced")
        cloud.suppressed["Reader@Example.net"] = Entry("COMPLAINT")
        _, said = await relay.cli("suppression", "sync", "--dry-run")
        assert said.startswith("1 on SES's list, 1 of them new here, 0 of ours")
        _, said = await relay.cli("suppression", "sync")
        assert said.startswith("1 on SES's list since the last time, 1 of them new here")
        assert (await relay.cli("suppression", "check", "reader@example.net", check=False))[0] == 1
        await relay.cli("suppression", "remove", "reader@example.net")
        await relay.told("suppression_at_ses", address="reader@example.net")
        assert cloud.suppressed == {}
        assert relay.faults() == []


async def test_without_a_relay_the_command_line_asks_ses_itself(tmp_path: Path) -> None:
    cloud = Cloud()
    relay = Relay(tmp_path, await cloud.start())
    cloud.suppressed["reader@example.net"] = Entry("BOUNCE")
    assert (await relay.cli("suppression", "sync"))[1] == "1 on SES's list since the last time, 1 of them new here\n"
    assert (await relay.cli("suppression", "check", "reader@example.net", check=False))[0] == 1
    await cloud.stop()
    status, said = await relay.cli("suppression", "sync", check=False)
    assert (status, said.count("\n"), "does not say whom" in said) == (1, 1, True)


async def test_who_is_removed_before_the_first_comparison_stays_so(both: Both) -> None:
    both.cloud.suppressed["a@example.net"] = Entry("BOUNCE", NOW - DAY)
    await both.remove("a@example.net")
    both.now += 1
    await both.sync.once()
    await both.work()
    assert await both.suppressed("a@example.net") is None
    assert both.cloud.suppressed == {}


async def test_what_is_to_be_deleted_there_goes_before_what_is_to_be_put(both: Both) -> None:
    for number in range(300):
        await both.add(f"a{number}@example.net")
    both.cloud.suppressed["gone@example.net"] = Entry("BOUNCE", NOW - DAY)
    both.now += 10
    await both.sync.once()
    await both.remove("gone@example.net")
    assert await both.sync.work_once()
    assert both.cloud.suppressed == {}


async def test_what_ses_did_not_send_for_its_old_entry_brings_nobody_back(both: Both) -> None:
    both.cloud.suppressed["gone@example.net"] = Entry("BOUNCE", NOW - DAY)
    await both.sync.once()
    both.now += 10
    await both.remove("gone@example.net")
    await both.bounces("gone@example.net", subtype="OnAccountSuppressionList", at=both.now + 2)
    await both.work()
    await both.bounces("gone@example.net", subtype="OnAccountSuppressionList", at=both.now + 3)
    both.now += 60
    await both.sync.once()
    assert await both.suppressed("gone@example.net") is None
    await both.bounces("gone@example.net", subtype="OnAccountSuppressionList", at=both.now + DAY)
    assert await both.suppressed("gone@example.net")


async def test_who_bounces_anew_is_not_deleted_there(both: Both) -> None:
    await both.remove("a@example.net")
    both.now += 10
    await both.bounces("a@example.net", subtype="General", at=both.now)
    both.cloud.suppressed["a@example.net"] = Entry("BOUNCE", both.now)
    assert await both.work() == 0
    assert "a@example.net" in both.cloud.suppressed


async def test_who_is_removed_while_he_is_being_put_there_stays_removed(both: Both) -> None:
    """SES notes the time at which it was asked, which is after the removal."""
    await both.add("a@example.net")
    both.now += 10
    await both.sync.once()
    both.cloud.suppressed.before_put = lambda: both.remove("a@example.net")
    assert await both.sync.work_once()
    both.cloud.suppressed["a@example.net"] = Entry("BOUNCE", both.now)
    both.now += 60
    await both.sync.once()
    await both.work()
    assert await both.suppressed("a@example.net") is None
    assert both.cloud.suppressed == {}


@pytest.mark.parametrize("compares", [True, False])
async def test_what_was_never_there_waits_only_where_a_comparison_may_find_it(both: Both, compares: bool) -> None:
    both.sync = both.syncing(compares=compares)
    await both.remove("a@example.net")
    assert await both.work() == 1
    both.now = UNTIL_LISTED
    assert await both.sync.work_once() == compares
