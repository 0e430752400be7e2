"""GET /Events: what SES reported, fact by fact, as a client that polls reads it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from relay.credential import Scope
from relay.sandbox.cloud import Cloud
from relay.sandbox.events import compose
from tests.e2e.api import Api, api_of
from tests.harness import CRM, Relay, running_relay

DATA = Path(__file__).parents[1] / "data/ses"
OTHER = replace(CRM, name="other")
WITHOUT = replace(CRM, name="without", scopes=frozenset(Scope) - {Scope.EVENTS})


class Scene(NamedTuple):
    relay: Relay
    cloud: Cloud
    api: Api
    other: Api


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    running = running_relay(tmp_path, CRM, OTHER, WITHOUT)
    async with running as (relay, cloud), api_of(relay) as api, api_of(relay, "other") as other:
        yield Scene(relay, cloud, api, other)


async def send(api: Api, to: str, **said: str) -> str:
    """A message; its delivery's id."""
    mail = {"Sender": {"Address": "shop@example.com"}, "Recipient": {"Address": to}, "Subject": "Hello", "Text": "Hello"}
    reply = await api.post("/Messages", {**mail, **said})
    assert reply.status == 201, reply
    return str(reply.result)


async def told(api: Api, count: int, *, after: int = 0, limit: int = 100) -> tuple[list[dict[str, Any]], int]:
    """So many facts behind a cursor, once they are there, and the cursor behind them."""
    found: list[dict[str, Any]] = []
    for _ in range(150):
        reply = await api.get(f"/Events?After={after}&Limit={limit}")
        assert (reply.status, reply.code) == (200, "ok"), reply
        found += reply.result["Events"]
        after = reply.result["Next"]
        if len(found) >= count:
            return found, after
        if not reply.result["Events"]:
            await asyncio.sleep(0.1)
    raise AssertionError(f"only {found}")


def publish(cloud: Cloud, name: str, recipient: str, **about: Any) -> None:
    """One of the events that AWS shows, about the last message."""
    event = json.loads((DATA / f"{name}.json").read_text())
    event["mail"] = json.loads(compose("send", cloud.calls[-1], recipient))["mail"]
    for part in event.values():
        if isinstance(part, dict):
            part |= {key: value for key, value in about.items() if key in part}
    assert cloud.topic
    cloud.topic.publish(json.dumps(event))


async def test_each_fact_is_told_with_what_its_sender_said_of_the_message(scene: Scene) -> None:
    id = await send(scene.api, "bounce@simulator.amazonses.com", UserMessageId="um-1", UserCampaignId="uc-1")
    events, after = await told(scene.api, 2)
    assert [event["Event"] for event in events] == ["SENT", "BOUNCED"]
    for event in events:
        about = (event["MessageId"], event["UserMessageId"], event["UserCampaignId"], event["TaskId"], event["Email"])
        assert about == (id, "um-1", "uc-1", 0, "bounce@simulator.amazonses.com")
        assert event["DateTime"].startswith("/Date(")
    assert (events[0]["IsHardbounce"], events[0]["Reason"], events[0]["Url"]) == (None, None, None)
    assert (events[1]["IsHardbounce"], events[1]["Reason"]) == (True, "bad-mailbox")
    assert "550 5.1.1 user unknown" in events[1]["Detail"]
    assert events[0]["Cursor"] < events[1]["Cursor"] == after
    assert (await scene.api.get(f"/Events?After={after}")).result == {"Events": [], "Next": after}


async def test_every_kind_has_its_word(scene: Scene) -> None:
    await send(scene.api, "anna@example.net")
    _, after = await told(scene.api, 2)
    kinds = ("delivery_delay", "open", "click", "complaint_abuse", "complaint_not_spam", "subscription", "reject")
    for name in kinds:
        publish(scene.cloud, name, "anna@example.net")
        await asyncio.sleep(0.05)  # in this order
    publish(scene.cloud, "bounce_transient_general_autoreply", "anna@example.net")
    publish(scene.cloud, "rendering_failure", "anna@example.net")
    events, _ = await told(scene.api, 8, after=after)
    by_word = {event["Event"]: event for event in events}
    assert sorted(event["Event"] for event in events) == sorted(
        ("DELAYED", "OPENED", "CLICKED", "COMPLAINED", "UNSUBSCRIBED", "REJECTED", "REJECTED", "BOUNCED")
    )
    assert (by_word["OPENED"]["UserAgent"], by_word["OPENED"]["IsBot"], by_word["OPENED"]["Url"]) == (
        "Mozilla/5.0",
        False,
        None,
    )
    click = json.loads((DATA / "click.json").read_text())["click"]
    assert (by_word["CLICKED"]["UserAgent"], by_word["CLICKED"]["Url"]) == ("Mozilla/5.0", click["link"])
    assert (by_word["BOUNCED"]["IsHardbounce"], by_word["BOUNCED"]["Reason"]) == (False, "other")
    assert by_word["COMPLAINED"]["UserAgent"] is None
    assert {event["IsBot"] for word, event in by_word.items() if word not in ("OPENED", "CLICKED")} == {None}


@pytest.mark.parametrize(
    ("kind", "subtype", "is_hard", "reason"),
    [
        ("Permanent", "NoEmail", True, "bad-mailbox"),
        ("Permanent", "OnAccountSuppressionList", True, "bad-mailbox"),
        ("Permanent", "UnsubscribedRecipient", False, "already_unsubscribed"),
        ("Transient", "MailboxFull", False, "quota-issues"),
        ("Transient", "MessageTooLarge", False, "policy-related"),
        ("Transient", "CustomTimeoutExceeded", False, "message-expired"),
        ("Transient", "ContentRejected", False, "content-related"),
        ("Transient", "AttachmentRejected", False, "content-related"),
        ("Undetermined", "Undetermined", False, "other"),
    ],
)
async def test_a_bounce_has_its_reason(
    of_many: tuple[Relay, Cloud], kind: str, subtype: str, is_hard: bool, reason: str
) -> None:
    relay, cloud = of_many
    recipient = f"{subtype.lower()}@example.net"
    async with api_of(relay) as api:
        id = await send(api, recipient)
        await told_of(api, id, 2)
        publish(cloud, "bounce_permanent_general", recipient, bounceType=kind, bounceSubType=subtype, feedbackId=subtype)
        bounce = (await told_of(api, id, 3))[-1]
    assert (bounce["Event"], bounce["IsHardbounce"], bounce["Reason"]) == ("BOUNCED", is_hard, reason)


async def told_of(api: Api, id: str, count: int) -> list[dict[str, Any]]:
    """Of one delivery, once there are so many."""
    for _ in range(150):
        found = [event for event in (await api.get("/Events?Limit=1000")).result["Events"] if event["MessageId"] == id]
        if len(found) >= count:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"only {found}")


@pytest.fixture(scope="module")
async def of_many(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Relay, Cloud]]:
    async with running_relay(tmp_path_factory.mktemp("events"), CRM) as pair:
        yield pair


async def test_who_reads_in_small_steps_while_mail_goes_out_misses_nothing_and_reads_nothing_twice(scene: Scene) -> None:
    reading = asyncio.create_task(told(scene.api, 60, limit=7))
    for number in range(30):
        await send(scene.api if number % 3 else scene.other, f"r{number}@example.net")
    for number in range(10):
        await send(scene.api, f"more{number}@example.net")
    events, after = await reading
    assert len(events) == len({(event["MessageId"], event["Event"]) for event in events}) == 60
    cursors = [event["Cursor"] for event in events]
    assert cursors == sorted(cursors)
    assert (await scene.api.get(f"/Events?After={after}")).result["Events"] == []
    others, _ = await told(scene.other, 20)
    assert {event["MessageId"] for event in others}.isdisjoint(event["MessageId"] for event in events)


async def test_a_limit_is_obeyed_and_next_goes_on(scene: Scene) -> None:
    await send(scene.api, "anna@example.net")
    await told(scene.api, 2)
    first = (await scene.api.get("/Events?limit=1")).result
    second = (await scene.api.get(f"/Events?limit=1&after={first['Next']}")).result
    assert [event["Event"] for event in (*first["Events"], *second["Events"])] == ["SENT", "DELIVERED"]


@pytest.mark.parametrize(
    "query", ["Limit=0", "Limit=1001", "Limit=all", "After=-1", "After=x", "After=9223372036854775808", "After=1000000"]
)
async def test_what_is_no_cursor_or_limit_is_refused(of_many: tuple[Relay, Cloud], query: str) -> None:
    async with api_of(of_many[0]) as api:
        reply = await api.get(f"/Events?{query}")
        assert (reply.status, reply.code) == (400, "invalid_value")
        assert query.partition("=")[0] in reply.document["Description"]


async def test_it_is_there_in_xml_without_what_is_not_known(scene: Scene) -> None:
    id = await send(scene.api, "anna@example.net")
    await told(scene.api, 2)
    found = (await scene.api.get("/Events?format=xml")).xml
    [sent, _] = found.findall("Result/Events/Item")
    assert (sent.findtext("MessageId"), sent.findtext("Event"), sent.find("Reason")) == (id, "SENT", None)


async def test_who_has_no_right_to_them_is_told_so(scene: Scene) -> None:
    async with api_of(scene.relay, "without") as api:
        assert (await api.get("/Events")).code == "invalid_permission"
