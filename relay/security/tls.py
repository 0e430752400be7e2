"""TLS for the doors: 1.2 and later, forward secrecy only."""

from __future__ import annotations

import ssl
from asyncio.sslproto import SSLProtocol
from pathlib import Path

from relay.errors import ConfigError

# Mozilla's "intermediate" profile without DHE; TLS 1.3 has its own list.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"

# asyncio's own loop keeps a buffer of 256 KB for each TLS connection; a TLS record has 16 KB. uvloop has its own protocol.
SSLProtocol.max_size = 16 * 1024


def server_context(certificate: Path, key: Path, *, section: str, file: str) -> ssl.SSLContext:
    """A context for listeners. Raises ConfigError for files that cannot be read or do not belong together."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    try:
        context.load_cert_chain(certificate, key)
    except FileNotFoundError as error:
        missing = certificate if not certificate.exists() else key
        raise ConfigError(file, f"{section}.certificate", f"{missing} does not exist") from error
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(file, f"{section}.key", f"{key} does not fit {certificate}: {error}") from error
    return context
