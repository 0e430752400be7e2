"""The verbs of the queue, with the relay running and without it."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from relay.cli.terminal import when
from relay.rate import Account
from relay.sandbox.cloud import Cloud
from relay.sandbox.faults import SesError
from relay.store.sqlite.store import SqliteStore
from tests.harness import Relay, mail, running_relay, submit

PATIENT = {"RELAY_RETRY__DELAYS_SECONDS": "3600", "RELAY_SES__READ_TIMEOUT_SECONDS": "1"}
LATER = SesError(503, "ServiceUnavailableException", "later")


async def send(relay: Relay, *, to: str = "reader@example.net", count: int = 1) -> list[str]:
    def session() -> list[str]:
        with relay.smtp() as client:
            return [submit(client, mail(), to=to) for _ in range(count)]

    return await asyncio.to_thread(session)


async def said(relay: Relay, *words: str) -> str:
    return (await relay.cli("queue", *words))[1]


async def status(relay: Relay) -> Any:
    return json.loads(await said(relay, "status", "--json"))


def journal(relay: Relay, event: str) -> list[dict[str, Any]]:
    return [line for line in relay.journal() if line["event"] == event]


async def in_doubt(relay: Relay, cloud: Cloud) -> str:
    """A message that the far side never saw, which the relay cannot know."""
    cloud.faults.times, cloud.faults.reset = 1, "before"
    (message_id,) = await send(relay)
    assert await relay.status(message_id, "in doubt") == ["in doubt"]
    return message_id


# Stop and start.


async def test_what_is_paused_is_accepted_and_not_sent_until_it_is_resumed(relay: Relay, cloud: Cloud) -> None:
    assert await said(relay, "pause", "--reason", "maintenance") == "the account: paused\n"
    assert await said(relay, "pause", "--reason", "still at it") == "the account: was paused already\n"
    (message_id,) = await send(relay)
    await asyncio.sleep(1.5)
    assert cloud.accepted == 0
    assert "(held: the account by the operator: still at it)" in " ".join((await relay.cli("message", "list"))[1].split())
    _, shown = await relay.cli("message", "show", message_id)
    assert "  to reader@example.net: queued\n    held: the account by the operator: still at it\n" in shown
    resumed = await said(relay, "resume")
    assert resumed.startswith("the account: resumed; paused by the operator since 20")
    assert resumed.endswith(": still at it\n")
    assert await relay.status(message_id, "delivered") == ["delivered"]
    assert "held" not in (await relay.cli("message", "show", message_id))[1]
    assert await said(relay, "resume") == "the account: was not held\n"
    assert [(line["scope"], line["holder"]) for line in journal(relay, "lifted")] == [("account", "operator")]


async def test_of_a_login_only_the_bulk_mail_can_be_paused(relay: Relay, cloud: Cloud) -> None:
    assert await said(relay, "pause", "--credential", "app", "--bulk") == "bulk mail of credential app: paused\n"

    def session() -> list[str]:
        with relay.smtp() as client:
            return [submit(client, mail(extra=extra)) for extra in ("X-Relay-Class: marketing\r\n", "")]

    held, free = await asyncio.to_thread(session)
    assert await relay.status(free, "delivered") == ["delivered"]
    assert "held: bulk mail of credential app by the operator: paused" in (await relay.cli("message", "show", held))[1]
    resumed = await said(relay, "resume", "--credential", "app")
    assert resumed.startswith("credential app: resumed; its bulk mail paused by the operator since 20")
    assert await relay.status(held, "delivered") == ["delivered"]
    status, refused = await relay.cli("queue", "pause", "--bulk", check=False)
    assert (status, refused) == (2, "relay: --bulk is for a --credential\n")


@pytest.mark.parametrize(
    ("option", "subject", "place"),
    [
        ("--credential", "app", "credential app"),
        ("--sender-domain", "EXAMPLE.com", "sender domain example.com"),
        ("--configuration-set", "tests", "the relay's own configuration set"),
    ],
)
async def test_what_is_paused_by_name_stops_and_the_rest_goes_on(
    relay: Relay, cloud: Cloud, option: str, subject: str, place: str
) -> None:
    assert f"{place}: paused\n" in await said(relay, "pause", option, subject)
    await said(relay, "pause", "--credential", "person")
    assert "credential person: resumed" in await said(relay, "resume", "--credential", "person")
    (message_id,) = await send(relay)
    await asyncio.sleep(1.5)
    assert (cloud.accepted, await relay.status(message_id, "queued")) == (0, ["queued"])
    assert f"{place}: resumed" in await said(relay, "resume", option, subject)
    assert await relay.status(message_id, "delivered") == ["delivered"]


async def test_resume_lifts_what_ses_stopped_as_well(tmp_path: Path) -> None:
    async with running_relay(tmp_path, settings=PATIENT) as (relay, cloud):
        cloud.faults.times, cloud.faults.error = 1, SesError(400, "AccountSuspendedException", "suspended")
        (message_id,) = await send(relay)
        await relay.told("held")
        shown = " ".join((await said(relay, "status")).split())
        assert "the account │ ses │ 400 AccountSuspended: suspended" in shown
        assert re.search("a probe gets through, in (4 min [0-9]+|5 min 0) s", shown)
        assert "the account: resumed; stopped by SES since 20" in await said(relay, "resume")
        assert await relay.status(message_id, "delivered") == ["delivered"]


async def test_a_pause_holds_over_a_restart_and_can_be_lifted_while_no_relay_runs(relay: Relay, cloud: Cloud) -> None:
    await said(relay, "pause", "--credential", "app")
    (message_id,) = await send(relay)
    assert await relay.stop() == 0
    await relay.start()
    await asyncio.sleep(1.5)
    assert cloud.accepted == 0
    assert await relay.stop() == 0
    assert "credential app: resumed" in await said(relay, "resume", "--credential", "app")
    await relay.start()
    assert await relay.status(message_id, "sent") == ["sent"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--credential", "nobody"), "relay: no credential nobody\n"),
        (("--sender-domain", "nowhere"), "relay: nowhere: not a domain\n"),
        (
            ("--credential", "app", "--sender-domain", "example.com"),
            "relay: name one: a credential, a sender domain or a configuration set\n",
        ),
    ],
)
async def test_a_pause_of_what_cannot_be_meant_fails_and_holds_nothing(
    shared: tuple[Relay, Cloud], words: tuple[str, ...], told: str
) -> None:
    relay, _ = shared
    assert await relay.cli("queue", "pause", *words, check=False) == (2, told)
    assert (await status(relay))["holds"] == []


# What waits is moved.


async def test_retry_makes_due_what_waits_for_its_next_try(tmp_path: Path) -> None:
    async with running_relay(tmp_path, settings=PATIENT) as (relay, cloud):
        cloud.faults.times, cloud.faults.error = 2, LATER
        first, second = await send(relay, count=2)
        for message_id in (first, second):
            assert await relay.status(message_id, "queued") == ["queued"]
        await asyncio.sleep(1)
        assert await said(relay, "retry", first.lower(), "--yes") == "1 delivery due now\n"
        assert await relay.status(first, "delivered") == ["delivered"]
        assert (cloud.accepted, await relay.status(second, "queued")) == (1, ["queued"])
        assert await said(relay, "retry", f"{second}-1", "--yes") == "1 delivery due now\n"
        assert await relay.status(second, "delivered") == ["delivered"]
        assert [(line["cause"], line["deliveries"]) for line in journal(relay, "queue_changed")] == [("retried", 1)] * 2


async def test_what_is_held_back_waits_until_it_is_retried(relay: Relay, cloud: Cloud) -> None:
    await said(relay, "pause")
    held, free = (await send(relay, to="one@example.net"))[0], (await send(relay, to="two@example.org"))[0]
    assert await said(relay, "hold", "--recipient-domain", "EXAMPLE.net", "--yes") == "1 delivery held back\n"
    await said(relay, "resume")
    assert await relay.status(free, "delivered") == ["delivered"]
    await asyncio.sleep(1.5)
    _, shown = await relay.cli("message", "show", held)
    told = "queued (held back by the operator)\n    held: by the operator, until it is retried\n"
    assert f"  to one@example.net: {told}" in shown
    assert cloud.accepted == 1
    assert await said(relay, "retry", "--credential", "app", "--yes") == "1 delivery due now\n"
    assert await relay.status(held, "delivered") == ["delivered"]


@pytest.mark.parametrize("runs", [True, False])
async def test_cancel_ends_what_waits_and_it_is_never_sent(relay: Relay, cloud: Cloud, runs: bool) -> None:
    await said(relay, "pause")
    first, second = await send(relay, count=2)
    if not runs:
        assert await relay.stop() == 0
    assert await said(relay, "cancel", first, "--yes") == "1 delivery cancelled\n"
    assert await relay.status(first, "cancelled") == ["cancelled"]
    assert [line["id"] for line in journal(relay, "cancelled")] == ([f"{first}-1"] if runs else [])
    await said(relay, "resume")
    if not runs:
        await relay.start()
    sent = "delivered" if runs else "sent"  # SNS knows the address that the relay had before
    assert await relay.status(second, sent) == [sent]
    assert cloud.accepted == 1
    _, shown = await relay.cli("message", "show", first)
    assert "  to reader@example.net: cancelled (cancelled by the operator)\n" in shown
    assert await said(relay, "cancel", first, "--yes") == "Nothing that waits fits.\n"


async def test_a_doubt_that_is_retried_may_be_sent_twice_and_it_is_said(tmp_path: Path) -> None:
    async with running_relay(tmp_path, settings=PATIENT) as (relay, cloud):
        message_id = await in_doubt(relay, cloud)
        told = await said(relay, "retry", "--all", "--yes")
        assert told == "1 delivery due now; 1 of them may be sent twice\n"
        assert await relay.status(message_id, "delivered") == ["delivered"]
        [line] = journal(relay, "possible_duplicate")
        assert (line["id"], line["tries"], line["by"]) == (f"{message_id}-1", [1], "operator")


async def test_a_doubt_that_is_cancelled_may_have_been_sent_and_it_is_said(tmp_path: Path) -> None:
    async with running_relay(tmp_path, settings=PATIENT) as (relay, cloud):
        message_id = await in_doubt(relay, cloud)
        told = await said(relay, "cancel", "--older-than", "0m", "--yes")
        assert told == "1 delivery cancelled; 1 of them may have been sent already\n"
        [line] = journal(relay, "cancelled")
        assert (line["id"], line["reason"]) == (f"{message_id}-1", "cancelled by the operator, SES may have it")


# What is meant.


@pytest.mark.parametrize("verb", ["retry", "cancel", "hold"])
async def test_a_verb_without_a_word_of_what_is_meant_is_refused(shared: tuple[Relay, Cloud], verb: str) -> None:
    relay, _ = shared
    for words in ((), ("--yes",), ("--all", "--credential", "app")):
        code, told = await relay.cli("queue", verb, *words, check=False)
        assert (code, told) == (2, "relay: say which: IDs, --credential, --recipient-domain, --older-than; or --all\n")


async def test_an_id_that_nothing_has_is_said(shared: tuple[Relay, Cloud]) -> None:
    relay, _ = shared
    (message_id,) = await send(relay)
    assert await relay.status(message_id, "delivered") == ["delivered"]
    for unknown in ("nonsense", f"{message_id}-2", f"{message_id}-1-1", f"{message_id}-"):
        told = f"relay: no message {unknown.upper()}\n"
        assert await relay.cli("queue", "cancel", message_id, unknown, "--yes", check=False) == (2, told)
    assert await said(relay, "cancel", message_id, "--yes") == "Nothing that waits fits.\n"


async def test_without_yes_it_asks_and_changes_nothing_unless_it_is_told_to(relay: Relay) -> None:
    await said(relay, "pause")
    await send(relay, count=2)
    code, told = await relay.cli("queue", "cancel", "--older-than", "1h", check=False)
    assert (code, told) == (0, "Nothing that waits fits.\n")
    for answer in ("", "n\n"):
        code, told = await relay.cli("queue", "cancel", "--all", check=False, answer=answer)
        assert (code, told[:41]) == (1, "2 deliveries waiting. Cancel? [y/N]: Abor")
    assert (await status(relay))["states"]["queued"] == 2
    assert journal(relay, "queue_changed") == []
    _, told = await relay.cli("queue", "cancel", "--all", answer="y\n")
    assert told == "2 deliveries waiting. Cancel? [y/N]: 2 deliveries cancelled\n"


# What waits is seen.


async def test_a_queue_in_which_nothing_waits_is_said_in_a_line(running: tuple[Relay, Cloud]) -> None:
    relay, _ = running
    await relay.told("account")
    nothing, account = (await said(relay, "status")).splitlines()
    assert nothing == "Nothing waits."
    assert account.startswith("The account may send ")


async def test_the_status_shows_what_waits_by_flow_and_what_stops_it(relay: Relay, cloud: Cloud) -> None:
    await said(relay, "pause", "--credential", "app", "--reason", "maintenance")
    await send(relay, count=2)
    shown = await said(relay, "status")
    summary, _, rest = shown.partition("\n")
    assert summary.startswith("2 queued, 0 sending, 0 in doubt; the oldest for ")
    size = 2 * len(mail())
    flat = " ".join(rest.replace("│", " ").split())
    assert f"transactional app example.com (the relay's own) 2 2 {size}" in flat
    assert "credential app operator maintenance 20" in flat
    assert " it is resumed " in flat
    found = await status(relay)
    assert found["states"] == {"queued": 2}
    assert [(each["open"], each["due"], each["octets"], each["flow"]["credential"]) for each in found["flows"]] == [
        (2, 2, size, "app")
    ]
    assert [(each["scope"], each["subject"], each["holder"]) for each in found["holds"]] == [("credential", "app", "operator")]
    assert cloud.accepted == 0


@pytest.mark.parametrize(
    ("quota", "sent", "shown"),
    [
        (-1.0, 5e6, "no limit a day"),
        (1000.0, 899.0, "899 of 1000 used in 24 hours"),
        (1000.0, 950.0, "950 of 1000 used in 24 hours: bulk mail waits"),
        (1000.0, 1000.0, "1000 of 1000 used in 24 hours: all mail waits"),
    ],
)
async def test_the_status_shows_what_the_account_may_send(tmp_path: Path, quota: float, sent: float, shown: str) -> None:
    relay = Relay(tmp_path, 1)
    store = await SqliteStore.open(relay.path)
    assert (await said(relay, "status")).splitlines()[1] == "SES has not said yet what the account may send."
    at = time.time()
    await store.account.put(Account(rate=14.0, quota=quota, sent=sent, at=at))
    await store.close()
    told = f"The account may send 14 a second; {shown} (SES, {when(at)})"
    assert (await said(relay, "status")).splitlines()[1] == told
