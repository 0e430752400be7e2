"""Links in mail, from a message that comes in to the page that a reader opens and the mail that he gets no more."""

from __future__ import annotations

import asyncio
import base64
import email
import http.client
import json
import os
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest

from tests.e2e.readers import LINK, ONE_CLICK, TYPE, WEB_LINK, Scene, for_another_reader, running_scene
from tests.harness import arrived, mail, submit
from tests.ports import reserved_port


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    with reserved_port() as port:
        async with running_scene(tmp_path_factory.mktemp("links"), port) as scene:
            yield scene


@pytest.fixture
def scene(shared: Scene) -> Scene:
    return for_another_reader(shared)


async def test_each_recipient_gets_a_link_of_his_own_that_is_the_same_in_text_and_header(scene: Scene) -> None:
    content = mail(body="Leave: [Unsubscribe]\r\n")
    before = len(scene.cloud.calls)
    with scene.relay.smtp(login="news") as client:

        def session() -> None:
            client.mail("shop@example.com")
            client.rcpt("a@example.net")
            client.rcpt("b@example.net")
            assert client.data(content)[0] == 250

        await asyncio.to_thread(session)
    await arrived(scene.relay, scene.cloud, before + 2)
    links = set()
    for call in list(scene.cloud.calls)[before:]:
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


async def test_a_field_that_belongs_to_no_other_does_not_stay_beside_ours(scene: Scene) -> None:
    parsed = email.message_from_bytes(await scene.sent(mail(extra="List-Unsubscribe-Post: something odd\r\n")))
    assert parsed.get_all("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]
    assert len(parsed.get_all("List-Unsubscribe", [])) == 1


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
    [told] = scene.told("unsubscribed")
    assert (told["by"], told["scope"]) == ("one click", "credential:news")


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
        waiting = await asyncio.to_thread(submit, client, mail(), to=scene.reader)
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
        stopped = await asyncio.to_thread(submit, client, mail(), to=scene.reader)
        order = await asyncio.to_thread(submit, client, mail(extra="X-Relay-Class: transactional\r\n"), to=scene.reader)
    assert await scene.relay.status(stopped, "suppressed") == ["suppressed"]
    assert await scene.relay.status(order, "delivered") == ["delivered"]
    assert len(scene.cloud.calls) == count + 1


async def test_a_login_may_have_a_line_with_the_link_put_under_its_mail(scene: Scene) -> None:
    raw = await scene.sent(mail(body="News\r\n"), login="footed")
    assert b"News\r\n\r\nYou no longer want this mail? Unsubscribe: http://127.0.0.1:" in raw
    found = LINK.search(raw)
    assert found
    assert (await scene.ask("POST", found[1].decode(), ONE_CLICK))[0] == 200
    assert "for credential:footed only" in await scene.suppressed()
    order = await scene.sent(mail(body="Your order\r\n", extra="X-Relay-Class: transactional\r\n"), login="footed")
    assert order.endswith(b"\r\n\r\nYour order\r\n")


SIGNED = 'MIME-Version: 1.0\r\nContent-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary=b\r\n'
BODY = "--b\r\n\r\nLeave: [Unsubscribe]\r\n--b\r\nContent-Type: application/pkcs7-signature\r\n\r\nMIIB\r\n--b--\r\n"


@pytest.mark.parametrize("login", ["app", "footed"])
async def test_what_is_signed_is_left_alone_and_the_journal_says_so(scene: Scene, login: str) -> None:
    raw = await scene.sent(mail(body=BODY, extra=SIGNED), login=login)
    assert raw.endswith(BODY.encode())
    [told] = [line for line in scene.relay.journal() if line["event"] == "links_left_alone"][-1:]
    assert (told["seal"], told["id"] in raw.decode()) == ("multipart/signed", True)


async def test_forged_tokens_open_nothing(scene: Scene) -> None:
    link = await scene.link()
    token = base64.urlsafe_b64decode(link[3:])
    changed = [token[:place] + bytes([token[place] ^ 1]) + token[place + 1 :] for place in range(39)]
    forged = [*changed, token[:23] + bytes(16), token[:-1], token + b"x", bytes(39), os.urandom(39), b""]
    for each in forged:
        for method in ("GET", "POST"):
            assert (await scene.ask(method, f"/u/{base64.urlsafe_b64encode(each).decode()}"))[0] == 404
        assert (await scene.ask("GET", f"/w/{base64.urlsafe_b64encode(each).decode()}"))[0] == 404
    for path in (link.replace("/u/", "/w/"), f"{link}/list", f"{link}/../x"):
        assert (await scene.ask("GET", path))[0] == 404
    assert "not suppressed" in await scene.suppressed()


async def test_a_scanner_that_opens_every_link_a_thousand_times_changes_nothing(tmp_path: Path, unused_tcp_port: int) -> None:
    async with running_scene(tmp_path, unused_tcp_port, RELAY_CALLBACKS__PROXIES="127.0.0.0/8") as scene:
        raw = await scene.sent(mail(body="[Unsubscribe] [WebVersion]\r\n"))
        links = [match[1].decode() for pattern in (LINK, WEB_LINK) for match in pattern.finditer(raw)]
        assert len(links) == 3
        url = f"http://127.0.0.1:{scene.relay.ports['callbacks']}"
        seen = Counter[int]()
        async with aiohttp.ClientSession() as http:
            for number in range(1000):
                scanner = {"X-Forwarded-For": f"192.0.2.{number % 100}"}
                for link in links:
                    async with http.request(("GET", "HEAD")[number % 2], url + link, headers=scanner) as answer:
                        seen[answer.status] += 1
        assert seen == {200: 3000}
        assert "not suppressed" in await scene.suppressed()
        assert (await scene.ask("POST", links[0], b"action=leave", kind=TYPE))[0] == 200
        assert "unsubscribed since" in await scene.suppressed()


async def test_who_plays_with_one_link_has_to_wait(scene: Scene) -> None:
    link, other = await scene.link(), await for_another_reader(scene).link()
    said = [(await scene.ask("POST", link, ONE_CLICK))[0] for _ in range(31)]
    assert said == [200] * 30 + [429]
    status, page, headers = await scene.ask("POST", link, b"action=come_back", kind=TYPE)
    assert (status, headers["Retry-After"], "Please wait a minute" in page) == (429, "60", True)
    assert "unsubscribed since" in await scene.suppressed()
    assert (await scene.ask("POST", other, ONE_CLICK))[0] == 200


async def test_who_comes_back_to_a_list_gets_its_mail(scene: Scene) -> None:
    of_list, of_all = await scene.link(extra="X-Relay-List: offers\r\n"), await scene.link()
    for link in (of_list, of_all):
        await scene.ask("POST", link, ONE_CLICK)
    assert "<h1>You are unsubscribed</h1>" in (await scene.ask("GET", of_list))[1]
    await scene.ask("POST", of_list, b"action=come_back", kind=TYPE)
    assert "not suppressed" in await scene.suppressed()
    await scene.ask("POST", of_all, ONE_CLICK)
    assert "<h1>You are unsubscribed</h1>" in (await scene.ask("GET", of_list))[1]


async def test_mail_whose_links_cannot_be_made_waits_until_they_can(tmp_path: Path, unused_tcp_port: int) -> None:
    async with running_scene(tmp_path, unused_tcp_port) as scene:
        await scene.relay.cli("queue", "pause", "--credential", "news")
        with scene.relay.smtp(login="news") as client:
            waiting = await asyncio.to_thread(submit, client, mail(body="[Unsubscribe]\r\n"))
        await scene.relay.stop()
        await scene.relay.start(RELAY_SECRETS__KEYS="")
        await scene.relay.cli("queue", "resume", "--credential", "news")
        await scene.relay.told("retry", id=f"{waiting}-1")
        with scene.relay.smtp(login="required") as client:
            client.mail("shop@example.com")
            client.rcpt("reader@example.net")
            code, text = await asyncio.to_thread(client.data, mail(body="[Unsubscribe]\r\n"))
        assert (code, text) == (451, b"4.3.5 Links in mail are not set up")
        assert not scene.cloud.calls
        await scene.relay.stop()
        await scene.relay.start()
        await scene.relay.cli("queue", "retry", waiting, "--yes")
        assert await scene.relay.status(waiting, "delivered") == ["delivered"]
        assert LINK.search(scene.cloud.calls[-1].raw)


async def test_a_reader_of_several_lists_chooses_among_them(scene: Scene) -> None:
    for name in ("offers", "news & <more>"):
        with scene.relay.smtp(login="news") as client:
            sent = await asyncio.to_thread(submit, client, mail(extra=f"X-Relay-List: {name}\r\n"), to=scene.reader)
        assert await scene.relay.status(sent, "delivered") == ["delivered"]
    link = await scene.link(extra="X-Relay-List: offers\r\n")
    assert f'<a href="{link.removeprefix("/u/")}/lists">' in (await scene.ask("GET", link))[1]
    status, page, _ = await scene.ask("GET", f"{link}/lists")
    assert (status, page.count(" checked>"), "news &amp; &lt;more&gt;</label>" in page) == (200, 2, True)
    shown = urlencode([("shown", "offers"), ("shown", "news & <more>")])
    for wanted, checked in (([], 0), (["offers"], 1), (["offers", "news & <more>"], 2), (["unheard of"], 0)):
        body = shown + "&" + urlencode([("action", "choose"), *(("list", name) for name in wanted)])
        status, page, _ = await scene.ask("POST", f"{link}/lists", body.encode(), kind=TYPE)
        assert (status, "Your choice is saved" in page, page.count(" checked>")) == (200, True, checked)
    await scene.ask("POST", f"{link}/lists", b"shown=offers&list=offers&action=choose", kind=TYPE)
    said = await scene.suppressed()
    assert "for list:news & <more> only" in said
    assert "list:offers" not in said


async def test_a_list_that_came_after_the_page_was_shown_is_not_left(scene: Scene) -> None:
    link = await scene.link(extra="X-Relay-List: offers\r\n")
    await scene.ask("POST", f"{link}/lists", b"shown=other&action=choose", kind=TYPE)
    assert "not suppressed" in await scene.suppressed()


async def test_what_a_proxy_says_of_the_reader_counts_only_if_it_is_ours(tmp_path: Path, unused_tcp_port: int) -> None:
    async with running_scene(tmp_path, unused_tcp_port, RELAY_CALLBACKS__PROXIES="127.0.0.0/8,10.0.0.0/8") as scene:
        link = await scene.link()
        url = f"http://127.0.0.1:{scene.relay.ports['callbacks']}{link}"

        async def look(forwarded: str) -> int:
            async with session.get(url, headers={"X-Forwarded-For": forwarded}) as answer:
                status: int = answer.status
                return status

        async with aiohttp.ClientSession() as session:
            assert {await look(f"198.51.100.{n % 250}, 192.0.2.1, 10.0.0.9") for n in range(600)} == {200}
            assert await look("203.0.113.5, 192.0.2.1") == 429
            assert await look("192.0.2.2") == 200
            assert await look("nonsense, 192.0.2.2") == 200
            assert await look("192.0.2.1, nonsense") == 200
            assert await look("192.0.2.1:4711") == 429
            assert await look("192.0.2.1, ::ffff:10.0.0.9") == 429


async def test_a_reader_unsubscribes_by_mail(tmp_path: Path, unused_tcp_port: int) -> None:
    mailbox = "leave@in.example.com"
    async with running_scene(tmp_path, unused_tcp_port, RELAY_PAGES__UNSUBSCRIBE_MAILBOX=mailbox) as scene:
        header = email.message_from_bytes(await scene.sent(mail()))["List-Unsubscribe"]
        found = re.fullmatch(r"<http://\S+/u/([\w-]{52})>,\s+<mailto:leave@in\.example\.com\?subject=([\w-]{52})>", header)
        assert found
        assert found[1] == found[2]
        assert scene.cloud.topic
        for subject in ("x" * 52, found[2]):
            said = {"notificationType": "Received", "receipt": {"recipients": [mailbox]}}
            scene.cloud.topic.publish(json.dumps(said | {"mail": {"commonHeaders": {"subject": subject}}}))
        await scene.relay.told("unsubscribed", by="mail")
        assert "for credential:news only" in await scene.suppressed()
        assert len(scene.told("unsubscribed")) == 1
