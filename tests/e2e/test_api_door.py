"""The framing of the HTTP API: who may call, in which words and format, and what is answered to what is none of that."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import boto3
import pytest
from botocore.config import Config

from relay.credential import Scope
from relay.security.certificates import make_server_pair
from tests.e2e.api import Api, api_of
from tests.e2e.ses_door import SECRETS, issued
from tests.harness import APPLICATION, CRM, PASSWORD, Relay, running_relay

MAIL = {
    "Sender": {"Address": "shop@example.com"},
    "Recipient": {"Address": "reader@example.net"},
    "Subject": "Order 42",
    "Text": "Hello",
}
ONLY_TASKS = replace(CRM, name="tasks", scopes=frozenset({Scope.TASKS}))
ELSEWHERE = replace(CRM, name="elsewhere", networks=("192.0.2.0/24",))


@pytest.fixture(scope="module")
async def relay(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Relay]:
    folder: Path = tmp_path_factory.mktemp("door")
    async with running_relay(folder, CRM, APPLICATION, ONLY_TASKS, ELSEWHERE) as (relay, _):
        yield relay
        assert relay.faults() == []


@pytest.fixture(scope="module")
async def api(relay: Relay) -> AsyncIterator[Api]:
    async with api_of(relay) as api:
        yield api


@pytest.mark.parametrize(
    "path",
    [
        "//email/v1/Tasks",
        "//email/v2/tasks",
        "//EmailApi/Tasks",
        "//EMAIL/V1/TASKS/",
        "//addressbook/v2/Tasks",
        "//email/v1/Tasks.json",
        "//email/v1/Tasks?format=json&creatorlogin=crm",
    ],
)
async def test_a_resource_is_found_in_any_case_below_any_prefix(api: Api, path: str) -> None:
    reply = await api.get(path, Range="items=1-10")
    assert (reply.status, reply.code, reply.result) == (206, "ok", []), reply.text
    assert reply.headers["Content-Range"] == "items */0"


@pytest.mark.parametrize(
    "path", ["//email/v1/Nothing", "//email/v1", "//email/v3/Tasks", "//email/v1/Tasks/1/2/3", "//email/v1/Task%73/x/y"]
)
async def test_what_is_not_there_is_said_so(api: Api, path: str) -> None:
    reply = await api.get(path)
    assert reply.status == 404
    assert path.startswith("//email/v3") or reply.code == "not_found"


async def test_a_method_that_a_resource_does_not_have(api: Api) -> None:
    reply = await api.delete("/Messages")
    assert (reply.status, reply.code, reply.headers["Allow"]) == (405, "not_available", "POST")


@pytest.mark.parametrize("name", ["Accept", "suffix", "format"])
async def test_it_answers_in_the_format_that_is_asked_for(api: Api, name: str) -> None:
    path = {"Accept": "/Tasks/1", "suffix": "/Tasks/1.xml", "format": "/Tasks/1?Format=XML"}[name]
    reply = await api.get(path, **({"Accept": "text/html, application/xml;q=0.9, */*"} if name == "Accept" else {}))
    if name == "Accept":
        assert reply.headers["Content-Type"].startswith("application/json")  # a browser
        reply = await api.get(path, Accept="application/xml")
    assert reply.headers["Content-Type"] == "application/xml; charset=utf-8"
    assert (reply.xml.findtext("Code"), reply.status) == ("not_found", 404)


async def test_a_format_that_there_is_not(api: Api) -> None:
    reply = await api.get("/Tasks/1?format=csv")
    assert (reply.status, reply.code) == (400, "invalid_value")


async def test_it_speaks_russian(api: Api) -> None:
    reply = await api.get("/Tasks/1", Accept_Language="ru-RU,ru;q=0.9")
    assert (reply.document["Description"], reply.headers["Content-Language"]) == ("такой задачи нет", "ru")


@pytest.mark.parametrize(
    "date",
    [
        "08/31/2015 13:30:38",
        "/Date(1440501564737-0000)/",
        "2015-08-31T13:30:38Z",
        "20150831",
        "1440501564",
        "1440501564.5",
        "0",
    ],
)
async def test_a_date_is_read_in_each_of_its_forms(api: Api, date: str) -> None:
    reply = await api.get(f"/Statistics?StartDateTime={date}")
    assert (reply.status, reply.code) == (200, "ok"), reply.text


@pytest.mark.parametrize("date", ["", "-1", "1e9", "9" * 400, "0x10", "١٤٤٠٥٠١٥٦٤", "NaN", "31/08/2015 13:30:38"])
async def test_what_is_no_date_is_said_so(api: Api, date: str) -> None:
    reply = await api.get(f"/Statistics?StartDateTime={date}")
    assert (reply.status, reply.code) == (400, "invalid_value"), reply.text


async def test_names_are_read_in_any_case_and_others_ignored(api: Api) -> None:
    body = {
        "sender": {"ADDRESS": "shop@example.com"},
        "recipient": {"address": "reader@example.net"},
        "subject": "x",
        "TEXT": "y",
    }
    reply = await api.post("/Messages", {**body, "Colour": "green"})
    assert (reply.status, reply.code) == (201, "ok")


@pytest.mark.parametrize(
    ("authorization", "status", "code"),
    [
        ("", 401, "authorization_failed"),
        ("Basic !!!", 401, "authorization_failed"),
        ("Basic " + base64.b64encode(b"crm").decode(), 401, "authorization_failed"),
        ("Basic " + base64.b64encode(b"crm:wrong").decode(), 401, "authorization_failed"),
        ("Basic " + base64.b64encode(f"nobody:{PASSWORD}".encode()).decode(), 401, "authorization_failed"),
        ("Basic " + base64.b64encode(f"elsewhere:{PASSWORD}".encode()).decode(), 401, "authorization_failed"),
        ("Digest crm", 401, "authorization_failed"),
        ("Basic " + base64.b64encode(f"app:{PASSWORD}".encode()).decode(), 403, "invalid_permission"),
        ("Basic " + base64.b64encode(f"tasks:{PASSWORD}".encode()).decode(), 403, "invalid_permission"),
        (f"Bearer crm.{PASSWORD}", 404, "not_found"),
        ("basic " + base64.b64encode(f"crm:{PASSWORD}".encode()).decode(), 404, "not_found"),
    ],
)
async def test_who_it_is_and_what_he_may(relay: Relay, authorization: str, status: int, code: str) -> None:
    async with aiohttp.ClientSession(headers={"Authorization": authorization} if authorization else {}) as session:
        reply = await Api(session, relay.api).get("/Templates/77")
    assert (reply.status, reply.code) == (status, code)
    assert ("WWW-Authenticate" in reply.headers) == (status == 401)


async def test_a_login_of_the_api_alone_cannot_submit_by_smtp(relay: Relay) -> None:
    with relay.smtp(login="") as client:
        client.user, client.password = "tasks", PASSWORD
        assert client.docmd("AUTH", "PLAIN " + base64.b64encode(f"\0tasks\0{PASSWORD}".encode()).decode())[0] == 535


BODIES = {
    "no JSON": (b"{", "application/json"),
    "a list": (b"[]", "application/json"),
    "a text": (b'"x"', "application/json"),
    "not a number": (b'{"Subject": NaN}', "application/json"),
    "no UTF-8": (b'{"Subject": "\xff"}', "application/json"),
    "nested for ever": (b'{"a":' * 5000 + b"1" + b"}" * 5000, "application/json"),
    "nested thirty times": (b'{"a":' * 30 + b"1" + b"}" * 30, "application/json"),
    "a million lists": (b'{"a":[' + b"[]," * 1_000_000 + b"1]}", "application/json"),
    "millions of numbers": (b'{"a":[' + b"1," * 4_000_000 + b"1]}", "application/json"),
    "a million elements": (b"<a>" + b"<b/>" * 1_000_000 + b"</a>", "application/xml"),
    "no XML": (b"<a>", "application/xml"),
    "XML nested thirty times": (b"<a>" * 30 + b"</a>" * 30, "application/xml"),
    "an entity": (b'<!DOCTYPE a [<!ENTITY b "c">]><a><Subject>&b;</Subject></a>', "application/xml"),
    "an entity of a file": (
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a><Subject>&b;</Subject></a>',
        "text/xml",
    ),
    "many laughs": (
        b'<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>',
        "application/xml",
    ),
    "a document type": (b'<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd"><a/>', "application/xml"),
}


@pytest.mark.parametrize("what", BODIES)
async def test_bodies_that_cannot_be_read(api: Api, what: str) -> None:
    data, content_type = BODIES[what]
    reply = await api.call("POST", "/Messages", data=data, headers={"Content-Type": content_type})
    assert (reply.status, reply.code) == (400, "invalid_value"), reply.text
    assert "Traceback" not in reply.text


async def test_a_body_that_is_compressed_or_too_large(api: Api) -> None:
    packed = await api.call("POST", "/Messages", data=b"x", headers={"Content-Encoding": "gzip"})
    assert (packed.status, packed.code) == (415, "invalid_value")
    large = await api.call("POST", "/Messages", data=bytes(17 << 20))
    assert (large.status, large.code) == (400, "size_exceeded")


@pytest.mark.parametrize("header", ["", "items=0-10", "items=5-1", "items=1-5000", "bytes=0-10", "items=1-", "items=1-2,4-5"])
async def test_ranges_that_are_none(api: Api, header: str) -> None:
    reply = await api.get("/Tasks", **({"Range": header} if header else {}))
    assert (reply.status, reply.code) == (416, "invalid_value")


async def test_a_range_beyond_the_end(api: Api) -> None:
    text = "<p>[Unsubscribe] [WebVersion]</p>"
    task = {"Name": "x", "Sender": {"Address": "a@example.com"}, "Subject": "x", "Text": text, "Type": 1}
    for _ in range(3):
        assert (await api.post("/Tasks", task)).status == 201
    reply = await api.get("/Tasks", Range="items=2-3")
    assert (reply.status, len(reply.result), reply.headers["Content-Range"]) == (206, 2, "items 2-3/3")
    reply = await api.get("/Tasks", Range="items=3-100")
    assert (len(reply.result), reply.headers["Content-Range"]) == (1, "items 3-3/3")
    assert (await api.get("/Tasks", Range="items=4-5")).status == 416


async def test_too_many_calls_of_a_login(tmp_path: Path) -> None:
    settings = {"RELAY_API__CALLS_PER_MINUTE": "3", "RELAY_SECRETS__KEYS": SECRETS}
    async with running_relay(tmp_path, CRM, settings=settings) as (relay, _), api_of(relay) as api:
        replies = [await api.get("/Tasks/1") for _ in range(5)]
        assert [reply.status for reply in replies] == [404] * 3 + [429] * 2
        assert (replies[-1].code, replies[-1].headers["Retry-After"]) == ("not_available", "60")
        key = await issued(relay, CRM.name)
        ses = boto3.client(
            "sesv2",
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{relay.ports['api']}",
            aws_access_key_id=key.id,
            aws_secret_access_key=key.secret,
            config=Config(retries={"total_max_attempts": 1}),
        )
        with pytest.raises(ses.exceptions.TooManyRequestsException, match="Rate exceeded"):  # it is another door of the same
            await asyncio.to_thread(ses.get_account)


async def test_who_guesses_is_stopped(tmp_path: Path) -> None:
    settings = {"RELAY_LOGINS__FAILURES_PER_ADDRESS": "3"}
    async with running_relay(tmp_path, CRM, settings=settings) as (relay, _):
        async with api_of(relay, password="wrong") as api:
            assert [(await api.get("/Tasks/1")).status for _ in range(5)] == [401] * 3 + [429] * 2
        line = json.dumps([line for line in relay.journal() if line["event"] == "login_refused"])
        assert "wrong password" in line


async def test_a_store_that_is_locked_is_asked_again_later(tmp_path: Path) -> None:
    async with running_relay(tmp_path, CRM) as (relay, _), api_of(relay) as api:
        assert (await api.post("/Messages", MAIL)).status == 201
        other = sqlite3.connect(relay.path)
        try:
            other.execute("BEGIN IMMEDIATE")
            reply = await api.post("/Messages", MAIL)
        finally:
            other.rollback()
            other.close()
        assert (reply.status, reply.code) == (503, "internal_error")
        assert int(reply.headers["Retry-After"]) > 0
        assert (await api.post("/Messages", MAIL)).status == 201


async def test_it_speaks_tls(tmp_path: Path) -> None:
    pair = {"key_file": tmp_path / "api.key", "certificate_file": tmp_path / "api.pem"}
    make_server_pair(**pair, name="localhost", now=time.time())
    settings = {"RELAY_API__CERTIFICATE": str(pair["certificate_file"]), "RELAY_API__KEY": str(pair["key_file"])}
    async with running_relay(tmp_path, CRM, settings=settings) as (relay, _):
        context = ssl.create_default_context(cafile=str(pair["certificate_file"]))
        words = base64.b64encode(f"crm:{PASSWORD}".encode()).decode()
        async with aiohttp.ClientSession(headers={"Authorization": f"Basic {words}"}) as session:
            url = f"https://localhost:{relay.ports['api']}/email/v1/Tasks/1"
            async with session.get(url, ssl=context) as response:
                assert response.status == 404
