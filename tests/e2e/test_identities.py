"""What SES has verified may be sent from, and nothing else once that is known; what SES does not say changes nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relay.sandbox.cloud import Cloud
from relay.sandbox.faults import SesError
from tests.e2e.test_metrics import metrics
from tests.harness import APPLICATION, Relay, mail, running_relay, submit

SENDERS = ("@example.com", "@*.example.com", "@example.org", "anna@example.net")
ANYONE = replace(APPLICATION, senders=SENDERS)
OURS, THEIRS = "shop@example.com", "shop@example.org"
DOWN = SesError(503, "ServiceUnavailableException", "later")


def far_side(states: dict[str, tuple[str, bool]] | None = None, *, down: bool = False) -> Callable[[], Cloud]:
    """A cloud with these identities beside example.com."""

    def made() -> Cloud:
        cloud = Cloud()
        cloud.identities.states |= states or {}
        if down:
            break_(cloud)
        return cloud

    return made


def break_(cloud: Cloud) -> None:
    cloud.identities.faults.times, cloud.identities.faults.error = 10**6, DOWN


def mend(cloud: Cloud) -> None:
    cloud.identities.faults.times = 0


async def lines(relay: Relay, event: str, count: int = 1) -> list[dict[str, Any]]:
    """Those of the journal, once there are so many."""
    for _ in range(150):
        found = [line for line in relay.journal() if line["event"] == event]
        if len(found) >= count:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"no {event} in the journal")


def said(relay: Relay, sender: str, content: bytes | None = None) -> str:
    """The reply to MAIL, or to the content where that is let in."""
    with relay.smtp() as client:
        reply = client.mail(sender)
        if reply[0] == 250 and content is not None:
            client.rcpt("reader@example.net")
            reply = client.data(content)
    return f"{reply[0]} {reply[1].decode()}"


def refused(sender: str, why: str) -> str:
    return f"554 5.7.1 Disallowed source address: {sender} ({why})"


async def test_what_is_verified_passes_and_all_else_is_refused_with_the_reason(tmp_path: Path) -> None:
    states = {"example.org": ("PENDING", False), "anna@example.net": ("SUCCESS", False)}
    async with running_relay(tmp_path, ANYONE, far_side=far_side(states)) as (relay, _):
        [line] = await lines(relay, "identities_synced")
        assert (line["verified"], line["pending"], line["paused"], line["failed"]) == (1, 1, 1, 0)
        with relay.smtp() as client:
            message_id = await asyncio.to_thread(submit, client, mail())
        assert await relay.status(message_id, "delivered") == ["delivered"]
        assert said(relay, "Shop@mail.Example.com", mail(sender="shop@a.b.example.com")).startswith("250 ")
        day = r"\d{4}-\d\d-\d\d"
        pending = re.escape(refused(THEIRS, "DAY")).replace("DAY", f"verification at SES is pending since {day}")
        assert re.fullmatch(pending, said(relay, THEIRS))
        assert re.fullmatch(pending, said(relay, OURS, mail(sender=THEIRS)))
        assert re.fullmatch(pending, said(relay, OURS, mail(extra=f"Sender: {THEIRS}\r\n")))
        assert said(relay, "anna@example.net") == refused("anna@example.net", "SES has paused sending for it")
        assert said(relay, "boss@bank.example") == "554 5.7.1 Disallowed source address: boss@bank.example"


async def test_what_ses_never_heard_of_is_refused(relay: Relay) -> None:
    await relay.cli("sender", "add", "app", "@example.org")
    await lines(relay, "identities_synced")
    assert said(relay, THEIRS) == refused(THEIRS, "not verified at SES")
    assert said(relay, OURS, mail(sender=THEIRS)) == refused(THEIRS, "not verified at SES")


async def test_while_ses_has_never_answered_everything_passes(tmp_path: Path) -> None:
    quick = {"RELAY_SES__IDENTITIES_SECONDS": "1"}
    async with running_relay(tmp_path, ANYONE, far_side=far_side(down=True), settings=quick) as (relay, cloud):
        assert said(relay, THEIRS, mail(sender=THEIRS)).startswith("250 ")
        async with asyncio.timeout(10):
            while cloud.identities.lists < 3:  # noqa: ASYNC110 - what it counts knows of no event
                await asyncio.sleep(0.1)
        troubles = [line for line in relay.journal() if line["event"] == "trouble"]
        assert [line["what"] for line in troubles] == ["the identities at SES cannot be read"]  # once, not each time
        mend(cloud)
        await lines(relay, "identities_synced")
        assert said(relay, THEIRS) == refused(THEIRS, "not verified at SES")
        assert said(relay, OURS).startswith("250 ")


async def test_what_was_verified_stays_so_while_ses_is_gone_over_a_restart_too(tmp_path: Path) -> None:
    quick = {"RELAY_SES__IDENTITIES_SECONDS": "1"}
    async with running_relay(tmp_path, ANYONE, settings=quick) as (relay, cloud):
        await lines(relay, "identities_synced")
        break_(cloud)
        await lines(relay, "trouble")
        for _ in ("before the restart", "after it"):
            assert said(relay, OURS, mail()).startswith("250 ")
            assert said(relay, THEIRS) == refused(THEIRS, "not verified at SES")
            await relay.stop()
            await relay.start()


async def test_that_ses_cannot_tell_for_the_moment_blocks_nothing_that_was_verified(tmp_path: Path) -> None:
    async with running_relay(tmp_path, ANYONE) as (relay, cloud):
        await lines(relay, "identities_synced")
        cloud.identities.states |= {"example.com": ("TEMPORARY_FAILURE", False), "example.org": ("TEMPORARY_FAILURE", False)}
        _, shown = await relay.cli("sender", "sync")
        assert re.search(r"example\.com +│ domain +│ verified", shown)
        assert re.search(r"example\.org +│ domain +│ unknown", shown)
        assert said(relay, OURS).startswith("250 ")
        assert said(relay, THEIRS) == refused(THEIRS, "SES cannot tell whether it is verified")


async def test_a_lost_identity_is_refused_from_the_next_look_on_and_told_as_an_alarm(tmp_path: Path) -> None:
    quick = {"RELAY_SES__IDENTITIES_SECONDS": "1"}
    two = far_side({"example.org": ("SUCCESS", True)})
    async with running_relay(tmp_path, ANYONE, far_side=two, settings=quick) as (relay, cloud):
        await lines(relay, "identities_synced")
        with relay.smtp() as client:
            assert client.mail(THEIRS)[0] == 250
            del cloud.identities.states["example.org"]
            [line] = await lines(relay, "identity_changed")
            client.rcpt("reader@example.net")
            assert client.data(mail(sender=THEIRS))[0] == 554
        assert (line["name"], line["was"], line["state"], line["level"]) == ("example.org", "verified", "", "error")
        assert said(relay, THEIRS) == refused(THEIRS, "not verified at SES")
        cloud.identities.states["example.org"] = ("SUCCESS", True)
        line = (await lines(relay, "identity_changed", 2))[-1]
        assert (line["was"], line["state"], line["level"]) == ("", "verified", "info")
        assert said(relay, THEIRS).startswith("250 ")


async def test_a_sync_by_hand_is_obeyed_at_once_and_shown(tmp_path: Path) -> None:
    async with running_relay(tmp_path, ANYONE) as (relay, cloud):
        await lines(relay, "identities_synced")
        assert said(relay, THEIRS).startswith("554 ")
        cloud.identities.states["example.org"] = ("SUCCESS", True)
        cloud.identities.states["late.example"] = ("FAILED", False)
        cloud.identities.states["Anna@Example.net"] = ("SUCCESS", True)
        cloud.identities.details["example.org"] = {
            "DkimAttributes": {"Status": "TEMPORARY_FAILURE"},
            "MailFromAttributes": {"MailFromDomain": "bounces.example.org", "MailFromDomainStatus": "PENDING"},
        }
        cloud.identities.details["late.example"] = {"VerificationInfo": {"ErrorType": "HOST_NOT_FOUND"}}
        status, shown = await relay.cli("sender", "sync")
        assert status == 0
        rows = {cells[1]: cells[2:5] for line in shown.splitlines() if len(cells := re.split(r"\s*│\s*", line)) == 6}
        assert rows == {
            "Anna@Example.net": ["address", "verified", ""],
            "example.com": ["domain", "verified", ""],
            "example.org": ["domain", "verified", "DKIM temporary failure; MAIL FROM pending"],
            "late.example": ["domain", "failed", "verification at SES has failed; host not found; DKIM failed"],
        }
        for sender in (THEIRS, "anna@example.net"):
            assert said(relay, sender).startswith("250 ")


@pytest.mark.parametrize("is_running", [True, False])
async def test_a_sync_by_hand_fails_with_status_1_where_ses_does_not_answer(tmp_path: Path, is_running: bool) -> None:
    async with running_relay(tmp_path, ANYONE) as (relay, cloud):
        await lines(relay, "identities_synced")
        if not is_running:
            await relay.stop()
        break_(cloud)
        status, told = await relay.cli("sender", "sync", check=False)
        assert (status, told.startswith("relay: SES does not say what it has verified: "), told.count("\n")) == (1, True, 1)
        assert "ServiceUnavailableException" in told
        _, shown = await relay.cli("sender", "list")
        assert "app\t@example.com\tverified\n" in shown


async def test_a_sync_by_hand_without_a_relay_is_known_to_the_next_one(tmp_path: Path) -> None:
    cloud = far_side({"example.org": ("PENDING", False)})()
    relay = Relay(tmp_path, await cloud.start())
    try:
        await relay.cli("credential", "add", "app", *(word for sender in SENDERS for word in ("--sender", sender)))
        unknown = "unknown: relay sender sync asks SES"
        assert (await relay.cli("sender", "list"))[1] == "".join(f"app\t{sender}\t{unknown}\n" for sender in SENDERS)
        status, shown = await relay.cli("sender", "sync")
        assert (status, "pending since" in shown) == (0, True)
        listed = [line.split("\t") for line in (await relay.cli("sender", "list"))[1].splitlines()]
        assert [line[:2] for line in listed] == [["app", sender] for sender in SENDERS]
        states = [re.sub(r" since \S+", "", line[2]) for line in listed]
        assert states == ["verified", "verified", "verification at SES is pending", "not verified at SES"]
        break_(cloud)
        await relay.start(ANYONE)
        assert said(relay, "anna@example.net") == refused("anna@example.net", "not verified at SES")
    finally:
        await relay.stop()
        await cloud.stop()


async def test_turned_off_nothing_is_asked_and_nobody_refused(tmp_path: Path) -> None:
    off = {"RELAY_SES__IDENTITIES_SECONDS": "0"}
    async with running_relay(tmp_path, ANYONE, settings=off) as (relay, cloud):
        assert said(relay, THEIRS, mail(sender=THEIRS)).startswith("250 ")
        assert cloud.identities.lists == 0
        await relay.cli("sender", "sync")  # may still be asked, for an operator to see
        assert cloud.identities.lists == 1
        assert said(relay, THEIRS, mail(sender=THEIRS)).startswith("250 ")


async def test_observed_the_rule_refuses_nothing_and_tells_what_it_would(tmp_path: Path) -> None:
    watching = {"RELAY_POLICY__OBSERVED": "verified"}
    async with running_relay(tmp_path, ANYONE, settings=watching) as (relay, _):
        await lines(relay, "identities_synced")
        assert said(relay, THEIRS, mail()).startswith("250 ")
        [line] = await lines(relay, "observed")
        assert (line["rule"], line["reply"]) == ("verified", f"Disallowed source address: {THEIRS} (not verified at SES)")


async def test_a_file_is_checked_against_what_is_known(tmp_path: Path) -> None:
    async with running_relay(tmp_path, ANYONE) as (relay, _):
        await lines(relay, "identities_synced")
        (tmp_path / "a.eml").write_bytes(mail(sender=THEIRS))
        status, shown = await relay.cli("message", "check", str(tmp_path / "a.eml"), "--credential", "app", check=False)
        assert (status, refused(THEIRS, "not verified at SES") in shown) == (1, True)
        status, _ = await relay.cli("message", "check", str(tmp_path / "a.eml"), "--sender", THEIRS)
        assert status == 0


async def test_the_last_sync_and_the_states_are_measured(tmp_path: Path) -> None:
    async with running_relay(tmp_path, ANYONE, far_side=far_side(down=True)) as (relay, cloud):
        assert (await metrics(relay))["relay_identities_synced_timestamp_seconds"] == 0
        cloud.identities.states["example.org"] = ("PENDING", False)
        mend(cloud)
        await relay.cli("sender", "sync")
        found = await metrics(relay)
        assert found["relay_identities_synced_timestamp_seconds"] > 1.7e9
        assert found['relay_identities{state="verified"}'] == found['relay_identities{state="pending"}'] == 1
        assert found['relay_identities{state="paused"}'] == 0


async def test_a_silent_ses_delays_no_start_and_no_stop_for_long(tmp_path: Path) -> None:
    def silent() -> Cloud:
        cloud = Cloud()
        cloud.identities.faults.times, cloud.identities.faults.hang = 10**6, 60.0
        return cloud

    async with running_relay(tmp_path, ANYONE, far_side=silent) as (relay, cloud):
        assert cloud.identities.lists <= 1
        assert said(relay, OURS, mail()).startswith("250 ")
        async with asyncio.timeout(20):
            assert await relay.stop() == 0
