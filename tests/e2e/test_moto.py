"""moto_server as a second SES that nobody here wrote: it gets the octets we meant, over the same wire."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import aiohttp
import boto3

from tests.e2e.api import api_of
from tests.e2e.console import admit, visiting
from tests.harness import APPLICATION, CRM, Relay, mail, submit


async def test_moto_tells_which_senders_are_verified(moto_port: int, tmp_path: Path) -> None:
    endpoint = f"http://127.0.0.1:{moto_port}"
    ses = boto3.client(
        "sesv2", region_name="us-east-1", endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="test"
    )
    for identity in ("example.com", "anna@example.org"):
        await asyncio.to_thread(ses.create_email_identity, EmailIdentity=identity)
    relay = Relay(tmp_path, moto_port, RELAY_SES__ENDPOINT=endpoint)
    await relay.start(replace(APPLICATION, senders=("@example.com", "@example.org")))
    try:
        _, shown = await relay.cli("sender", "sync")
        assert re.search(r"anna@example\.org +│ address +│ verified +│ DKIM not started", shown)
        with relay.smtp() as client:
            replies = []
            for sender in ("shop@mail.example.com", "shop@example.com", "anna@example.org", "bert@example.org"):
                replies.append(client.mail(sender)[0])
                client.rset()
        assert replies == [554, 250, 250, 554]  # the first is no domain of the login
    finally:
        await relay.stop()


async def test_moto_makes_an_address_ours_that_a_login_adds_and_a_domain_that_an_operator_adds(
    moto_port: int, tmp_path: Path
) -> None:
    relay = Relay(tmp_path, moto_port, RELAY_SES__ENDPOINT=f"http://127.0.0.1:{moto_port}")
    await relay.start(CRM)
    try:
        await relay.told("identities_synced")
        async with api_of(relay) as api:
            assert (await api.post("/UserSettings/SourceAddresses", {"SourceAddress": "anna@example.net"})).status == 201
            _, shown = await relay.cli("sender", "sync")
            assert re.search(r"anna@example\.net +│ address +│ verified", shown)
            found = (await api.get("/UserSettings/SourceAddresses")).result
        assert {"SourceAddress": "anna@example.net", "State": "Approve", "IsDefault": False} in found
        await admit(relay)
        async with visiting(relay) as admin:
            page = await admin.post("/senders", {"name": "example.org"}, came_from="/senders")
            assert "example.org is verified at SES." in page.text
    finally:
        await relay.stop()


async def test_moto_gets_what_was_sent(moto_port: int, tmp_path: Path) -> None:
    endpoint = f"http://127.0.0.1:{moto_port}"
    ses = boto3.client(
        "sesv2", region_name="us-east-1", endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="test"
    )
    await asyncio.to_thread(ses.create_email_identity, EmailIdentity="example.com")
    # The endpoint comes from the environment here, as boto3 itself would read it.
    relay = Relay(
        tmp_path, moto_port, RELAY_SES__ENDPOINT="", AWS_ENDPOINT_URL_SESV2=endpoint, RELAY_FEEDBACK__PINNED_CERTIFICATE=""
    )
    await relay.start(APPLICATION)
    try:
        content = mail(body=".a dot\r\nand more\r\n")
        with relay.smtp() as client:
            message_id = await asyncio.to_thread(submit, client, content)
        assert await relay.status(message_id, "sent") == ["sent"]
        async with aiohttp.ClientSession() as http, http.get(f"{endpoint}/moto-api/data.json") as answer:
            data = await answer.json(content_type=None)
    finally:
        await relay.stop()
    [sent] = data["ses"]["RawMessage"]
    assert re.sub(r"\AReceived: [^\r\n]+\r?\n\t[^\r\n]+\r?\n", "", sent["raw_data"]) == content.decode()
