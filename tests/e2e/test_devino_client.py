"""The whole story of a mailing, by a client that was written for Devino's API: group, import, task, attachment, release, watch,
statistics; in JSON and in XML.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import aiohttp
import pytest

from relay.sandbox.cloud import Cloud
from tests.e2e.devino import DevinoClient, Refused
from tests.harness import CRM, PASSWORD, Relay, running_relay

SETTINGS = {"RELAY_SECRETS__KEYS": "1:" + "A" * 43 + "=", "RELAY_CALLBACKS__PUBLIC_URL": "https://relay.example.com"}
TEXT = (
    "<html><body><p>Здравствуйте, %Имя%!</p><img src='cid:Picture.png'/>"
    "<a href='[WebVersion]'>web</a> <a href='[Unsubscribe]'>leave</a></body></html>"
)
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(64)


@pytest.fixture(params=["json", "xml"])
async def client(request: pytest.FixtureRequest, tmp_path: Path, url: str) -> AsyncIterator[tuple[DevinoClient, Relay, Cloud]]:
    """JSON to a relay on SQLite, XML to one on PostgreSQL."""
    store = {} if request.param == "json" else {"RELAY_STORE__URL": url}
    async with running_relay(tmp_path, CRM, settings=SETTINGS | store) as (relay, cloud), aiohttp.ClientSession() as session:
        host = f"http://127.0.0.1:{relay.ports['api']}"
        yield DevinoClient(session, host, CRM.name, PASSWORD, request.param), relay, cloud


async def test_the_whole_story(client: tuple[DevinoClient, Relay, Cloud]) -> None:
    devino, relay, cloud = client
    group = await devino.add_group("readers")
    contacts = [{"Email": f"{number}@readers.example", "FirstName": f"Имя {number}", "Gender": 1} for number in range(25)]
    assert await devino.progress(await devino.import_contacts(group, contacts)) == (25, 25)
    task = await devino.add_task(
        Name="spring",
        Sender={"Address": "news@example.com", "Name": "Магазин"},
        Subject="Весна для %Имя%",
        Text=TEXT,
        StartDateTime="08/31/2015 13:30:38",
        Type=1,
        UserCampaignId="uc-1",
        ContactGroups=[{"Id": group, "Included": True}],
    )
    await devino.attach(task, "Picture.png", PICTURE, "Picture.png")
    with pytest.raises(Refused, match="invalid_value"):
        await devino.attach(task, "virus.exe", b"MZ")
    assert await devino.state(task) == "New"
    await devino.set_state(task, 1)
    while await devino.state(task) != "Finished":  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.2)
    got = {call.recipients[0]: message_from_bytes(call.raw, policy=default) for call in cloud.calls}
    assert got.keys() == {contact["Email"] for contact in contacts}
    mail = got["7@readers.example"]
    assert isinstance(mail, EmailMessage)
    assert mail["Subject"] == "Весна для Имя 7"
    html = mail.get_body(("html",))
    assert html is not None
    assert "Здравствуйте, Имя 7!" in html.get_content()
    assert [part.get_payload(decode=True) for part in mail.walk() if part.get_filename() == "Picture.png"] == [PICTURE]
    for _ in range(100):
        numbers = await devino.statistics(task)
        if numbers["Delivered"] == 25:
            break
        await asyncio.sleep(0.1)
    expected = dict.fromkeys(("NotSent", "Sent", "Read", "Clicked", "Bounced", "Rejected"), 0)
    assert numbers == {**expected, "Delivered": 25, "Total": 25}
    listed = await devino.call("GET", f"Statistics/Messages?TaskId={task}", items="1-100")
    assert {line["DestinationEmail"] for line in listed} == got.keys()
    [item] = await devino.call("GET", "Tasks", items="1-10")
    assert (item["Name"], str(item["CompletedContacts"]), item["State"]) == ("spring", "25", "Finished")
    assert relay.faults() == []


async def test_one_message(client: tuple[DevinoClient, Relay, Cloud]) -> None:
    devino, _, _ = client
    id = await devino.send("shop@example.com", "bounce@simulator.amazonses.com", "Order", "<p>42</p>")
    for _ in range(100):
        if (state := await devino.message_state(id)) == "Bounced":
            break
        await asyncio.sleep(0.1)
    assert state == "Bounced"


async def test_what_is_wrong_is_an_answer_that_it_can_read(client: tuple[DevinoClient, Relay, Cloud]) -> None:
    devino, _, _ = client
    with pytest.raises(Refused, match="invalid_email"):
        await devino.send("shop@example.com", "nobody", "Order", "<p>42</p>")
    with pytest.raises(Refused, match="invalid_value"):
        await devino.call("GET", "Tasks")
    with pytest.raises(Refused, match="not_found"):
        await devino.state(12345)
