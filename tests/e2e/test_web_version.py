"""The web version: what a reader sees is what was sent to him, it can do nothing, and one day it is gone."""

from __future__ import annotations

import base64
import html
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from relay.store.sqlite.store import SqliteStore
from tests.e2e.readers import LINK, WEB_LINK, Scene, running_scene, texts
from tests.harness import mail
from tests.ports import reserved_port

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
NEWSLETTER = (
    "--b\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n"
    "--a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nSee [WebVersion]\r\n"
    "--a\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    '<html><body><h1>Grüße</h1><img src="cid:logo@example.com">'
    '<a href="[WebVersion]">In a browser</a> <a href="[Unsubscribe]">Leave</a>'
    "<script>document.title = 'run'</script></body></html>\r\n--a--\r\n"
    "--b\r\nContent-Type: image/png\r\nContent-ID: <logo@example.com>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    f"{base64.b64encode(PNG).decode()}\r\n--b--\r\n"
)
TYPE = "MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n"


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    with reserved_port() as port:
        async with running_scene(tmp_path_factory.mktemp("web"), port) as scene:
            yield scene


async def web_version(scene: Scene, content: bytes, **options: str) -> str:
    """The path of its link."""
    found = WEB_LINK.search(texts(await scene.sent(content, **options)))
    assert found
    return found[1].decode()


async def test_the_html_is_as_it_was_sent_with_the_readers_own_links(scene: Scene) -> None:
    raw = await scene.sent(mail(body=NEWSLETTER, extra=TYPE))
    (link,) = {match[1].decode() for match in WEB_LINK.finditer(raw)}
    (leave,) = {match[1].decode() for match in LINK.finditer(raw)}
    status, page, headers = await scene.ask("GET", link)
    base = f"http://127.0.0.1:{scene.relay.ports['callbacks']}"
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "<h1>Grüße</h1>" in page
    assert f'<a href="{base}{link}">In a browser</a> <a href="{base}{leave}">Leave</a>' in page
    assert f'<img src="{base}{link}/logo%40example.com">' in page


async def test_it_can_do_nothing_but_be_seen(scene: Scene) -> None:
    link = await web_version(scene, mail(body=NEWSLETTER, extra=TYPE))
    for path in (link, f"{link}/logo%40example.com"):
        _, _, headers = await scene.ask("HEAD", path)
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none';")
        assert not any(word in policy for word in ("allow-scripts", "allow-same-origin", "allow-forms", "script-src"))
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"


async def test_an_image_in_the_mail_is_there_and_nothing_else_of_it(scene: Scene) -> None:
    link = await web_version(scene, mail(body=NEWSLETTER, extra=TYPE))
    url = f"http://127.0.0.1:{scene.relay.ports['callbacks']}{link}"
    async with aiohttp.ClientSession() as http, http.get(f"{url}/logo@example.com") as answer:
        assert (answer.status, answer.content_type, await answer.read()) == (200, "image/png", PNG)
    assert (await scene.ask("GET", f"{link}/other@example.com"))[0] == 404


async def test_a_plain_text_is_a_page_of_ours(scene: Scene) -> None:
    body = "Grüße <b>\r\nSee [WebVersion]\r\nLeave: [Unsubscribe]\r\n"
    kind = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    link = await web_version(scene, mail(body=body, extra=kind))
    status, page, headers = await scene.ask("GET", link)
    assert (status, "Grüße &lt;b&gt;" in page, "sandbox" in headers["Content-Security-Policy"]) == (200, True, False)
    assert page.count('rel="') == 2
    assert html.unescape(page).count(link) == 2


async def test_a_footer_is_in_it(scene: Scene) -> None:
    kind = "MIME-Version: 1.0\r\nContent-Type: text/html\r\n"
    link = await web_version(scene, mail(body="<body>[WebVersion]</body>\r\n", extra=kind), login="footed")
    assert ">Unsubscribe</a></p>\r\n</body>" in (await scene.ask("GET", link))[1]


async def test_a_large_one_is_shown_as_well(scene: Scene) -> None:
    kind = "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n"
    content = mail(body="[WebVersion]\r\n" + "<p>Grüße</p>\r\n" * 60_000, extra=kind)
    status, page, _ = await scene.ask("GET", await web_version(scene, content))
    assert (status, page.count("Grüße")) == (200, 60_000)


async def let_go(scene: Scene) -> None:
    """Its content, as after all its days."""
    store = await SqliteStore.open(scene.relay.path)
    assert sum([count async for count in store.retention.web_versions(time.time() + 1)]) == 1
    await store.close()


async def damage(scene: Scene) -> None:
    with closing(sqlite3.connect(scene.relay.path)) as other, other:
        other.execute("UPDATE bodies SET content = x'00'")


@pytest.mark.parametrize("happens", [let_go, damage])
async def test_what_is_not_kept_any_more_is_said_to_be(
    tmp_path: Path, unused_tcp_port: int, happens: Callable[[Scene], Awaitable[None]]
) -> None:
    async with running_scene(tmp_path, unused_tcp_port, fault="cannot be shown" if happens is damage else "") as scene:
        link = await web_version(scene, mail(body="[WebVersion]\r\n"))
        assert (await scene.ask("GET", link))[0] == 200
        assert await scene.relay.stop() == 0
        await happens(scene)
        await scene.relay.start()
        status, page, _ = await scene.ask("GET", link)
        assert (status, "not kept any more" in page) == (410, True)
