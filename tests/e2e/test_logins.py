"""Logins: rotation, disabling, last use, quotas, and who guesses passwords."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from relay.security.passwords import hash_password
from tests.harness import APPLICATION, PASSWORD, PERSON, Relay, mail, running_relay, submit, unverified

SETTINGS = {
    "RELAY_LOGINS__FAILURES_PER_ADDRESS": "4",
    "RELAY_LOGINS__FAILURES_PER_NAME": "7",
    "RELAY_SMTP__SOFT_ERRORS": "100",
}
TIRED = replace(APPLICATION, name="tired", password_hashes=(hash_password(PASSWORD),))
SPENT = replace(APPLICATION, name="spent", per_day=2)
MOVED = replace(APPLICATION, name="moved")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def relay(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Relay]:
    folder = tmp_path_factory.mktemp("logins")
    async with running_relay(folder, APPLICATION, PERSON, TIRED, SPENT, MOVED, settings=SETTINGS) as (running, _):
        yield running


def login(relay: Relay, name: str, password: str, *, source: str = "127.0.0.1") -> tuple[int, bytes]:
    with smtplib.SMTP("127.0.0.1", relay.ports["submission"], timeout=30, source_address=(source, 0)) as client:
        client.starttls(context=unverified())
        client.ehlo("client.example.com")
        client.user, client.password = name, password
        try:
            return client.auth("PLAIN", client.auth_plain)
        except smtplib.SMTPAuthenticationError as error:
            return error.smtp_code, error.smtp_error if isinstance(error.smtp_error, bytes) else b""


async def test_both_passwords_work_until_the_rotation_is_finished(relay: Relay, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("a new password\n")
    assert "the old one too" in (await relay.cli("credential", "rotate", "app", "--password-file", str(tmp_path / "new")))[1]
    assert login(relay, "app", PASSWORD)[0] == login(relay, "app", "a new password")[0] == 235
    status, said = await relay.cli("credential", "rotate", "app", check=False)
    assert (status, said) == (2, "relay: app has an old password beside the new one: --finish first\n")
    await relay.cli("credential", "rotate", "app", "--finish")
    assert login(relay, "app", "a new password")[0] == 235
    assert login(relay, "app", PASSWORD, source="127.0.0.5")[0] == 535


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "there is nothing in it"),
        (b" \n", "there is nothing in it"),
        (b"\xff", "not UTF-8"),
        (b"a\nb", "more than one line"),
    ],
)
async def test_a_file_without_a_password_makes_none(relay: Relay, tmp_path: Path, content: bytes, why: str) -> None:
    (file := tmp_path / "password").write_bytes(content)
    words = ("--sender", "@example.com", "--password-file", str(file))
    status, said = await relay.cli("credential", "add", "nobody", *words, check=False)
    assert (status, said.startswith(f"relay: {file}: {why}")) == (2, True), said
    assert "nobody" not in (await relay.cli("credential", "list"))[1]


async def test_the_list_shows_when_and_from_where_a_password_was_used_last(relay: Relay) -> None:
    assert login(relay, "person", PASSWORD, source="127.0.0.7")[0] == 235
    lines = (await relay.cli("credential", "list"))[1].splitlines()
    assert "from 127.0.0.7 (client.example.com)" in next(line for line in lines if " person " in line)
    assert " never " in next(line for line in lines if " spent " in line)


async def test_a_login_that_is_disabled_ends_at_once_and_can_be_enabled_again(relay: Relay) -> None:
    await relay.cli("credential", "enable", "tired")
    with relay.smtp(login="tired") as client:
        await relay.cli("credential", "disable", "tired")
        assert client.getreply() == (421, b"4.7.0 Your login was disabled")
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()
    assert login(relay, "tired", PASSWORD, source="127.0.0.6")[0] == 535
    await relay.cli("credential", "enable", "tired")
    assert login(relay, "tired", PASSWORD, source="127.0.0.6")[0] == 235


@pytest.mark.parametrize("change", [("--network", "192.0.2.0/24"), ("--network", "127.0.0.0/8", "--scope", "messages")])
async def test_a_session_that_might_not_begin_any_more_ends_at_once(relay: Relay, change: tuple[str, ...]) -> None:
    await relay.cli("credential", "change", "moved", "--network", "127.0.0.0/8")
    with relay.smtp(login="moved") as client:
        await relay.cli("credential", "change", "moved", "--network", "127.0.0.0/16")
        assert client.noop()[0] == 250
        await relay.cli("credential", "change", "moved", *change)
        assert client.getreply() == (421, b"4.7.0 Your login may not be used here any more")
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()


async def test_an_open_session_goes_by_the_changed_senders_at_once(relay: Relay) -> None:
    with relay.smtp(login="person") as client:
        assert client.mail("new@example.com")[0] == 554
        await relay.cli("sender", "add", "person", "new@example.com")
        assert client.mail("new@example.com")[0] == 250


async def test_messages_beyond_the_quota_are_for_later_and_the_day_s_survives_a_restart(relay: Relay) -> None:
    with relay.smtp(login="spent") as client:
        for _ in range(2):
            await asyncio.to_thread(submit, client, mail())
        assert client.mail("shop@example.com") == (451, b"4.7.1 Too many messages this day, try again later")
    await relay.stop()
    await relay.start()
    with relay.smtp(login="spent") as client:
        assert client.mail("shop@example.com")[0] == 451
    assert [line["time"] for line in relay.journal() if line["event"] == "quota_used_up"] == ["day", "day"]


async def test_who_guesses_is_stopped_and_nobody_elsewhere_is_locked_out(relay: Relay) -> None:
    assert login(relay, "person", PASSWORD, source="127.0.0.8")[0] == 235
    assert [login(relay, "person", "wrong", source="127.0.0.8")[0] for _ in range(4)] == [535] * 4
    assert login(relay, "person", "wrong", source="127.0.0.8") == (454, b"4.7.0 Too many failed logins, try again later")
    assert login(relay, "tired", PASSWORD, source="127.0.0.8")[0] == 454  # right, but not known to be
    assert login(relay, "person", PASSWORD, source="127.0.0.8")[0] == 235  # right a moment ago
    assert login(relay, "person", PASSWORD, source="127.0.0.9")[0] == 235
    alarms = [(line["peer"], line["by"]) for line in relay.journal() if line["event"] == "passwords_guessed"]
    assert alarms == [("127.0.0.8", "address")]


async def test_a_guessed_name_that_reads_like_the_address_of_the_client_is_told_as_a_name(relay: Relay) -> None:
    sources = ["127.0.0.11"] * 3 + ["127.0.0.12"] * 3 + ["127.0.0.10"]
    assert [login(relay, "127.0.0.10", "wrong", source=source)[0] for source in sources] == [535] * 7
    alarms = [line for line in relay.journal() if line["event"] == "passwords_guessed" and line["name"] == "127.0.0.10"]
    assert [(line["peer"], line["by"]) for line in alarms] == [("127.0.0.10", "name")]
