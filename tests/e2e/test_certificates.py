"""What a TLS client sees: which certificate, which versions and ciphers, and new files without a new start."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import NameOID

from relay.sandbox.cloud import Cloud
from relay.security.certificates import make_server_pair, make_signing_pair
from tests.harness import APPLICATION, Relay, mail, running_relay, submit, unverified
from tests.wire import client_hello


def _make(folder: Path, name: str, *, stem: str = "") -> tuple[Path, Path]:
    """A new pair for a name and localhost: certificate and key."""
    certificate, key = folder / f"{stem or name}.pem", folder / f"{stem or name}.key"
    make_server_pair(key_file=key, certificate_file=certificate, name=name, now=time.time())
    return certificate, key


def _further(folder: Path) -> dict[str, str]:
    """Two other names, and an RSA key for the names of the first pair."""
    rsa = (folder / "rsa.pem", folder / "rsa.key")
    make_signing_pair(key_file=rsa[1], certificate_file=rsa[0], name="localhost", now=time.time())
    pairs = [_make(folder, "mail.example.com"), _make(folder, "*.shop.example", stem="shop"), rsa]
    return {
        "RELAY_SMTP__FURTHER_CERTIFICATES": ",".join(str(certificate) for certificate, _ in pairs),
        "RELAY_SMTP__FURTHER_KEYS": ",".join(str(key) for _, key in pairs),
    }


@pytest_asyncio.fixture(scope="module")
async def named(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Relay]:
    folder = tmp_path_factory.mktemp("named")
    async with running_relay(folder, settings=_further(folder)) as (relay, _):
        yield relay


def _shown(port: int, asked: str | None = None, context: ssl.SSLContext | None = None) -> x509.Certificate:
    """The certificate of a TLS listener."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
        (context or unverified()).wrap_socket(raw, server_hostname=asked) as wrapped,
    ):
        certificate = wrapped.getpeercert(binary_form=True)
    assert certificate
    return x509.load_der_x509_certificate(certificate)


def _name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _events(relay: Relay, event: str) -> list[dict[str, Any]]:
    return [line for line in relay.journal() if line["event"] == event]


async def _until(what: Callable[[], bool]) -> None:
    for _ in range(400):
        if what():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never came")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, "localhost"),
        ("localhost", "localhost"),
        ("mail.example.com", "mail.example.com"),
        ("MAIL.Example.Com", "mail.example.com"),
        ("a.shop.example", "*.shop.example"),
        ("a.b.shop.example", "localhost"),
        ("unknown.example", "localhost"),
    ],
)
def test_a_client_gets_the_certificate_for_the_name_it_asks_for(named: Relay, asked: str | None, expected: str) -> None:
    assert _name(_shown(named.ports["submissions"], asked)) == expected


def test_after_starttls_too(named: Relay) -> None:
    with socket.create_connection(("127.0.0.1", named.ports["submission"]), timeout=10) as raw:
        for command in (b"EHLO x\r\n", b"STARTTLS\r\n", b""):
            assert raw.recv(1000).startswith((b"220 ", b"250-"))
            raw.sendall(command)
        with unverified().wrap_socket(raw, server_hostname="mail.example.com") as wrapped:
            certificate = wrapped.getpeercert(binary_form=True)
    assert certificate
    assert _name(x509.load_der_x509_certificate(certificate)) == "mail.example.com"


def _limited(ciphers: str) -> ssl.SSLContext:
    """A client that knows no more than TLS 1.2 and some ciphers."""
    context = unverified()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    return context


@pytest.mark.parametrize("asked", [None, "localhost"])
@pytest.mark.parametrize(
    ("cipher", "kind"),
    [
        ("ECDHE-ECDSA-AES128-GCM-SHA256", EllipticCurvePublicKey),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", EllipticCurvePublicKey),
        ("ECDHE-RSA-AES256-GCM-SHA384", RSAPublicKey),
        ("ECDHE-RSA-CHACHA20-POLY1305", RSAPublicKey),
    ],
)
def test_a_client_that_knows_only_one_kind_of_key_gets_it(named: Relay, asked: str | None, cipher: str, kind: type) -> None:
    assert isinstance(_shown(named.ports["submissions"], asked, _limited(cipher)).public_key(), kind)


@pytest.mark.parametrize(
    "cipher",
    ["AES128-GCM-SHA256", "AES256-SHA", "DHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384"],
)
async def test_a_cipher_without_forward_secrecy_or_with_cbc_is_refused(named: Relay, cipher: str) -> None:
    assert "NO_SHARED_CIPHER" in await _why_refused(named, _limited(f"{cipher}:@SECLEVEL=0"))


async def _why_refused(relay: Relay, context: ssl.SSLContext) -> str:
    """As the journal has it: the loop closes without a TLS alert."""
    before = len(_events(relay, "connection_failed"))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _shown(relay.ports["submissions"], None, context)
    await _until(lambda: len(_events(relay, "connection_failed")) > before)
    return str(_events(relay, "connection_failed")[-1]["why"])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_versions_before_1_2_are_refused(named: Relay, version: ssl.TLSVersion) -> None:
    context = unverified()
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        context.minimum_version, context.maximum_version = version, version
    context.set_ciphers("ALL:@SECLEVEL=0")
    assert "UNSUPPORTED_PROTOCOL" in await _why_refused(named, context)


def test_tls_1_3_is_taken_by_who_knows_it(named: Relay) -> None:
    with socket.create_connection(("127.0.0.1", named.ports["submissions"]), timeout=10) as raw:
        assert unverified().wrap_socket(raw).version() == "TLSv1.3"


def test_a_client_that_wants_to_renegotiate_is_refused(named: Relay) -> None:
    """`R` is the command of s_client for it. Before the greeting has come it would meet that in the middle of its handshake."""
    client = subprocess.Popen(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{named.ports['submissions']}", "-tls1_2"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert client.stdout
    while not client.stdout.readline().startswith(b"220 "):
        pass
    said, _ = client.communicate(b"R\n", timeout=20)
    assert b"RENEGOTIATING" in said
    assert b"no renegotiation" in said


# New files.


@pytest_asyncio.fixture(scope="module")
async def renewed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Relay]:
    """Its webhook speaks HTTPS; no topic posts to it."""
    folder = tmp_path_factory.mktemp("renewed")
    certificate, key = _make(folder, "callbacks.example", stem="callbacks")
    cloud = Cloud()
    port = await cloud.start()
    relay = Relay(folder, port, RELAY_CALLBACKS__CERTIFICATE=str(certificate), RELAY_CALLBACKS__KEY=str(key))
    try:
        await relay.start(APPLICATION)
        yield relay
    finally:
        await relay.stop()
        await cloud.stop()


def _put(relay: Relay, stem: str, name: str, *suffixes: str) -> None:
    """Puts the files of a new pair in the place of those that are served."""
    _make(relay.folder, name)
    for suffix in suffixes:
        (relay.folder / f"{stem}{suffix}").write_bytes((relay.folder / f"{name}{suffix}").read_bytes())


async def test_sighup_reads_all_files_anew_even_those_that_are_the_same(renewed: Relay) -> None:
    os.kill(renewed.process_id, signal.SIGHUP)
    await _until(lambda: len(_events(renewed, "certificate_loaded")) == 2)
    found = [(line["section"], line["name"], line["level"]) for line in _events(renewed, "certificate_loaded")]
    assert found == [("smtp", "localhost", "info"), ("callbacks", "callbacks.example", "info")]


async def test_new_files_are_for_new_handshakes_and_open_connections_go_on(renewed: Relay) -> None:
    smtp, callbacks = renewed.ports["submissions"], renewed.ports["callbacks"]
    with renewed.smtp() as upgraded, renewed.smtp(tls=True) as client:
        _put(renewed, "smtp", "new.example", ".pem", ".key")
        _put(renewed, "callbacks", "new-callbacks.example", ".pem", ".key")
        os.kill(renewed.process_id, signal.SIGHUP)
        await _until(lambda: _name(_shown(smtp)) == "new.example")
        await _until(lambda: _name(_shown(callbacks)) == "new-callbacks.example")
        for connection in (upgraded, client):
            await asyncio.to_thread(submit, connection, mail())


async def test_half_a_new_pair_changes_nothing_until_the_other_half_is_there(renewed: Relay) -> None:
    """The key, and the webhook's whole pair, are seen without a signal."""
    smtp, callbacks = renewed.ports["submissions"], renewed.ports["callbacks"]
    before = _name(_shown(smtp))
    _put(renewed, "smtp", "late.example", ".pem")
    os.kill(renewed.process_id, signal.SIGHUP)
    await _until(lambda: bool(_events(renewed, "certificate_refused")))
    refused = _events(renewed, "certificate_refused")[0]
    assert refused["level"] == "error"
    assert f"smtp.key: {renewed.folder}/smtp.key does not fit {renewed.folder}/smtp.pem: " in refused["why"]
    assert _name(_shown(smtp)) == before
    with renewed.smtp() as client:
        await asyncio.to_thread(submit, client, mail())
    _put(renewed, "smtp", "late.example", ".key")
    _put(renewed, "callbacks", "late-callbacks.example", ".pem", ".key")
    await _until(lambda: _name(_shown(smtp)) == "late.example")
    await _until(lambda: _name(_shown(callbacks)) == "late-callbacks.example")
    assert len(_events(renewed, "certificate_refused")) == 1
    assert not _events(renewed, "bug")


@pytest.mark.parametrize("section", ["SMTP", "CALLBACKS"])
async def test_a_key_that_does_not_fit_stops_the_start(tmp_path: Path, section: str) -> None:
    (certificate, _), (_, key) = _make(tmp_path, "a.example"), _make(tmp_path, "b.example")
    settings = {f"RELAY_{section}__CERTIFICATE": str(certificate), f"RELAY_{section}__KEY": str(key)}
    status, said = await Relay(tmp_path, 9, **settings).cli("serve", check=False)
    assert status == 2
    assert f"{section.lower()}.key: {key} does not fit {certificate}: " in said


async def test_a_name_that_nobody_can_read_is_a_line_of_the_journal(named: Relay) -> None:
    name = "unreadable.example"
    hello = client_hello(name).replace(name.encode(), b"\xff" * len(name))
    with socket.create_connection(("127.0.0.1", named.ports["submissions"]), timeout=10) as client:
        client.sendall(hello)
        await asyncio.to_thread(client.recv, 100)
    lines = (named.folder / "relay.log").read_text().splitlines()
    assert [line for line in lines if not line.startswith("{")] == []
    assert "UnicodeDecodeError" in next(line["text"] for line in named.journal() if line["event"] == "library")
