"""The public URL, reached and judged as SNS would: a chain to a public authority, the name, the dates, and our answer."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from urllib.parse import urlsplit

from relay.config_rules import is_loopback
from relay.doctor.look import Look
from relay.findings import Verdict, fail, ok, warning
from relay.settings import Config

_SECONDS = 15.0  # as long as SNS waits
_DAYS_WARN = 14
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")


async def public_url(look: Look) -> Verdict:
    """From here: whether a firewall lets SNS in only the confirmation shows."""
    url = look.config.webhook
    if not url and look.config.feedback.queues:
        return ok("not needed: events come through a queue")
    if not url:
        return warning("callbacks.public_url is not set: not looked at", "set it to how the Internet reaches the relay")
    try:
        async with asyncio.timeout(_SECONDS):
            status, certificate = await _got(url)
    except ssl.SSLCertVerificationError as error:
        why = f"{url}: SNS would not take its certificate: {error.verify_message}"
        return fail(why, "get one of a public authority, and serve it with its chain")
    except (OSError, TimeoutError, ValueError) as error:
        remedy = "start the relay; see that the name leads to it, and that the port is open to the Internet"
        return fail(f"{url}: {str(error) or 'no answer within 15 s'}", remedy)
    return _judged(url, certificate) if status == 405 else _alien(look.config, status)


async def _got(url: str) -> tuple[int, dict[str, object]]:
    """The status of a GET, 0 for what is no HTTP, and the certificate. Raises OSError."""
    parts = urlsplit(url)
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or (443 if tls else 80), ssl=tls)
    try:
        writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
        found = _STATUS.match(await reader.readline())
        return int(found[1]) if found else 0, writer.get_extra_info("peercert") or {}
    finally:
        writer.close()


def _judged(url: str, certificate: dict[str, object]) -> Verdict:
    """Its chain, its name and its beginning OpenSSL has judged."""
    if not certificate:
        plain = f"{url} answers, in plain HTTP"
        return ok(f"{plain}, as a sandbox may") if is_loopback(url) else fail(plain, "SNS's posts come over https")
    days = (ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()) / 86400
    seen = f"{url} answers; its certificate ends in {days:.0f} days"
    return warning(seen, "renew it, where TLS ends") if days < _DAYS_WARN else ok(seen)


def _alien(config: Config, status: int) -> Verdict:
    """The webhook takes POST alone: GET is answered 405."""
    if 500 <= status < 600:
        return fail(
            f"{config.webhook} answers {status}", "what stands before the relay does not reach it: see callbacks.listen"
        )
    seen = f"{config.webhook} answers {status or 'no HTTP'}: that is not the relay"
    return fail(seen, f"let what stands before the relay pass {config.feedback.webhook_path} on, unchanged")
