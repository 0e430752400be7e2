"""`python -m tests.pictures`: the pictures of the console in docs/pictures, at both widths, of a relay with mail of a day."""

from __future__ import annotations

import asyncio
import random
import tempfile
from pathlib import Path

from playwright.async_api import Browser

from relay.control.client import ControlClient
from relay.webhooks.webhook import Webhook
from tests.e2e.browser import running_browser
from tests.e2e.console import admit, base_of, browsing
from tests.harness import Relay, mail, running_relay, submit

_FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
_READERS = ("ann@example.net", "bert@example.net", "carla@example.org", "dora@example.com")
_AT_SES = ("bounce", "complaint", "ooto", "success", "success")
_SHOPS = ("shop@example.com", "news@example.com", "billing@example.com")
_SUBJECTS = ("Your order 4711", "News of this week", "Invoice 2026-117", "Welcome", "Your password was changed")
_SIZES = {"desk": (1440, 900, "light", "en"), "phone": (390, 844, "dark", "ru")}
_SETTINGS = {
    "RELAY_SMTP__HOSTNAME": "relay.example.com",
    "RELAY_SMTP__SUBMISSION": "127.0.0.1:2587",
    "RELAY_SMTP__SUBMISSIONS": "127.0.0.1:2465",
    "RELAY_SECRETS__KEYS": "1:" + "A" * 43 + "=",
}
_PAGES = {
    "overview": "/",
    "messages": "/messages",
    "message": "/messages/{id}",
    "suppressions": "/suppressions",
    "queue": "/queue",
    "credentials": "/credentials",
    "login": "/credentials/app",
    "senders": "/senders",
    "mailings": "/mailings",
    "feedback": "/feedback",
    "webhooks": "/webhooks",
}


def _send(relay: Relay) -> list[str]:
    dice = random.Random(7)
    sent = []
    with relay.smtp() as client:
        for number in range(120):
            label = dice.choice(_AT_SES)
            to = f"{label}+{number}@simulator.amazonses.com" if dice.random() < 0.25 else dice.choice(_READERS)
            sender = dice.choice(_SHOPS)
            extra = f"X-Relay-Campaign: {dice.choice(('spring', 'welcome', 'orders'))}\r\nX-Relay-Id: order-{number}\r\n"
            content = mail(to=to, sender=sender, subject=dice.choice(_SUBJECTS), extra=extra)
            sent.append(submit(client, content, to=to, sender=sender))
    return sent


async def _taken(relay: Relay, browser: Browser, size: str, id: str) -> None:
    width, height, scheme, locale = _SIZES[size]
    options = {"viewport": {"width": width, "height": height}, "color_scheme": scheme, "locale": locale}
    async with browsing(browser, relay, "admin", **options) as page:
        for name, path in _PAGES.items():
            await page.goto(base_of(relay) + path.format(id=id))
            await page.wait_for_timeout(500)
            await page.screenshot(path=_FOLDER / f"{name}-{size}.png")


async def main() -> None:
    _FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with running_relay(Path(folder), settings=_SETTINGS) as (relay, _), running_browser() as browser:
            await admit(relay)
            await ControlClient(relay.where.control).put_webhook(Webhook(name="crm", url="https://crm.example.com/ses"))
            sent = await asyncio.to_thread(_send, relay)
            await asyncio.sleep(5)
            for size in _SIZES:
                await _taken(relay, browser, size, sent[-3])


if __name__ == "__main__":
    asyncio.run(main())
