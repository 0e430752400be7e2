"""With both settings of [log] off no line of the journal has an address of mail or of a client, whatever happens."""

from __future__ import annotations

import asyncio
import json
import smtplib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.sandbox.cloud import Cloud
from relay.sandbox.faults import SesError
from tests.e2e.api import api_of
from tests.harness import CREDENTIALS, CRM, Relay, mail, running_relay, submit

OFF = {
    "RELAY_LOG__ADDRESSES": "false",
    "RELAY_LOG__CLIENT_ADDRESSES": "false",
    "RELAY_SECRETS__KEYS": "1:" + "A" * 43 + "=",
    "RELAY_RETRY__DELAYS_SECONDS": "1",
}
SIMULATOR = "simulator.amazonses.com"
LOCAL_PARTS = ("grace.hopper", "bounce+ada", "complaint+ada", "intruder", "anna", "shop")


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Relay, Cloud]]:
    folder: Path = tmp_path_factory.mktemp("quiet")
    async with running_relay(folder, *CREDENTIALS, CRM, settings=OFF) as made:
        yield made


def bounced(who: str, ses_id: str) -> str:
    """Whose server names the mailbox alone."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    status = {"emailAddress": who, "status": "5.1.1", "diagnosticCode": "smtp; 550 no mailbox Grace.Hopper here"}
    about = {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [status], "timestamp": now}
    named = {"timestamp": now, "messageId": ses_id, "destination": [who], "tags": {}}
    return json.dumps({"eventType": "Bounce", "mail": named, "bounce": {**about, "feedbackId": "f"}})


async def sends(relay: Relay, cloud: Cloud) -> None:
    reader, people = "grace.hopper@example.net", ("success", "bounce+ada", "complaint+ada")
    with relay.smtp() as client:
        ids = [
            await asyncio.to_thread(submit, client, mail(to=f"{who}@{SIMULATOR}"), to=f"{who}@{SIMULATOR}") for who in people
        ]
        for id, status in zip(ids, ("delivered", "bounced hard", "complained"), strict=True):
            assert await relay.status(id, status) == [status]
        stopped = await asyncio.to_thread(submit, client, mail(), to=f"bounce+ada@{SIMULATOR}")
        assert await relay.status(stopped, "suppressed") == ["suppressed"]
        cloud.faults.times = 1
        cloud.faults.error = SesError(503, "ServiceUnavailableException", f"not now, {reader}")
        late = await asyncio.to_thread(submit, client, mail(to=reader), to=reader)
        assert await relay.status(late, "delivered") == ["delivered"]
        cloud.faults.times = 1
        cloud.faults.error = SesError(400, "MessageRejected", f"Email address is not verified: <{reader}>")
        failed = await asyncio.to_thread(submit, client, mail(to=reader), to=reader)
        assert len(await relay.status(failed, "failed")) == 1
    assert cloud.topic
    cloud.topic.publish(bounced(reader, "of-another-program"))


async def is_refused(relay: Relay) -> None:
    with relay.smtp(login="person") as client:
        assert client.mail("intruder@example.org")[0] == 554
        assert client.mail("anna@example.com")[0] == 250
        assert client.rcpt("grace.hopper@@example.net")[0] == 554
        assert client.rcpt(f"bounce+ada@{SIMULATOR}")[0] == 550
    with relay.smtp(login="") as client, pytest.raises(smtplib.SMTPAuthenticationError):
        client.login("intruder@example.org", "wrong")
    async with api_of(relay, "intruder@example.org", "wrong") as api:
        assert (await api.get("/Suppressions")).status == 401
    async with api_of(relay) as api:
        sender, to = {"Address": "intruder@example.org"}, {"Address": "grace.hopper@example.net"}
        assert (await api.post("/Messages", {"Sender": sender, "Recipient": to, "Subject": "x", "Text": "x"})).status == 400
        assert (await api.delete("/Suppressions/grace.hopper@example.net")).status in (200, 404)


async def test_no_address_is_in_any_line(scene: tuple[Relay, Cloud]) -> None:
    relay, cloud = scene
    await sends(relay, cloud)
    await is_refused(relay)
    await relay.cli("suppression", "add", "grace.hopper@example.net", "--note", "of grace.hopper@example.net")
    await relay.cli("suppression", "remove", "grace.hopper@example.net")
    await relay.cli("address", "erase", "grace.hopper@example.net", "--yes")
    with relay.path.parent.joinpath("relay.log").open() as file:
        lines = [line for line in file if line.startswith("{")]
    told = {json.loads(line)["event"] for line in lines}
    events = {"accepted", "sent", "retry", "failed", "refused", "login_refused", "bounce", "complaint", "suppressed"}
    assert events | {"suppression_added", "suppression_removed", "address_erased"} <= told
    named = [line for line in lines if "@" in line or "%40" in line or any(local in line.lower() for local in LOCAL_PARTS)]
    assert named == []
    assert {json.loads(line).get("peer", "-") for line in lines} == {"-"}
