"""The main job, end to end: a client sends, SES gets it, the bounce comes back, the next mail is filtered."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from relay.sandbox.cloud import Cloud
from relay.sandbox.faults import SesError
from tests.harness import Relay, mail, running_relay, submit

SIMULATOR = "simulator.amazonses.com"


async def test_a_mail_is_delivered_and_shown_as_a_timeline(relay: Relay, cloud: Cloud) -> None:
    with relay.smtp() as client:
        message_id = await asyncio.to_thread(submit, client, mail(), to=f"success@{SIMULATOR}")
    assert await relay.status(message_id, "delivered") == ["delivered"]
    [call] = cloud.calls
    assert call.recipients == (f"success@{SIMULATOR}",)
    assert call.source == "shop@example.com"
    assert call.tags == {"relay_id": f"{message_id}-1", "relay_try": "1"}
    _, shown = await relay.cli("message", "show", message_id)
    moments = [line.split()[2] for line in shown.splitlines() if line.startswith("  20")]
    assert moments[0] == "accepted"
    # SES's clock stamps its own events: `send` may stand before the end of our call.
    assert sorted(moments[1:]) == ["delivery", "send", "sent"]
    _, listed = await relay.cli("message", "list")
    assert message_id in listed
    assert "delivered" in listed


async def test_bounce_suppresses_what_comes_next(relay: Relay, cloud: Cloud) -> None:
    with relay.smtp() as client:
        first = await asyncio.to_thread(submit, client, mail(), to=f"bounce+a@{SIMULATOR}")
        assert await relay.status(first, "bounced hard") == ["bounced hard"]
        second = await asyncio.to_thread(submit, client, mail(), to=f"BOUNCE+a@{SIMULATOR}")
        other = await asyncio.to_thread(submit, client, mail(), to=f"bounce+b@{SIMULATOR}")
    assert await relay.status(second, "suppressed") == ["suppressed"]
    assert await relay.status(other, "bounced hard") == ["bounced hard"]
    assert cloud.accepted == 2


async def test_a_suppression_stops_what_is_queued_already(tmp_path: Path) -> None:
    """The claim looks again: what was accepted before the suppression is not sent after it."""
    async with running_relay(tmp_path, settings={"RELAY_RETRY__DELAYS_SECONDS": "8"}) as (relay, cloud):
        cloud.faults.times = 1
        cloud.faults.error = SesError(503, "ServiceUnavailableException", "later")
        with relay.smtp() as client:
            waiting = await asyncio.to_thread(submit, client, mail(), to="reader@example.net")
        assert await relay.status(waiting, "queued") == ["queued"]
        await relay.cli("suppression", "add", "reader@example.net")
        assert await relay.status(waiting, "suppressed") == ["suppressed"]
        assert (cloud.faults.times, cloud.accepted) == (0, 0)


async def test_a_complaint_suppresses_and_an_out_of_office_reply_does_not(relay: Relay) -> None:
    with relay.smtp() as client:
        complained = await asyncio.to_thread(submit, client, mail(), to=f"complaint@{SIMULATOR}")
        away = await asyncio.to_thread(submit, client, mail(), to=f"ooto@{SIMULATOR}")
        assert await relay.status(complained, "complained") == ["complained"]
        assert await relay.status(away, "delivered") == ["delivered"]
        again = await asyncio.to_thread(submit, client, mail(), to=f"complaint@{SIMULATOR}")
        away_again = await asyncio.to_thread(submit, client, mail(), to=f"ooto@{SIMULATOR}")
    assert await relay.status(again, "suppressed") == ["suppressed"]
    assert await relay.status(away_again, "delivered") == ["delivered"]


async def test_a_person_is_told_at_once_and_may_write_to_several(relay: Relay) -> None:
    await relay.cli("suppression", "add", "gone@example.net")
    with relay.smtp(login="person") as client:
        assert client.mail("anna@example.com")[0] == 250
        code, text = client.rcpt("Gone@example.net")
        assert (code, text[:43]) == (550, b"5.1.1 Recipient suppressed: manual since 20")
        assert client.rcpt("one@example.net")[0] == 250
        assert client.rcpt("two@example.net")[0] == 250
        code, text = await asyncio.to_thread(client.data, mail(sender="anna@example.com"))
        assert code == 250
    message_id = text.decode().rpartition(" ")[2]
    assert await relay.status(message_id, "delivered", "delivered") == ["delivered", "delivered"]


async def test_the_mode_first_sends_to_the_first_recipient_and_keeps_the_others(relay: Relay, cloud: Cloud) -> None:
    with relay.smtp(login="first") as client:
        client.mail("shop@example.com")
        assert client.rcpt("one@example.net")[0] == 250
        assert client.rcpt("two@example.net")[0] == 250
        code, text = await asyncio.to_thread(client.data, mail())
        assert code == 250
    message_id = text.decode().rpartition(" ")[2]
    assert await relay.status(message_id, "delivered", "ignored") == ["delivered", "ignored"]
    assert [call.recipients for call in cloud.calls] == [("one@example.net",)]


async def test_the_suppression_list_is_kept_by_hand(relay: Relay) -> None:
    _, said = await relay.cli("suppression", "add", "Gone@Example.net", "--note", "left the company")
    assert said == "Gone@Example.net: suppressed\n"
    _, said = await relay.cli("suppression", "add", "gone@example.net")
    assert said == "gone@example.net: was suppressed already\n"
    status, said = await relay.cli("suppression", "check", "GONE@example.NET", check=False)
    assert (status, "manual since" in said, "left the company" in said) == (1, True, True)
    _, said = await relay.cli("suppression", "list")
    assert "Gone@Example.net" in said
    _, said = await relay.cli("suppression", "remove", "gone@example.net")
    assert said == "gone@example.net: may be mailed again\n"
    status, said = await relay.cli("suppression", "check", "gone@example.net")
    assert (status, said) == (0, "gone@example.net: not suppressed\n")


async def test_the_suppression_list_is_kept_by_hand_while_no_relay_runs(relay: Relay) -> None:
    assert await relay.stop() == 0
    await relay.cli("suppression", "add", "gone@example.net")
    status, _ = await relay.cli("suppression", "check", "gone@example.net", check=False)
    assert status == 1


async def test_a_credential_made_while_the_relay_runs_can_log_in_at_once(relay: Relay) -> None:
    _, said = await relay.cli("credential", "add", "crm", "--sender", "crm@example.com", "--network", "127.0.0.0/8")
    password = said.rpartition(" ")[2].strip()
    with relay.smtp(login="") as client:
        client.login("crm", password)
        assert client.mail("crm@example.com")[0] == 250
        client.rset()
        assert client.mail("shop@example.com") == (554, b"5.7.1 Disallowed source address: shop@example.com")
    await relay.cli("sender", "add", "crm", "@example.com")
    with relay.smtp(login="") as client:
        client.login("crm", password)
        assert client.mail("shop@example.com")[0] == 250
    await relay.cli("credential", "disable", "crm")
    with relay.smtp(login="") as client, pytest.raises(Exception, match="535"):
        client.login("crm", password)
