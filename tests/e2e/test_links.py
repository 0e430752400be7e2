"""Links in mail, from a message that comes in to the page that a reader opens and the mail that he gets no more."""

from __future__ import annotations

import asyncio
import base64
import email
import email.policy
import http.client
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest

from relay.credential import ListUnsubscribe, Macros, MessageClass, Recipients
from relay.sandbox.cloud import Cloud
from tests.harness import APPLICATION, Relay, Settings, arrived, mail, running_relay, submit

KEYS = f"1:{base64.b64encode(b'k' * 32).decode()}"
NEWS = replace(APPLICATION, name="news", list_unsubscribe=ListUnsubscribe.ADD, recipients=Recipients.SPLIT)
REPLACING = replace(NEWS, name="replacing", list_unsubscribe=ListUnsubscribe.REPLACE)
REQUIRED = replace(APPLICATION, name="required", macros=Macros.REQUIRED)
ORDERS = replace(NEWS, name="orders", message_class=MessageClass.TRANSACTIONAL)
LOGINS = (APPLICATION, NEWS, REPLACING, REQUIRED, ORDERS)
TYPE = "application/x-www-form-urlencoded"
ONE_CLICK = b"List-Unsubscribe=One-Click"
LINK = re.compile(rb"http://127\.0\.0\.1:\d+(/u/[A-Za-z0-9_=-]{52})")


def settings(port: int) -> Settings:
    listen = f"127.0.0.1:{port}"
    return {
        "RELAY_CALLBACKS__LISTEN": listen,
        "RELAY_CALLBACKS__PUBLIC_URL": f"http://{listen}",
        "RELAY_SECRETS__KEYS": KEYS,
        "RELAY_PAGES__COMPANY": "Shop & Söhne",
    }


@dataclass
class Scene:
    relay: Relay
    cloud: Cloud

    async def sent(self, content: bytes, *, login: str = "news", to: str = "reader@example.net") -> bytes:
        """What the far side got."""
        count = len(self.cloud.calls)
        with self.relay.smtp(login=login) as client:
            await asyncio.to_thread(submit, client, content, to=to)
        return await arrived(self.relay, self.cloud, count + 1)

    async def link(self, **options: str) -> str:
        """The path of the link in a message's header."""
        return one_link(await self.sent(mail(extra=options.pop("extra", "")), **options))

    async def ask(
        self, method: str, path: str, body: bytes = b"", *, kind: str = "", language: str = ""
    ) -> tuple[int, str, Mapping[str, str]]:
        headers = {name: value for name, value in (("Content-Type", kind), ("Accept-Language", language)) if value}
        url = f"http://127.0.0.1:{self.relay.ports['callbacks']}{path}"
        async with aiohttp.ClientSession() as http, http.request(method, url, data=body or None, headers=headers) as answer:
            return answer.status, await answer.text(), answer.headers

    async def suppressed(self, address: str = "reader@example.net") -> str:
        return (await self.relay.cli("suppression", "check", address, check=False))[1]


def one_link(raw: bytes) -> str:
    header = email.message_from_bytes(raw, policy=email.policy.compat32)["List-Unsubscribe"]
    found = LINK.search(header.encode())
    assert found
    return found[1].decode()


@pytest.fixture
async def scene(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[Scene]:
    async with running_relay(tmp_path, *LOGINS, settings=settings(unused_tcp_port)) as (relay, cloud):
        yield Scene(relay, cloud)
        assert relay.faults() == []


async def test_each_recipient_gets_a_link_of_his_own_that_is_the_same_in_text_and_header(scene: Scene) -> None:
    content = mail(body="Leave: [Unsubscribe]\r\n")
    with scene.relay.smtp(login="news") as client:

        def session() -> None:
            client.mail("shop@example.com")
            client.rcpt("a@example.net")
            client.rcpt("b@example.net")
            assert client.data(content)[0] == 250

        await asyncio.to_thread(session)
    await arrived(scene.relay, scene.cloud, 2)
    links = set()
    for call in scene.cloud.calls:
        in_header, in_text = LINK.findall(call.raw)
        assert in_header == in_text
        links.add(in_header)
    assert len(links) == 2


async def test_the_pair_of_headers_is_as_mailbox_providers_want_it(scene: Scene) -> None:
    parsed = email.message_from_bytes(await scene.sent(mail(extra="X-Relay-List: Weekly News\r\n")))
    assert re.fullmatch(r"<http://127\.0\.0\.1:\d+/u/[A-Za-z0-9_=-]{52}>", parsed["List-Unsubscribe"])
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert parsed["List-Id"] == "<weekly-news.example.com>"
    for name in ("List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "From", "Subject"):
        assert len(parsed.get_all(name, [])) == 1


OWN = "List-Unsubscribe: <mailto:leave@example.com>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"


async def test_headers_of_the_senders_own_stay_or_are_replaced(scene: Scene) -> None:
    kept = email.message_from_bytes(await scene.sent(mail(extra=OWN)))
    assert kept.get_all("List-Unsubscribe") == ["<mailto:leave@example.com>"]
    replaced = email.message_from_bytes(await scene.sent(mail(extra=OWN), login="replacing"))
    assert [LINK.search(value.encode()) is not None for value in replaced.get_all("List-Unsubscribe", [])] == [True]
    assert len(replaced.get_all("List-Unsubscribe-Post", [])) == 1


@pytest.mark.parametrize(("login", "extra"), [("app", ""), ("orders", ""), ("news", "X-Relay-Class: transactional\r\n")])
async def test_mail_that_needs_no_link_gets_none_and_is_equal_to_the_octet(scene: Scene, login: str, extra: str) -> None:
    raw = await scene.sent(mail(extra=extra), login=login)
    assert raw.partition(b"\r\n\t")[2].partition(b"\r\n")[2] == mail()


async def test_a_login_may_have_to_have_the_macro(scene: Scene) -> None:
    with scene.relay.smtp(login="required") as client:
        client.mail("shop@example.com")
        client.rcpt("reader@example.net")
        code, text = await asyncio.to_thread(client.data, mail())
    assert (code, text) == (554, b"5.6.0 Missing macro: [Unsubscribe]")
    assert LINK.search(await scene.sent(mail(body="[Unsubscribe]\r\n"), login="required"))


async def test_a_reader_unsubscribes_by_the_page_and_comes_back(scene: Scene) -> None:
    link = await scene.link(extra="X-Relay-List: news\r\n")
    status, page, _ = await scene.ask("GET", link)
    assert (status, "Shop &amp; Söhne" in page, "r…@example.net" in page) == (200, True, True)
    assert "not suppressed" in await scene.suppressed()
    status, page, _ = await scene.ask("POST", link, b"action=leave", kind=TYPE)
    assert (status, "You are unsubscribed" in page) == (200, True)
    assert "unsubscribed since" in await scene.suppressed()
    assert "for list:news only" in await scene.suppressed()
    status, page, _ = await scene.ask("POST", link, b"action=come_back", kind=TYPE)
    assert (status, "You are subscribed again" in page) == (200, True)
    assert "not suppressed" in await scene.suppressed()


FORM = b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'
CLICKS = {
    "urlencoded": (ONE_CLICK, "application/x-www-form-urlencoded"),
    "multipart": (FORM, "multipart/form-data; boundary=b"),
    "without a type": (ONE_CLICK, "application/octet-stream"),
}


@pytest.mark.parametrize("click", CLICKS)
async def test_one_click_is_answered_at_once_and_once_more(scene: Scene, click: str) -> None:
    body, kind = CLICKS[click]
    link = await scene.link()
    for _ in range(2):
        status, text, headers = await scene.ask("POST", link, body, kind=kind)
        assert (status, text, "Location" in headers, "Set-Cookie" in headers) == (200, "unsubscribed\n", False, False)
    assert "for credential:news only" in await scene.suppressed()
    [told] = [line for line in scene.relay.journal() if line["event"] == "unsubscribed"]
    assert (told["one_click"], told["scope"]) == (True, "credential:news")


async def test_a_click_without_content_length_counts(scene: Scene) -> None:
    link = await scene.link()

    def click() -> int:
        client = http.client.HTTPConnection("127.0.0.1", scene.relay.ports["callbacks"], timeout=10)
        client.request("POST", link, body=iter([ONE_CLICK]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
        return client.getresponse().status

    assert await asyncio.to_thread(click) == 200
    assert "unsubscribed since" in await scene.suppressed()


async def test_what_only_looks_changes_nothing(scene: Scene) -> None:
    link = await scene.link()
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
        for _ in range(50):
            status, _, _ = await scene.ask(method, link)
            assert status in (200, 405)
    assert "not suppressed" in await scene.suppressed()


async def test_a_link_that_we_have_not_made_is_not_known(scene: Scene) -> None:
    link = await scene.link()
    for forged in (link[:-1] + ("A" if link[-1] != "A" else "B"), "/u/" + "A" * 52, link + "A", link.replace("/u/", "/u/%00")):
        for method in ("GET", "POST"):
            assert (await scene.ask(method, forged))[0] == 404
    assert "not suppressed" in await scene.suppressed()


async def test_mail_that_waits_already_is_not_sent_any_more(scene: Scene) -> None:
    link = await scene.link()
    await scene.relay.cli("queue", "pause", "--credential", "news")
    with scene.relay.smtp(login="news") as client:
        waiting = await asyncio.to_thread(submit, client, mail())
    await scene.ask("POST", link, ONE_CLICK)
    await scene.relay.cli("queue", "resume", "--credential", "news")
    assert await scene.relay.status(waiting, "suppressed") == ["suppressed"]


LANGUAGES = {"ru,en;q=0.5": "Отписаться", "de": "Unsubscribe", "de, ru;q=0.1": "Отписаться"}


@pytest.mark.parametrize(("accepted", "heading"), LANGUAGES.items())
async def test_each_reader_gets_his_language(scene: Scene, accepted: str, heading: str) -> None:
    _, page, _ = await scene.ask("GET", await scene.link(), language=accepted)
    assert f"<h1>{heading}</h1>" in page


async def test_who_unsubscribed_still_gets_what_is_transactional(scene: Scene) -> None:
    await scene.ask("POST", await scene.link(), ONE_CLICK)
    count = len(scene.cloud.calls)
    with scene.relay.smtp(login="news") as client:
        stopped = await asyncio.to_thread(submit, client, mail())
        order = await asyncio.to_thread(submit, client, mail(extra="X-Relay-Class: transactional\r\n"))
    assert await scene.relay.status(stopped, "suppressed") == ["suppressed"]
    assert await scene.relay.status(order, "delivered") == ["delivered"]
    assert len(scene.cloud.calls) == count + 1
