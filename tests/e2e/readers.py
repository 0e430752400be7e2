"""A relay with links in mail: what the far side gets, and what a reader's browser and mailbox provider do."""

from __future__ import annotations

import asyncio
import base64
import email
import email.policy
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

from relay.credential import ListUnsubscribe, Macros, MessageClass, Recipients
from relay.sandbox.cloud import Cloud
from tests.harness import APPLICATION, Relay, Settings, arrived, mail, running_relay, submit

KEYS = f"1:{base64.b64encode(b'k' * 32).decode()}"
NEWS = replace(APPLICATION, name="news", list_unsubscribe=ListUnsubscribe.ADD, recipients=Recipients.SPLIT)
REPLACING = replace(NEWS, name="replacing", list_unsubscribe=ListUnsubscribe.REPLACE)
REQUIRED = replace(APPLICATION, name="required", macros=Macros.REQUIRED)
FOOTED = replace(APPLICATION, name="footed", macros=Macros.FOOTER)
ORDERS = replace(NEWS, name="orders", message_class=MessageClass.TRANSACTIONAL)
LOGINS = (APPLICATION, NEWS, REPLACING, REQUIRED, FOOTED, ORDERS)
TYPE = "application/x-www-form-urlencoded"
ONE_CLICK = b"List-Unsubscribe=One-Click"
WEB_LINK = re.compile(rb"http://127\.0\.0\.1:\d+(/w/[A-Za-z0-9_=-]{52})")
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
    """`reader` is whom the mail of a test goes to, if it does not say."""

    relay: Relay
    cloud: Cloud
    reader: str = "reader@example.net"

    async def sent(self, content: bytes, *, login: str = "news", to: str = "") -> bytes:
        """What the far side got."""
        count = len(self.cloud.calls)
        with self.relay.smtp(login=login) as client:
            await asyncio.to_thread(submit, client, content, to=to or self.reader)
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

    async def suppressed(self) -> str:
        return (await self.relay.cli("suppression", "check", self.reader, check=False))[1]

    def told(self, event: str) -> list[dict[str, Any]]:
        """What the journal says of the reader."""
        return [line for line in self.relay.journal() if line["event"] == event and line.get("address") == self.reader]


_NUMBERS = count(1)


def for_another_reader(scene: Scene) -> Scene:
    """The same relay, and a reader who has got nothing yet."""
    return replace(scene, reader=f"reader-{next(_NUMBERS)}@example.net")


def one_link(raw: bytes) -> str:
    header = email.message_from_bytes(raw, policy=email.policy.compat32)["List-Unsubscribe"]
    found = LINK.search(header.encode())
    assert found
    return found[1].decode()


def texts(raw: bytes) -> bytes:
    """All parts of a message, decoded."""
    found = (part.get_payload(decode=True) for part in email.message_from_bytes(raw).walk())
    return b"\n".join(octets for octets in found if isinstance(octets, bytes))


@asynccontextmanager
async def running_scene(folder: Path, port: int, *, fault: str = "", **more: str) -> AsyncIterator[Scene]:
    """`more` are settings by their variables; `fault` are words of what the relay is to complain of, and of nothing else."""
    async with running_relay(folder, *LOGINS, settings=settings(port) | more) as (relay, cloud):
        yield Scene(relay, cloud)
        others = [line for line in relay.faults() if not fault or fault not in line.get("what", "")]
        assert others == [], others
