"""aiosmtpd as its manual shows it, over TLS, throwing every message away; and the program that is run for it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.bench.load import Target
from tests.bench.processes import LOGIN, Running, free_port, process


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Running]:
    """One process with two doors: implicit TLS without a login, and STARTTLS with one. Certificate and key are in `folder`."""
    tls, starttls = free_port(), free_port()
    command = (sys.executable, "-m", __name__, str(folder), str(tls), str(starttls))
    async with process(*command, port=starttls, log=folder / "log") as started:
        doors = {
            "tls": Target(port=tls, starttls=False, login=None),
            "starttls": Target(port=starttls, starttls=True, login=LOGIN),
        }
        yield Running(process_id=started.pid, doors=doors)


class Discard:
    """Answers 250 and keeps nothing."""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        return "250 OK"


def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == tuple(word.encode() for word in LOGIN))


async def main(folder: Path, tls: int, starttls: int) -> None:
    """A host name is given: without it, each connection waits for a DNS look-up."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "smtp.pem", folder / "smtp.key")
    implicit = Controller(Discard(), hostname="127.0.0.1", port=tls, ssl_context=context, server_hostname="bench.example")
    upgraded = Controller(
        Discard(),
        hostname="127.0.0.1",
        port=starttls,
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=authenticate,
        server_hostname="bench.example",
    )
    implicit.start()
    upgraded.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
