"""What may pass, through the real door and on the command line."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from relay.credential import Credential
from relay.sandbox.cloud import Cloud
from relay.store.sqlite.store import SqliteStore
from tests.e2e.test_metrics import get
from tests.harness import APPLICATION, PERSON, Relay, arrived, mail, running_relay, submit

PROGRAM = (
    b"From: boss@example.org\r\nTo: reader@example.net\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: application/octet-stream; name="setup.exe"\r\n\r\nx\r\n'
)


async def test_rules_that_are_observed_refuse_nothing_and_tell_what_they_saw(tmp_path: Path) -> None:
    settings = {"RELAY_POLICY__OBSERVED": "from,attachments", "RELAY_SES__IDENTITIES_SECONDS": "0"}
    async with running_relay(tmp_path, APPLICATION, settings=settings) as (relay, _):
        with relay.smtp() as client:
            message_id = await asyncio.to_thread(submit, client, PROGRAM)
        seen = [(line["id"], line["rule"], line["reply"]) for line in relay.journal() if line["event"] == "observed"]
        assert seen == [
            (message_id, "from", "Disallowed source address: boss@example.org"),
            (message_id, "attachments", "Not allowed attachement type exe"),
        ]
        counted = await asyncio.to_thread(get, relay, "private", "/metrics")
        assert 'relay_observed_refusals_total{rule="from"} 1.0' in counted
        assert 'relay_observed_refusals_total{rule="attachments"} 1.0' in counted


async def test_what_a_login_may_attach_is_changed_while_the_relay_runs(running: tuple[Relay, Cloud]) -> None:
    relay, _ = running
    program = PROGRAM.replace(b"boss@example.org", b"shop@example.com")
    with relay.smtp() as client:
        client.mail("shop@example.com")
        client.rcpt("reader@example.net")
        assert client.data(program) == (554, b"5.7.1 Not allowed attachement type exe")
    _, said = await relay.cli("credential", "attachments", "app", "--permit", ".EXE", "--deny", "zip")
    assert "exe" not in said.split("\n")[0].split(", ")
    with relay.smtp() as client:
        await asyncio.to_thread(submit, client, program)
        client.mail("shop@example.com")
        client.rcpt("reader@example.net")
        assert client.data(program.replace(b".exe", b".zip")) == (554, b"5.7.1 Not allowed attachement type zip")
    _, said = await relay.cli("credential", "attachments", "app", "--reset")
    assert "exe" in said.split("\n")[0].split(", ")


async def test_a_login_is_changed_in_what_is_given_and_nothing_else(running: tuple[Relay, Cloud]) -> None:
    relay, _ = running
    before = await _credential(relay, "app")
    await relay.cli("credential", "change", "app", "--recipients", "split", "--per-day", "7")
    after = await _credential(relay, "app")
    assert (after.recipients, after.per_day) == ("split", 7)
    assert (after.senders, after.password_hashes, after.line_ends) == (before.senders, before.password_hashes, before.line_ends)


@pytest.mark.parametrize(
    ("playpen", "sent_to"),
    [("simulator", "success@simulator.amazonses.com"), ("tester@example.com", "tester@example.com")],
)
async def test_in_a_playpen_all_mail_goes_to_one_address_and_says_so(tmp_path: Path, playpen: str, sent_to: str) -> None:
    async with running_relay(tmp_path, PERSON, settings={"RELAY_PLAYPEN__RECIPIENT": playpen}) as (relay, cloud):
        await relay.cli("suppression", "add", "reader@example.net")
        with relay.smtp(login=PERSON.name) as client:
            client.mail("anna@example.com")
            assert [client.rcpt(to)[0] for to in ("reader@example.net", "other@example.net")] == [250, 250]
            assert client.data(mail(sender="anna@example.com"))[0] == 250
        await arrived(relay, cloud, 2)
        assert [call.recipients for call in cloud.calls] == [(sent_to,), (sent_to,)]
        assert b"X-Playpen-Recipients: reader@example.net,\r\n\tother@example.net\r\n" in cloud.calls[0].raw
        assert [line["recipient"] for line in relay.journal() if line["event"] == "in_playpen"] == [playpen]


async def _credential(relay: Relay, name: str) -> Credential:
    store = await SqliteStore.open_to_read(relay.path)
    try:
        found = await store.credentials.get(name)
        assert found
        return found
    finally:
        await store.close()


async def test_mail_from_others_goes_out_under_an_address_of_the_login(running: tuple[Relay, Cloud]) -> None:
    relay, cloud = running
    status, said = await relay.cli("credential", "change", "app", "--rewrite-from", "boss@example.org", check=False)
    assert (status, said) == (2, "relay: boss@example.org is not one of the senders of app\n")
    await relay.cli("credential", "change", "app", "--rewrite-from", "shop@example.com")
    content = mail(sender="Süd <anna@example.net>").replace(b"Message-ID", b"Sender: shop@example.com\r\nMessage-ID")
    with relay.smtp() as client:
        message_id = await asyncio.to_thread(submit, client, content, sender="anna@example.net")
        await asyncio.to_thread(submit, client, mail())
    await arrived(relay, cloud, 2)
    rewritten, plain = sorted(cloud.calls, key=lambda call: b"anna" not in call.raw)
    assert rewritten.source == "shop@example.com"
    assert b"\r\nFrom: =?utf-8?" in rewritten.raw
    assert b"<shop@example.com>\r\nReply-To: =?utf-8?q?S=C3=BCd?= <anna@example.net>\r\n" in rewritten.raw
    assert b"\r\nFrom: shop@example.com\r\n" in plain.raw
    life = await relay.life(message_id)
    assert life
    assert (life.message.sender, life.message.header_from) == ("shop@example.com", "shop@example.com")


CHECKS = [
    (mail(), [], 0, ["from pass", "edit with 'Received: by localhost", "It would pass."]),
    (mail().replace(b"\r\n", b"\n"), [], 0, ["line ends made CRLF here", "It would pass."]),
    (PROGRAM, [], 1, ["attachments 554 5.7.1 Not allowed attachement type exe", "It would be refused."]),
    (PROGRAM, ["--credential", "app"], 1, ["from 554 5.7.1 Disallowed source address: boss@example.org"]),
    (PROGRAM, ["--sender", "@example.org"], 1, ["from pass", "attachments 554"]),
    (mail(), ["--sender", "other@example.com"], 1, ["from 554 5.7.1 Disallowed source address: shop@example.com"]),
    (mail(), ["--recipient", "reader@example.net"], 0, ["recipient reader@example.net"]),
    (mail(), ["--recipient", "nobody"], 1, ["recipient 554 5.1.3 Invalid recipient address: nobody"]),
    (mail(), ["--recipient", "gone@example.net"], 1, ["recipient 550 5.1.1 Recipient suppressed: manual since"]),
    (
        mail(),
        ["--recipient", "gone@example.net", "--credential", "app"],
        0,
        ["recipient accepted, and not sent: suppressed, manual since", "It would pass."],
    ),
    (
        mail(sender="anna@example.com"),
        ["--recipient", "gone@example.net", "--credential", PERSON.name],
        1,
        ["recipient 550 5.1.1 Recipient suppressed: manual since", "It would be refused."],
    ),
    (b"no header\n", [], 1, ["structure 554 5.6.0 Malformed message: a header line without a name and colon"]),
    (b"From: a@example.com\n\n\0", [], 1, ["structure 554 5.6.0 Malformed message: NUL octet"]),
    (mail(body="x" * 11_000_000), [], 1, ["size 554 5.3.4 Message exceeds fixed size limit"]),
    (mail(), ["--credential", "nobody"], 2, ["relay: no credential nobody"]),
    (mail(), ["--credential", "app", "--sender", "a@example.com"], 2, ["relay: --credential and --sender exclude each other"]),
]


@pytest.mark.parametrize(("content", "options", "status", "lines"), CHECKS)
async def test_a_message_is_checked_without_being_sent(
    shared: tuple[Relay, Cloud], tmp_path: Path, content: bytes, options: list[str], status: int, lines: list[str]
) -> None:
    relay, cloud = shared
    await relay.cli("suppression", "add", "gone@example.net", check=False)
    before = len(cloud.calls)
    file = tmp_path / "message.eml"
    file.write_bytes(content)
    exit_status, said = await relay.cli("message", "check", str(file), *options, check=False)
    assert exit_status == status
    assert all(line in re.sub(" {2,}", " ", said) for line in lines), said
    assert len(cloud.calls) == before


async def test_a_file_that_is_not_there_cannot_be_checked(shared: tuple[Relay, Cloud]) -> None:
    relay, _ = shared
    assert await relay.cli("message", "check", "/nowhere/x.eml", check=False) == (
        2,
        "relay: /nowhere/x.eml: No such file or directory\n",
    )
