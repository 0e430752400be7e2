"""The pages of links in mail, in a real browser: without scripts, by keyboard alone, for everybody, on any screen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.browser import running_browser, violations
from tests.e2e.readers import LINK, WEB_LINK, Scene, for_another_reader, running_scene, texts
from tests.e2e.test_web_version import NEWSLETTER, TYPE
from tests.harness import mail, submit
from tests.ports import reserved_port

LOGO = b'<svg xmlns="http://www.w3.org/2000/svg" width="120" height="40"><rect width="120" height="40" fill="#c2410c"/></svg>'
SCRIPTLESS = {"java_script_enabled": False}


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("pages")
    (folder / "logo.svg").write_bytes(LOGO)
    look = {"RELAY_PAGES__LOGO": str(folder / "logo.svg"), "RELAY_PAGES__COLOUR": "#c2410c"}
    with reserved_port() as port:
        async with running_scene(folder, port, **look) as scene:
            yield scene


@pytest.fixture
def scene(shared: Scene) -> Scene:
    return for_another_reader(shared)


async def opened(browser: Browser, scene: Scene, path: str, **options: Any) -> Page:
    context = await browser.new_context(**options)
    page = await context.new_page()
    await page.goto(f"http://127.0.0.1:{scene.relay.ports['callbacks']}{path}")
    return page


async def of_two_lists(scene: Scene) -> str:
    """A link of one who got mail of both."""
    for name in ("Offers", "Weekly news"):
        with scene.relay.smtp(login="news") as client:
            sent = await asyncio.to_thread(submit, client, mail(extra=f"X-Relay-List: {name}\r\n"), to=scene.reader)
        assert await scene.relay.status(sent, "delivered") == ["delivered"]
    return await scene.link(extra="X-Relay-List: Offers\r\n")


async def test_a_click_unsubscribes_and_another_takes_it_back(browser: Browser, scene: Scene) -> None:
    page = await opened(browser, scene, await scene.link(), **SCRIPTLESS)
    await expect(page).to_have_title("Unsubscribe · Shop & Söhne")
    await expect(page.get_by_role("img", name="Shop & Söhne")).to_be_visible()
    assert "not suppressed" in await scene.suppressed()
    await page.get_by_role("button", name="Unsubscribe").click()
    await expect(page.get_by_role("heading")).to_have_text("You are unsubscribed")
    assert "for credential:news only" in await scene.suppressed()
    await page.get_by_role("button", name="Subscribe again").click()
    await expect(page.get_by_role("heading")).to_have_text("You are subscribed again")
    assert "not suppressed" in await scene.suppressed()
    assert await page.get_by_role("button").count() == 0


async def test_the_keyboard_is_enough(browser: Browser, scene: Scene) -> None:
    page = await opened(browser, scene, await of_two_lists(scene), **SCRIPTLESS)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Unsubscribe")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading")).to_have_text("You are unsubscribed")
    for _ in range(2):
        await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Or choose which mail you get")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading")).to_have_text("Which mail do you want?")
    boxes = [page.get_by_role("checkbox", name=name) for name in ("Offers", "Weekly news")]
    assert [await box.is_checked() for box in boxes] == [False, True]
    for _ in range(2):
        await page.keyboard.press("Tab")
        await page.keyboard.press("Space")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading")).to_have_text("Your choice is saved")
    assert [await box.is_checked() for box in boxes] == [True, False]
    said = await scene.suppressed()
    assert "for list:Weekly news only" in said
    assert "list:Offers" not in said


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everybody_can_use_them(browser: Browser, scene: Scene, scheme: str) -> None:
    link = await of_two_lists(scene)
    web = texts(await scene.sent(mail(body="[WebVersion]\r\n" + "x" * 300 + "\r\n")))
    found = WEB_LINK.search(web)
    assert found
    for path in (link, f"{link}/lists", "/u/" + "A" * 52, found[1].decode()):
        page = await opened(browser, scene, path, bypass_csp=True, color_scheme=scheme, viewport={"width": 320, "height": 480})
        assert await violations(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= 320
        assert await page.locator("html").get_attribute("lang") == "en"
        await page.context.close()


async def test_a_reader_is_spoken_to_in_his_language(browser: Browser, scene: Scene) -> None:
    page = await opened(browser, scene, await scene.link(), locale="ru-RU", **SCRIPTLESS)
    await expect(page.get_by_role("button")).to_have_text("Отписаться")
    await expect(page.locator("html")).to_have_attribute("lang", "ru")


async def test_a_web_version_is_shown_and_runs_nothing(browser: Browser, scene: Scene, tmp_path: Path) -> None:
    raw = texts(await scene.sent(mail(body=NEWSLETTER, extra=TYPE)))
    link, leave = (pattern.search(raw) for pattern in (WEB_LINK, LINK))
    assert link
    assert leave
    context = await browser.new_context()
    page = await context.new_page()
    answers: dict[str, int] = {}
    page.on("response", lambda answer: answers.update({answer.url: answer.status}))
    await page.goto(link[0].decode())
    await expect(page.get_by_role("heading")).to_have_text("Grüße")
    assert answers == {link[0].decode(): 200, f"{link[0].decode()}/logo%40example.com": 200}
    assert await page.title() != "run"
    await page.get_by_role("link", name="Leave").click()
    await expect(page.get_by_role("button", name="Unsubscribe")).to_be_visible()
    assert page.url == leave[0].decode()
