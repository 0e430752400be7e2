"""Makes certificates: self-signed ones for the sandbox and for trying things out."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def self_signed(key: PrivateKey, *, name: str, now: float, days: int = 825) -> x509.Certificate:
    """A certificate for `name`, localhost and 127.0.0.1 that vouches for itself."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begins = datetime.fromtimestamp(now, UTC) - timedelta(hours=1)
    names = [x509.DNSName(name), x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )


def make_server_pair(*, key_file: Path, certificate_file: Path, name: str, now: float) -> None:
    """For TLS listeners: ECDSA P-256, half the handshake cost of RSA. Left alone where both files exist."""
    _make_pair(lambda: ec.generate_private_key(ec.SECP256R1()), key_file, certificate_file, name, now)


def make_signing_pair(*, key_file: Path, certificate_file: Path, name: str, now: float) -> None:
    """For signing as SNS does: RSA 2048. Left alone where both files exist."""
    _make_pair(lambda: rsa.generate_private_key(65537, 2048), key_file, certificate_file, name, now)


def _make_pair(new_key: Callable[[], PrivateKey], key_file: Path, certificate_file: Path, name: str, now: float) -> None:
    if key_file.exists() and certificate_file.exists():
        return
    key = new_key()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    descriptor = os.open(key_file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    certificate_file.write_bytes(self_signed(key, name=name, now=now).public_bytes(Encoding.PEM))
