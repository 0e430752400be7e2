"""Every page of the console in a real browser: at both widths and in both colours, for everybody, and by keyboard alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Dialog, Page, expect

from tests.e2e.browser import running_browser, violations
from tests.e2e.console import PASSWORD, admit, base_of, browsing, visiting
from tests.harness import APPLICATION, CRM, Relay, mail, running_relay, submit

PATHS = (
    "/",
    "/messages",
    "/queue",
    "/suppressions",
    "/mailings",
    "/credentials",
    "/senders",
    "/feedback",
    "/operators",
    "/audit",
    "/account",
)
WIDE: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}, "locale": "en"}
WIDTHS = {"phone": (390, "dark", "ru"), "desk": (1440, "light", "en")}
_LARGEST_LOAD = 150 * 1024


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
async def relay(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Relay]:
    async with running_relay(tmp_path_factory.mktemp("console"), APPLICATION, CRM) as (relay, _):
        await admit(relay)

        def sent() -> None:
            with relay.smtp() as client:
                for to in ("reader@example.net", "bounce@simulator.amazonses.com", "complaint@simulator.amazonses.com"):
                    submit(client, mail(), to=to)

        await asyncio.to_thread(sent)
        yield relay
        assert relay.faults() == []


async def complaints(page: Page, relay: Relay, path: str) -> list[str]:
    """What is wrong with a page as the browser sees it."""
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{path}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"{path}: {error}"))
    answer = await page.goto(base_of(relay) + path)
    assert answer
    if answer.status != 200:
        said.append(f"{path}: {answer.status}")
    if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        said.append(f"{path}: wider than the window")
    return said


@pytest.mark.parametrize("width", WIDTHS)
async def test_all_pages_fit_and_are_for_everybody(browser: Browser, relay: Relay, width: str) -> None:
    pixels, scheme, language = WIDTHS[width]
    look: dict[str, Any] = {"viewport": {"width": pixels, "height": 900}, "color_scheme": scheme, "locale": language}
    async with browsing(browser, relay, **look) as page:
        assert [each for path in PATHS for each in await complaints(page, relay, path)] == []
    async with browsing(browser, relay, bypass_csp=True, **look) as page:
        for path in PATHS:
            await page.goto(base_of(relay) + path)
            assert (path, await violations(page)) == (path, [])


async def test_the_first_load_is_small(relay: Relay) -> None:
    """Before anything is compressed."""
    async with visiting(relay, "viewer") as visitor:
        page = (await visitor.get("/")).source
        files = [(await visitor.get(path)).source for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', page)]
        assert len(files) >= 4
        assert sum(len(each.encode()) for each in (page, *files)) < _LARGEST_LOAD


async def test_the_keyboard_is_enough(browser: Browser, relay: Relay) -> None:
    context = await browser.new_context(**WIDE)
    page = await context.new_page()
    await page.goto(f"{base_of(relay)}/operators")
    await page.keyboard.type("admin")
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/operators")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="To the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    for _ in range(20):
        if await page.evaluate("document.activeElement.name === 'name'"):
            break
        await page.keyboard.press("Tab")
    await page.keyboard.type("by-keyboard")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="The password of by-keyboard")).to_be_visible()
    await context.close()


async def test_a_second_click_does_nothing(browser: Browser, relay: Relay) -> None:
    """The password that the first one has made would never be seen."""
    async with browsing(browser, relay, **WIDE) as page:
        for name in ("twice", "again"):
            await page.goto(f"{base_of(relay)}/operators")
            await page.get_by_label("Name").fill(name)
            await page.get_by_role("button", name="Admit").evaluate("it => { it.click(); setTimeout(() => it.click(), 10); }")
            await expect(page.get_by_role("heading", name=f"The password of {name}")).to_be_visible()


async def test_without_scripts_it_works_as_well(browser: Browser, relay: Relay) -> None:
    async with browsing(browser, relay, java_script_enabled=False, **WIDE) as page:
        await page.goto(f"{base_of(relay)}/operators")
        await page.get_by_label("Name").fill("scriptless")
        await page.get_by_role("button", name="Admit").click()
        await expect(page.get_by_role("heading", name="The password of scriptless")).to_be_visible()
        await page.get_by_role("link", name="Overview").click()
        await expect(page.get_by_text("As a table")).to_be_visible()


async def test_what_cannot_be_undone_is_asked_for(browser: Browser, relay: Relay) -> None:
    async with browsing(browser, relay, **WIDE) as page:
        await page.goto(f"{base_of(relay)}/operators")
        await page.get_by_label("Name").fill("to-go")
        await page.get_by_role("button", name="Admit").click()
        row = page.get_by_role("row").filter(has_text="to-go")
        for answer, left in ((Dialog.dismiss, 1), (Dialog.accept, 0)):
            page.once("dialog", answer)
            await row.get_by_text("Change to-go").click()
            await row.get_by_role("button", name="Remove").click()
            await expect(page.get_by_role("row").filter(has_text="to-go")).to_have_count(left)
            await page.goto(f"{base_of(relay)}/operators")
