"""Debian's Chromium, headless, driven by Playwright: used where it is installed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from tests.e2e.test_clients import needs

ROOT = Path(__file__).parents[2]
# What would look for servers of its maker.
_QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-quic")


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    program = needs("chromium")
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=[*_QUIET, *as_root])
        yield browser
        await browser.close()


async def violations(page: Page) -> list[str]:
    """Of the rules for accessible pages that axe-core knows. The page's own policy must have been turned off in its context."""
    await page.add_script_tag(path=needs(str(ROOT / ".node/node_modules/axe-core/axe.min.js")))
    found: dict[str, Any] = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{each['id']}: {node['html']}" for each in found["violations"] for node in each["nodes"]]
