"""The verbs of the suppression list and of what SES reported, with the relay running and without it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from relay.sandbox.cloud import Cloud
from tests.harness import Relay, mail, submit

READER = "reader@example.net"
SIMULATOR = "simulator.amazonses.com"


async def said(relay: Relay, *words: str) -> str:
    return (await relay.cli("suppression", *words))[1]


async def send(relay: Relay, *, to: str = READER, extra: str = "") -> str:
    def session() -> str:
        with relay.smtp() as client:
            return submit(client, mail(to=to, extra=extra), to=to)

    return await asyncio.to_thread(session)


async def test_many_are_checked_at_once_and_the_status_says_whether_any_stands(relay: Relay) -> None:
    await said(relay, "add", READER, "--note", "asked by phone")
    status, shown = await relay.cli("suppression", "check", "OTHER@example.net", "READER@example.net", check=False)
    assert status == 1
    assert shown.startswith("OTHER@example.net: not suppressed\nREADER@example.net: manual since 2")
    assert shown.endswith(", from command line asked by phone\n")
    assert await relay.cli("suppression", "check", "other@example.net") == (0, "other@example.net: not suppressed\n")


async def test_an_entry_for_one_list_and_for_some_time_stops_that_mail(relay: Relay) -> None:
    assert await said(relay, "add", READER, "--list", "news", "--for", "3d") == f"{READER}: suppressed\n"
    assert await said(relay, "add", READER, "--list", "news", "--for", "1d") == f"{READER}: was suppressed already\n"
    status, shown = await relay.cli("suppression", "check", READER, check=False)
    assert (status, ", for list:news only, until 2" in shown) == (1, True)
    stopped = await send(relay, extra="X-Relay-List: news\r\n")
    assert await relay.status(stopped, "suppressed") == ["suppressed"]
    assert await relay.status(await send(relay), "delivered") == ["delivered"]
    assert await said(relay, "remove", READER) == f"{READER}: was not suppressed\n"
    assert await said(relay, "remove", READER, "--list", "news") == f"{READER}: may be mailed again\n"
    status, refused = await relay.cli("suppression", "add", READER, "--list", "news", "--credential", "app", check=False)
    assert (status, refused) == (2, "relay: either --credential or --list\n")


async def test_the_list_and_the_history_show_who_did_what(relay: Relay) -> None:
    bounced = f"bounce+a@{SIMULATOR}"
    assert await relay.status(await send(relay, to=bounced), "bounced hard") == ["bounced hard"]
    await said(relay, "add", READER, "--credential", "app")
    shown = await said(relay, "list")
    assert shown.index("credential:app") < shown.index("hard_bounce")
    assert READER not in await said(relay, "list", "--reason", "hard_bounce")
    assert READER in await said(relay, "list", "--text", "reader@", "--credential", "app", "--newer", "1h")
    await said(relay, "remove", bounced, "--note", "a new mailbox")
    history = await said(relay, "history", bounced)
    assert history.index("added") < history.index("removed") < history.index("a new mailbox")


async def test_what_ses_reported_is_shown_and_gone_over_again(relay: Relay, cloud: Cloud) -> None:
    bounced = f"bounce+b@{SIMULATOR}"
    message_id = await send(relay, to=bounced)
    assert await relay.status(message_id, "bounced hard") == ["bounced hard"]
    _, shown = await relay.cli("message", "events", message_id)
    assert {json.loads(line)["eventType"] for line in shown.splitlines()} == {"Send", "Bounce"}
    nothing = "0 events that had not been understood, 0 with another class;\n0 addresses suppressed, 0 not any more\n"
    assert (await relay.cli("feedback", "replay"))[1] == nothing
    await said(relay, "remove", bounced)
    await relay.stop()
    assert (await relay.cli("feedback", "replay"))[1] == nothing
    assert (await relay.cli("suppression", "check", bounced))[0] == 0


async def test_a_file_to_be_checked_may_have_comments_and_its_bad_lines_are_told(relay: Relay, tmp_path: Path) -> None:
    await said(relay, "add", READER)
    file = tmp_path / "list.txt"
    file.write_bytes(f"# ours\nother@example.net\nno address\xff\n{READER} # why\n".encode("latin-1"))
    status, shown = await relay.cli("suppression", "check", "--file", str(file), check=False)
    assert status == 2
    assert f"other@example.net: not suppressed\n{READER}: manual since" in shown
    assert "relay: line 3: 'no address" in shown


async def test_words_that_cannot_be_used_are_told_in_one_line(relay: Relay) -> None:
    for words in (
        ("suppression", "add", READER, "--for", "0m"),
        ("suppression", "list", "--text", "\udcff"),
        ("feedback", "quarantine", "retry", "nobody"),
    ):
        status, shown = await relay.cli(*words, check=False)
        assert (status, shown.count("\n"), shown.startswith("relay: ")) == (2, 1, True), shown
    assert (await relay.cli("suppression", "list", "--limit", "9" * 20, check=False))[0] == 2
    assert await relay.cli("suppression", "check", READER) == (0, f"{READER}: not suppressed\n")
