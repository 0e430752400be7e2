"""The relay behind the HAProxy of config/compose, its ports and names rewritten: who asks is the client, on every way in."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import yaml

from relay.sandbox.cloud import Cloud
from relay.security.certificates import make_server_pair
from tests.e2e.test_clients import needs
from tests.harness import Relay, arrived, mail, running_relay, unverified
from tests.wire import connected

COMPOSE = Path(__file__).parents[2] / "config" / "compose"
CLIENT = "127.0.0.2"
DOORS = {2587: "submission", 2465: "submissions", 8080: "callbacks"}
HEALTH = 8404
SETTINGS = {"RELAY_SMTP__PROXIES": "127.0.0.1", "RELAY_CALLBACKS__PROXIES": "127.0.0.1"}
FreePort = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Balancer:
    """HAProxy as it runs: its ports by those of the file."""

    ports: dict[int, int]

    async def is_well(self) -> bool:
        """By the health check of compose.yaml."""
        said: list[str] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]["balancer"]["healthcheck"]["test"]
        words = [word.replace(str(HEALTH), str(self.ports[HEALTH])) for word in said[1:]]
        process = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.DEVNULL)
        return await process.wait() == 0

    async def soon(self, *, is_well: bool) -> None:
        for _ in range(150):
            if await self.is_well() is is_well:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"is_well is not {is_well}")


def rewritten(text: str, *, nodes: Sequence[Relay], bound: dict[int, int], nowhere: int, certificate: Path) -> str:
    """The shipped file for this machine: node N of it is the relay N of ours, and of those that we have not nobody listens."""

    def server(found: re.Match[str]) -> str:
        name, port, rest = f"relay-{found[1]}", int(found[2]), found[3]
        relay = nodes[int(found[1]) - 1] if int(found[1]) <= len(nodes) else None
        door, private = (relay.ports[DOORS[port]], relay.ports["private"]) if relay else (nowhere, nowhere)
        return f"server {name} 127.0.0.1:{door} port {private}{rest}"

    text = re.sub(r"server relay-(\d) relay-\1:(\d+)(.*)", server, text)
    text = text.replace("maxconn 7500", "maxconn 100")  # a login may open few files
    text = re.sub(r"bind (?:127\.0\.0\.1)?:(\d+)", lambda found: f"bind 127.0.0.1:{bound[int(found[1])]}", text)
    return text.replace("/run/secrets/callbacks.pem", str(certificate))


@asynccontextmanager
async def running_haproxy(folder: Path, nodes: Sequence[Relay], free_port: FreePort) -> AsyncIterator[Balancer]:
    """It does not start with a file that it warns of."""
    program = needs("haproxy")
    key, certificate, both = (folder / name for name in ("web.key", "web.pem", "both.pem"))
    make_server_pair(key_file=key, certificate_file=certificate, name="localhost", now=0)
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    ports = {port: free_port() for port in (2587, 2465, 8443, HEALTH)}
    text, file = (COMPOSE / "haproxy.cfg").read_text(), folder / "haproxy.cfg"
    file.write_text(rewritten(text, nodes=nodes, bound=ports, nowhere=free_port(), certificate=both))
    with (folder / "haproxy.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(program, "-dW", "-f", file, stdout=log, stderr=log)
    try:
        balancer = Balancer(ports)
        await balancer.soon(is_well=True)
        yield balancer
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.fixture
async def scene(tmp_path: Path, url: str, unused_tcp_port_factory: FreePort) -> AsyncIterator[tuple[Relay, Cloud, Balancer]]:
    async with (
        running_relay(tmp_path, settings={"RELAY_STORE__URL": url, **SETTINGS}) as (relay, cloud),
        running_haproxy(tmp_path, [relay], unused_tcp_port_factory) as balancer,
    ):
        yield relay, cloud, balancer


async def test_mail_arrives_and_its_client_is_known(scene: tuple[Relay, Cloud, Balancer]) -> None:
    relay, cloud, balancer = scene
    for count, (port, has_tls) in enumerate({2587: False, 2465: True}.items(), 1):
        async with connected(balancer.ports[port], source=CLIENT) as wire:
            if has_tls:
                await wire.shake_hands()
            assert await wire.reply() == "220 localhost ESMTP relay"
            if not has_tls:
                assert await wire.ask("STARTTLS") == "220 2.0.0 Ready to start TLS"
                await wire.shake_hands()
            await wire.log_in("app")
            message_id = await wire.submit(mail(subject=f"through {port}"))
        assert (await relay.told("accepted", id=message_id))["peer"] == CLIENT
        assert f"through {port}".encode() in await arrived(relay, cloud, count)
        assert await relay.status(message_id, "delivered") == ["delivered"]
    assert relay.faults() == []


async def test_a_post_is_the_clients_whatever_it_says_itself(scene: tuple[Relay, Cloud, Balancer]) -> None:
    relay, _, balancer = scene
    connector = aiohttp.TCPConnector(local_addr=(CLIENT, 0), ssl=unverified())
    async with aiohttp.ClientSession(connector=connector) as http:
        forged = {"X-Forwarded-For": "192.0.2.66"}
        async with http.post(f"https://127.0.0.1:{balancer.ports[8443]}/sns", data=b"{}", headers=forged) as answer:
            assert answer.status == 400
    assert (await relay.told("feedback_refused"))["peer"] == CLIENT


async def test_the_balancer_is_ill_without_a_node_and_well_with_one(scene: tuple[Relay, Cloud, Balancer]) -> None:
    relay, _, balancer = scene
    ports = {door: f"127.0.0.1:{relay.ports[door]}" for door in ("submission", "submissions", "callbacks", "private")}
    assert await relay.stop() == 0
    await balancer.soon(is_well=False)
    await relay.start(
        RELAY_SMTP__SUBMISSION=ports["submission"],
        RELAY_SMTP__SUBMISSIONS=ports["submissions"],
        RELAY_CALLBACKS__LISTEN=ports["callbacks"],
        RELAY_PRIVATE__LISTEN=ports["private"],
    )
    await balancer.soon(is_well=True)
    async with connected(balancer.ports[2587], source=CLIENT) as wire:
        assert await wire.reply() == "220 localhost ESMTP relay"
