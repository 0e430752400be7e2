"""Our own ports as a scanner sees them: nothing older than TLS 1.2, nothing weak, nothing that ever had a name of its own."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from xml.etree.ElementTree import Element, parse

import pytest

from tests.harness import Relay

SCANNER = shutil.which("sslscan")
# What each is scanned with.
DOORS = {"submission": ("--starttls-smtp",), "submissions": (), "api": (), "callbacks": ()}

pytestmark = pytest.mark.skipif(not SCANNER, reason="sslscan is not installed")


@pytest.fixture(scope="module")
async def relay(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Relay]:
    folder = tmp_path_factory.mktemp("relay")
    pair = {"CERTIFICATE": str(folder / "smtp.pem"), "KEY": str(folder / "smtp.key")}
    settings = {f"RELAY_{section}__{name}": value for section in ("API", "CALLBACKS") for name, value in pair.items()}
    found = Relay(folder, 1, **settings)  # SES is not asked for anything
    await found.start()
    yield found
    await found.stop()


@pytest.fixture(scope="module", params=DOORS)
async def seen(relay: Relay, request: pytest.FixtureRequest) -> Element:
    door = str(request.param)
    file = relay.folder / f"{door}.xml"
    words = [*DOORS[door], "--no-failed", f"--xml={file}", f"127.0.0.1:{relay.ports[door]}"]
    process = await asyncio.create_subprocess_exec(str(SCANNER), *words, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0
    found = parse(file).getroot().find("ssltest")
    assert found is not None
    return found


def test_what_is_spoken(seen: Element) -> None:
    spoken = {(each.get("type"), each.get("version")) for each in seen.iter("protocol") if each.get("enabled") == "1"}
    assert spoken == {("tls", "1.2"), ("tls", "1.3")}


def test_every_cipher_is_strong_and_forgets(seen: Element) -> None:
    """Forward secrecy and authenticated encryption."""
    ciphers = [(each.get("cipher", ""), int(each.get("bits", "0"))) for each in seen.iter("cipher")]
    assert len(ciphers) >= 4
    for name, bits in ciphers:
        assert bits >= 128, name
        assert name.startswith(("TLS_", "ECDHE-", "DHE-")), name
        assert any(word in name for word in ("GCM", "CHACHA20", "POLY1305", "CCM")), name


def test_no_known_weakness(seen: Element) -> None:
    assert {each.get("supported") for each in seen.iter("compression")} <= {"0"}
    assert [(each.get("supported"), each.get("secure")) for each in seen.iter("renegotiation")] != [("1", "0")]
    assert {each.get("sslversion") for each in seen.iter("heartbleed")} == {"TLSv1.2", "TLSv1.3"}
    assert [each.get("sslversion") for each in seen.iter("heartbleed") if each.get("vulnerable") == "1"] == []


def test_the_certificate_is_signed_as_today(seen: Element) -> None:
    signatures = {each.text for each in seen.iter("signature-algorithm")}
    assert signatures == {"ecdsa-with-SHA256"}
