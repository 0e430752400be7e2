from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from relay import journal, metrics
from relay.errors import ConfigError
from relay.security.certificates import make_server_pair, make_signing_pair, self_signed
from relay.security.tls import Pair, ServerTls

NOW = float(int(time.time()))
DAY = 86400.0


def made(folder: Path, name: str, *, now: float = NOW, rsa: bool = False) -> Pair:
    """A new pair for `name` and localhost, in files named after it."""
    stem = name.replace("*", "any") + ("-rsa" if rsa else "")
    pair = Pair(folder / f"{stem}.pem", folder / f"{stem}.key")
    make = make_signing_pair if rsa else make_server_pair
    make(key_file=pair.key, certificate_file=pair.certificate, name=name, now=now)
    return pair


def served(*pairs: Pair) -> ServerTls:
    return ServerTls(pairs, section="smtp", file="relay.toml")


def shown(tls: ServerTls, asked: str | None, ciphers: str = "") -> str:
    """The common name of the certificate that a client gets who asks for a name, or knows only TLS 1.2 and some ciphers."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if ciphers:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
    client = context.wrap_bio(to_client, to_server, server_hostname=asked)
    server = tls.context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    certificate = client.getpeercert(binary_form=True)
    assert certificate
    common = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value)


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What the journal has got."""
    stream = StringIO()
    journal.open_journal(stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    journal.open_journal(stream=StringIO())


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, "first.example"),
        ("first.example", "first.example"),
        ("second.example", "second.example"),
        ("SECOND.Example", "second.example"),
        ("a.shop.example", "*.shop.example"),
        ("A.Shop.Example", "*.shop.example"),
        ("mail.shop.example", "mail.shop.example"),
        ("a.b.shop.example", "first.example"),
        ("shop.example", "first.example"),
        ("localhost", "first.example"),
        ("unknown.example", "first.example"),
        ("example", "first.example"),
    ],
)
def test_a_client_gets_the_certificate_for_the_name_it_asks_for(tmp_path: Path, asked: str | None, expected: str) -> None:
    names = ("first.example", "second.example", "*.shop.example", "mail.shop.example")
    assert shown(served(*(made(tmp_path, name) for name in names)), asked) == expected


def test_the_end_of_each_certificate_is_known(tmp_path: Path) -> None:
    tls = served(made(tmp_path, "a.example"), made(tmp_path, "b.example", now=NOW + DAY))
    first = NOW - 3600 + 825 * DAY
    assert tls.expires == {"a.example": first, "b.example": first + DAY}


def test_of_two_kinds_of_keys_for_the_same_names_the_first_end_is_known(tmp_path: Path) -> None:
    tls = served(made(tmp_path, "a.example", now=NOW - DAY), made(tmp_path, "a.example", rsa=True))
    assert tls.expires == {"a.example": NOW - 3600 + 824 * DAY}


def test_two_kinds_of_keys_are_both_served_whatever_the_order_of_their_names(tmp_path: Path) -> None:
    elliptic, rsa = made(tmp_path, "a.example"), made(tmp_path, "b.example", rsa=True)
    turned = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.DNSName("a.example")])
    key = load_pem_private_key(rsa.key.read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    first = x509.load_pem_x509_certificate(rsa.certificate.read_bytes())
    again = x509.CertificateBuilder(first.issuer, first.subject, first.public_key(), first.serial_number)
    again = again.not_valid_before(first.not_valid_before_utc).not_valid_after(first.not_valid_after_utc)
    signed = again.add_extension(turned, critical=False).sign(key, SHA256())
    rsa.certificate.write_bytes(signed.public_bytes(Encoding.PEM))
    tls = served(elliptic, rsa)
    assert shown(tls, "a.example", "ECDHE-ECDSA-AES128-GCM-SHA256") == "a.example"
    assert shown(tls, "a.example", "ECDHE-RSA-AES128-GCM-SHA256") == "b.example"


def test_a_change_of_any_file_is_seen_once(tmp_path: Path) -> None:
    first, second = made(tmp_path, "a.example"), made(tmp_path, "b.example")
    tls = served(first, second)
    for path in (first.certificate, first.key, second.certificate, second.key):
        assert not tls.has_changed()
        path.touch()
        os.utime(path, (NOW + 10, NOW + 10))
        assert tls.has_changed()
        tls.refused = "what was there before"
        assert tls.reload()
        assert tls.refused == ""
    assert not tls.has_changed()


def test_a_link_that_is_set_to_another_file_is_a_change(tmp_path: Path) -> None:
    """Certbot and Kubernetes do it so."""
    for folder in (tmp_path / "1", tmp_path / "2"):
        folder.mkdir()
        made(folder, "a.example")
    live = tmp_path / "live"
    live.symlink_to(tmp_path / "1")
    tls = served(Pair(live / "a.example.pem", live / "a.example.key"))
    assert not tls.has_changed()
    live.unlink()
    live.symlink_to(tmp_path / "2")
    assert tls.has_changed()


def test_reading_anew_serves_the_new_certificate_and_says_until_when(
    tmp_path: Path, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    old, new = made(tmp_path, "old.example"), made(tmp_path, "new.example", now=NOW + DAY)
    tls = served(old)
    new.certificate.replace(old.certificate)
    new.key.replace(old.key)
    assert tls.reload()
    assert shown(tls, None) == "new.example"
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - 3600 + 826 * DAY))
    assert [(line["event"], line["level"], line["section"], line["name"], line["ends"]) for line in lines()] == [
        ("certificate_loaded", "info", "smtp", "new.example", ends)
    ]


def test_until_when_a_certificate_is_good_is_measured_while_it_is_served(tmp_path: Path) -> None:
    def measured(name: str) -> float | None:
        labels = {"section": "smtp", "name": name}
        return metrics.registry.get_sample_value("relay_certificate_ends_timestamp_seconds", labels)

    old, new, kept = (made(tmp_path, f"{name}.example") for name in ("old", "new", "kept"))
    tls = served(old, kept)
    assert measured("old.example") == measured("kept.example") == NOW - 3600 + 825 * DAY
    new.certificate.replace(old.certificate)
    new.key.replace(old.key)
    assert tls.reload()
    assert (measured("old.example"), measured("new.example")) == (None, measured("kept.example"))
    old.certificate.write_text("no certificate\n")
    assert not tls.reload()
    assert measured("new.example") == measured("kept.example") == NOW - 3600 + 825 * DAY


def lose_the_certificate(pair: Pair, other: Pair) -> None:
    pair.certificate.unlink()


def lose_the_key(pair: Pair, other: Pair) -> None:
    pair.key.unlink()


def write_no_pem(pair: Pair, other: Pair) -> None:
    pair.certificate.write_text("no certificate\n")


def write_half_a_certificate(pair: Pair, other: Pair) -> None:
    pair.certificate.write_bytes(pair.certificate.read_bytes()[:200])


def take_another_key(pair: Pair, other: Pair) -> None:
    other.key.replace(pair.key)


def take_another_certificate(pair: Pair, other: Pair) -> None:
    other.certificate.replace(pair.certificate)


def empty_the_key(pair: Pair, other: Pair) -> None:
    pair.key.write_bytes(b"")


def encrypt_the_key(pair: Pair, other: Pair) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    secret = BestAvailableEncryption(b"secret")
    pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret))
    pair.certificate.write_bytes(self_signed(key, name="x.example", now=NOW).public_bytes(Encoding.PEM))


def put_a_folder_for_the_certificate(pair: Pair, other: Pair) -> None:
    """Root, who runs tests, may read all files; a folder nobody can."""
    pair.certificate.unlink()
    pair.certificate.mkdir()


def put_a_folder_for_the_key(pair: Pair, other: Pair) -> None:
    pair.key.unlink()
    pair.key.mkdir()


MISHAPS: list[tuple[Callable[[Pair, Pair], None], str]] = [
    (lose_the_certificate, "relay.toml: smtp.certificate: {pair.certificate} does not exist"),
    (lose_the_key, "relay.toml: smtp.key: {pair.key} does not exist"),
    (put_a_folder_for_the_certificate, "relay.toml: smtp.certificate: {pair.certificate} cannot be read: Is a directory"),
    (put_a_folder_for_the_key, "relay.toml: smtp.key: {pair.key} cannot be read: Is a directory"),
    (write_no_pem, "relay.toml: smtp.key: {pair.key} does not fit {pair.certificate}: "),
    (write_half_a_certificate, "relay.toml: smtp.key: {pair.key} does not fit {pair.certificate}: "),
    (take_another_key, "relay.toml: smtp.key: {pair.key} does not fit {pair.certificate}: "),
    (take_another_certificate, "relay.toml: smtp.key: {pair.key} does not fit {pair.certificate}: "),
    (empty_the_key, "relay.toml: smtp.key: {pair.key} does not fit {pair.certificate}: "),
    (encrypt_the_key, "relay.toml: smtp.key: {pair.key} does not fit {pair.certificate}: "),
]


@pytest.mark.parametrize(("mishap", "why"), MISHAPS, ids=lambda value: getattr(value, "__name__", ""))
def test_files_that_cannot_be_used_stop_the_start(tmp_path: Path, mishap: Callable[[Pair, Pair], None], why: str) -> None:
    pair, other = made(tmp_path, "a.example"), made(tmp_path, "b.example")
    mishap(pair, other)
    with pytest.raises(ConfigError) as refused:
        served(pair)
    assert str(refused.value).startswith(why.format(pair=pair))


@pytest.mark.parametrize(("mishap", "why"), MISHAPS, ids=lambda value: getattr(value, "__name__", ""))
def test_files_that_cannot_be_used_later_change_nothing(
    tmp_path: Path, lines: Callable[[], list[dict[str, Any]]], mishap: Callable[[Pair, Pair], None], why: str
) -> None:
    """Not even the other pair, which was changed at the same time and is good."""
    changed, good = made(tmp_path, "a.example"), made(tmp_path, "good.example")
    tls = served(good, changed)
    expires = tls.expires
    better, other = made(tmp_path, "better.example"), made(tmp_path, "b.example")
    better.certificate.replace(good.certificate)
    better.key.replace(good.key)
    mishap(changed, other)
    assert not tls.reload()
    assert [(line["event"], line["level"]) for line in lines()] == [("certificate_refused", "error")]
    assert lines()[0]["why"].startswith(why.format(pair=changed))
    assert tls.refused == lines()[0]["why"]
    assert (shown(tls, None), shown(tls, "a.example")) == ("good.example", "a.example")
    assert tls.expires == expires
    assert not tls.has_changed()


def test_nobody_is_asked_for_the_password_of_a_key(tmp_path: Path) -> None:
    """OpenSSL would ask on the terminal, and all connections would wait for the answer."""
    pair = made(tmp_path, "a.example")
    encrypt_the_key(pair, pair)
    start = f"from tests.unit.test_tls import *; served(Pair(Path({str(pair.certificate)!r}), Path({str(pair.key)!r})))"
    ended = subprocess.run(
        [sys.executable, "-c", start], stdin=subprocess.DEVNULL, capture_output=True, start_new_session=True, check=False
    )
    assert b"ConfigError" in ended.stderr
    assert b"pass phrase" not in ended.stderr
