"""TLS for the doors: 1.2 and later, forward secrecy only; certificates by the name a client asks for, read anew on change."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from relay import journal, metrics
from relay.errors import ConfigError

# Mozilla's "intermediate" profile without DHE; TLS 1.3 has its own list.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"


@dataclass(frozen=True, slots=True)
class Pair:
    """The PEM files of one certificate, its chain included, and its key."""

    certificate: Path
    key: Path


class ServerTls:
    """The certificates of one door. `context` is for its listeners, and never changes; what it serves does, by `reload`.

    The first pair is for clients that ask for no name, or for one that no certificate has.
    """

    def __init__(self, pairs: Sequence[Pair], *, section: str, file: str) -> None:
        """Raises ConfigError for files that cannot be read or do not belong together."""
        self._pairs = tuple(pairs)
        self.section = section
        self._file = file
        self._contexts: dict[str, ssl.SSLContext] = {}
        self.expires: dict[str, float] = {}
        """The first name of each certificate, and the second since the epoch at which it ends; of several, the first."""
        self.refused = ""
        """Why the files that are there now cannot be used."""
        self._seen = self._versions()
        self._load()
        self.context = _context()
        self.context.sni_callback = self._choose

    def reload(self) -> bool:
        """Reads all files anew. What cannot be used is journaled, and changes nothing."""
        self._seen = self._versions()
        try:
            self._load()
        except ConfigError as error:
            self.refused = str(error)
            journal.certificate_refused(why=self.refused)
            return False
        self.refused = ""
        for name, ends in self.expires.items():
            journal.certificate_loaded(section=self.section, name=name, ends=ends)
        return True

    def has_changed(self) -> bool:
        """Whether a file is not the one that was read last."""
        return self._versions() != self._seen

    def _load(self) -> None:
        """Certificates for the same names share a context: one with an RSA key beside one with ECDSA."""
        shared: dict[frozenset[str], ssl.SSLContext] = {}
        contexts: dict[str, ssl.SSLContext] = {}
        expires: dict[str, float] = {}
        for pair in self._pairs:
            context = self._loaded(_context(), pair)
            names, ends = self._names_and_end(pair.certificate)
            if (same := frozenset(names)) in shared:
                context = self._loaded(shared[same], pair)
            shared[same] = context
            name = names[0] if names else str(pair.certificate)
            expires[name] = min(ends, expires.get(name, ends))
            for asked in ("", *names):
                contexts.setdefault(asked, context)
        for name in self.expires.keys() - expires.keys():
            metrics.certificate_ends.remove(self.section, name)
        self._contexts, self.expires = contexts, expires
        for name, ends in expires.items():
            metrics.certificate_ends.labels(self.section, name).set(ends)

    def _loaded(self, context: ssl.SSLContext, pair: Pair) -> ssl.SSLContext:
        try:
            context.load_cert_chain(pair.certificate, pair.key, password=_no_password)
        except FileNotFoundError as error:
            key, missing = ("key", pair.key) if pair.certificate.exists() else ("certificate", pair.certificate)
            raise ConfigError(self._file, f"{self.section}.{key}", f"{missing} does not exist") from error
        except ssl.SSLError as error:
            why = f"{pair.key} does not fit {pair.certificate}: {error}"
            raise ConfigError(self._file, f"{self.section}.key", why) from error
        except OSError as error:
            key, unread = ("key", pair.key) if _is_readable(pair.certificate) else ("certificate", pair.certificate)
            raise ConfigError(self._file, f"{self.section}.{key}", f"{unread} cannot be read: {error.strerror}") from error
        return context

    def _names_and_end(self, certificate: Path) -> tuple[tuple[str, ...], float]:
        """The DNS names of a certificate, in lower case, and when it ends."""
        try:
            read = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
            names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return (), read.not_valid_after_utc.timestamp()
        except (OSError, ValueError) as error:
            raise ConfigError(self._file, f"{self.section}.certificate", f"{certificate}: {error}") from error
        found = tuple(name.lower() for name in names.get_values_for_type(x509.DNSName))
        return found, read.not_valid_after_utc.timestamp()

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, asked: str | None, _: ssl.SSLContext) -> None:
        """Called in each handshake, also where no name is asked for. RFC 6125 6.4.3: a wildcard stands for one label."""
        name = (asked or "").lower()
        found = self._contexts.get(name) or self._contexts.get("*." + name.partition(".")[2])
        connection.context = found or self._contexts[""]

    def _versions(self) -> list[tuple[int, int, int] | None]:
        return [_version(path) for pair in self._pairs for path in (pair.certificate, pair.key)]


def _is_readable(path: Path) -> bool:
    try:
        path.open("rb").close()
    except OSError:
        return False
    return True


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.num_tickets = 1  # of OpenSSL's two; each is some 50 µs of a handshake
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


def _no_password() -> str:
    """For a key that is encrypted. Without it OpenSSL asks on the terminal, and the relay stands still."""
    return ""


def _version(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file does, also when a link is set to another file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
