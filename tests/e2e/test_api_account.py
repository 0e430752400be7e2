"""/Account, /Queue and /Policy/Check: how a login stands, what of its mail waits, and what would be refused."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from relay.credential import Attachments, Macros, OnSuppressed, Scope
from relay.sandbox.cloud import Cloud
from relay.sandbox.faults import SesError
from tests.e2e.api import Api, Reply, api_of
from tests.e2e.test_api_events import told
from tests.harness import CRM, Relay, mail, running_relay, submit

OTHER = replace(CRM, name="other")
STRICT = replace(
    CRM,
    name="strict",
    on_suppressed=OnSuppressed.REJECT,
    macros=Macros.REQUIRED,
    attachments=Attachments(also_denied=frozenset({"pdf"})),
)
NOBODY = replace(CRM, name="nobody", scopes=frozenset({Scope.SMTP}))
MAIL = {
    "Sender": {"Address": "shop@example.com"},
    "Recipient": {"Address": "reader@example.net"},
    "Subject": "Hello",
    "Text": "<p>Hello</p>",
}
KEY = "1:" + "A" * 43 + "="
SETTINGS = {"RELAY_SECRETS__KEYS": KEY, "RELAY_CALLBACKS__PUBLIC_URL": "http://127.0.0.1:8025"}


class Scene(NamedTuple):
    relay: Relay
    cloud: Cloud
    api: Api
    other: Api


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with running_relay(tmp_path, CRM, OTHER, STRICT, NOBODY, settings=SETTINGS) as (relay, cloud):
        await relay.told("identities_synced")
        async with api_of(relay) as api, api_of(relay, "other") as other:
            yield Scene(relay, cloud, api, other)


async def queue(api: Api) -> dict[str, Any]:
    reply = await api.get("/Queue")
    assert (reply.status, reply.code) == (200, "ok"), reply
    return dict(reply.result)


# /Account


async def test_the_account_is_shown_with_how_mail_of_the_login_was_received(scene: Scene) -> None:
    for to in ("success", "bounce", "complaint"):
        await scene.api.post("/Messages", {**MAIL, "Recipient": {"Address": f"{to}@simulator.amazonses.com"}})
    await told(scene.api, 7)
    reply = await scene.api.get("/Account")
    found = reply.result
    assert (found["MaxSendRate"], found["Max24HourSend"]) == (200.0, 1_000_000.0)
    assert found["SentLast24Hours"] >= 0
    assert abs(float(found["LookedAt"][6:-7]) / 1000 - time.time()) < 60
    assert found["Holds"] == []
    reputation = found["Reputation"]
    assert (reputation["Days"], reputation["Sent"], reputation["HardBounces"], reputation["Complaints"]) == (7, 3, 1, 1)
    assert reputation["BounceRate"] == reputation["ComplaintRate"] == pytest.approx(1 / 3)
    others = (await scene.other.get("/Account")).result["Reputation"]
    assert (others["Sent"], others["BounceRate"], others["ComplaintRate"]) == (0, None, None)


async def test_holds_are_shown_to_those_whose_mail_they_stop(scene: Scene) -> None:
    await scene.relay.cli("queue", "pause", "--credential", "crm", "--reason", "wrong list")
    await scene.relay.cli("queue", "pause", "--sender-domain", "example.com", "--reason", "new DKIM key")
    await scene.api.post("/Messages", MAIL)
    found = (await scene.api.get("/Account")).result["Holds"]
    assert [(hold["Scope"], hold["Subject"], hold["Holder"], hold["Reason"]) for hold in found] == [
        ("credential", "crm", "operator", "wrong list"),
        ("identity", "example.com", "operator", "new DKIM key"),
    ]
    assert (await scene.other.get("/Account")).result["Holds"] == []
    await scene.relay.cli("queue", "pause", "--reason", "maintenance")
    assert [hold["Scope"] for hold in (await scene.other.get("/Account")).result["Holds"]] == ["account"]


# /Queue


async def test_a_login_stops_its_own_mail_and_lets_it_go_on(scene: Scene) -> None:
    began = time.time()
    assert (await scene.api.post("/Queue/Pause")).code == "ok"
    assert (await scene.api.post("/Queue/Pause")).code == "not_changed"
    ids = [(await scene.api.post("/Messages", MAIL)).result for _ in range(3)]
    with scene.relay.smtp(login="crm") as client:
        content = mail(extra="X-Relay-Class: marketing\r\n")
        ids.append(await asyncio.to_thread(submit, client, content))
    others = (await scene.other.post("/Messages", MAIL)).result
    assert await scene.relay.status(others, "delivered") == ["delivered"]
    found = await queue(scene.api)
    assert found["States"] == {"Queued": 4, "Sending": 0, "InDoubt": 0}
    assert found["IsPaused"] is True
    assert [(hold["Scope"], hold["Holder"]) for hold in found["Holds"]] == [("credential", "login")]
    flows = {each["Lane"]: each for each in found["Flows"]}
    assert [(flows[lane]["Open"], flows[lane]["Due"]) for lane in ("transactional", "bulk")] == [(3, 3), (1, 1)]
    assert {each["SenderDomain"] for each in found["Flows"]} == {"example.com"}
    assert began - 1 <= float(found["OldestAt"][6:-7]) / 1000 <= time.time() + 1
    empty = await queue(scene.other)
    assert (empty["States"]["Queued"], empty["Flows"], empty["OldestAt"], empty["IsPaused"]) == (0, [], None, False)
    assert (await scene.api.post("/Queue/Resume")).code == "ok"
    assert (await scene.api.post("/Queue/Resume")).code == "not_changed"
    for id in ids:
        assert await scene.relay.status(id, "delivered") == ["delivered"]
    assert (await queue(scene.api))["States"]["Queued"] == 0


async def test_what_the_operator_holds_a_login_cannot_resume_and_the_operator_resumes_all(scene: Scene) -> None:
    await scene.relay.cli("queue", "pause", "--credential", "crm", "--reason", "wrong list")
    assert (await scene.api.post("/Queue/Resume")).code == "not_changed"
    assert (await scene.api.post("/Queue/Pause")).code == "ok"
    assert (await scene.api.post("/Queue/Resume")).code == "ok"
    assert [hold["Holder"] for hold in (await queue(scene.api))["Holds"]] == ["operator"]
    message_id = (await scene.api.post("/Messages", MAIL)).result
    await asyncio.sleep(1.5)
    assert await scene.relay.status(message_id, "queued") == ["queued"]
    await scene.api.post("/Queue/Pause")
    _, told_ = await scene.relay.cli("queue", "resume", "--credential", "crm")
    assert "paused by itself" in told_
    assert await scene.relay.status(message_id, "delivered") == ["delivered"]
    assert (await queue(scene.api))["Holds"] == []


async def test_what_ses_holds_back_is_shown_and_stays(scene: Scene) -> None:
    scene.cloud.faults.times, scene.cloud.faults.error = 10, SesError(400, "AccountSuspendedException", "suspended")
    await scene.api.post("/Messages", MAIL)
    for _ in range(100):
        if holds := (await queue(scene.api))["Holds"]:
            break
        await asyncio.sleep(0.1)
    assert [(hold["Scope"], hold["Holder"]) for hold in holds] == [("account", "ses")]
    assert (await scene.api.post("/Queue/Resume")).code == "not_changed"
    assert (await queue(scene.api))["Holds"] == holds


# /Policy/Check


async def asked(api: Api, **said: Any) -> dict[str, Any]:
    reply: Reply = await api.post("/Policy/Check", said)
    assert (reply.status, reply.code) == (200, "ok"), reply
    return dict(reply.result)


def raw(content: bytes) -> str:
    return base64.b64encode(content).decode()


async def test_what_would_be_taken_is_said_to_be_and_nothing_is_kept(scene: Scene) -> None:
    accepted = {"Accepted": True, "Refusals": [], "Suppressed": {}}
    assert await asked(scene.api, **MAIL) == accepted
    assert await asked(scene.api, Message=raw(mail()), Recipient={"Address": "reader@example.net"}) == accepted
    lines = mail().replace(b"\r\n", b"\n")
    assert await asked(scene.api, Message=raw(lines), Recipient={"Address": "reader@example.net"}) == accepted
    store = await scene.relay.cli("message", "list")
    assert "reader@example.net" not in store[1]
    assert scene.cloud.accepted == 0
    assert not list((scene.relay.folder / "spool").iterdir())


async def test_a_refusal_is_the_one_that_the_message_itself_would_get(scene: Scene) -> None:
    exe = {"FileName": "x.exe", "Data": raw(b"MZ" + bytes(100))}
    for changes in (
        {"Sender": {"Address": "shop@example.org"}},
        {"Recipient": {"Address": "nobody@localhost"}},
        {"Attachments": [exe]},
        {"Subject": ""},
        {"TemplateId": "none"},
    ):
        sent = await scene.api.post("/Messages", {**MAIL, **changes})
        assert sent.status in (400, 404)
        if sent.code == "invalid_email":  # it is said of the call itself, as there
            assert (await scene.api.post("/Policy/Check", {**MAIL, **changes})).document == sent.document
            continue
        found = await asked(scene.api, **{**MAIL, **changes})
        assert found == {
            "Accepted": False,
            "Refusals": [{"Code": sent.code, "Description": sent.document["Description"]}],
            "Suppressed": {},
        }


async def test_a_whole_message_is_judged_as_the_smtp_door_does(scene: Scene) -> None:
    reader = {"Address": "reader@example.net"}
    for content, words in (
        (mail(sender="shop@example.org"), "shop@example.org"),
        (mail(extra="From: b@example.com\r\n"), "2 From headers"),
        (b"Subject: no sender\r\n\r\nHello\r\n", "no From header"),
        (mail(body="a\0b\r\n"), "NUL"),
        (mail(extra='Content-Disposition: attachment; filename="a.scr"\r\n'), "scr"),
    ):
        found = await asked(scene.api, Message=raw(content), Recipient=reader)
        assert not found["Accepted"]
        [refusal] = found["Refusals"]
        assert words in refusal["Description"]
    spoofed = await asked(scene.api, Message=raw(mail(sender="x@example.org")), Recipient=reader, Sender=MAIL["Sender"])
    assert ["x@example.org" in each["Description"] for each in spoofed["Refusals"]] == [True]
    missing = await asked(scene.api, Message=raw(mail()))
    assert [each["Code"] for each in missing["Refusals"]] == ["empty_value"]
    assert (await scene.api.post("/Policy/Check", {"Message": "no base64!"})).code == "invalid_value"


async def test_each_login_is_judged_by_its_own_rules_and_told_all_that_is_found(scene: Scene) -> None:
    await scene.api.post("/Suppressions", {"Address": "reader@example.net"})
    pdf = {"FileName": "a.pdf", "Data": raw(b"%PDF-1.4\n")}
    async with api_of(scene.relay, "strict") as strict:
        found = await asked(strict, **MAIL, Attachments=[pdf])
        assert [each["Code"] for each in found["Refusals"]] == ["not_available", "invalid_value"]
        assert "pdf" in found["Refusals"][1]["Description"]
        assert (await asked(strict, **MAIL))["Refusals"][1]["Code"] == "missing_macros"
    found = await asked(scene.api, **MAIL, Attachments=[pdf])
    assert found["Accepted"]
    assert found["Suppressed"].keys() == {"reader@example.net"}
    assert found["Suppressed"]["reader@example.net"].startswith("manual since ")


async def test_who_has_no_right_to_them_is_told_so(scene: Scene) -> None:
    async with api_of(scene.relay, "nobody") as api:
        for method, path in (("GET", "/Account"), ("GET", "/Queue"), ("POST", "/Queue/Pause"), ("POST", "/Policy/Check")):
            assert (await api.call(method, path)).code == "invalid_permission"
