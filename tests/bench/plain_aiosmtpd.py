"""The peer: aiosmtpd as its manual shows it, over TLS, throwing every message away. Prints its port, ends with its input."""

from __future__ import annotations

import ssl
import sys
from typing import Any

from aiosmtpd.controller import Controller


class Discard:
    """Answers 250 and keeps nothing."""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        return "250 OK"


def main() -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    controller = Controller(Discard(), hostname="127.0.0.1", port=int(sys.argv[3]), ssl_context=context)
    controller.start()
    print("ready", flush=True)
    sys.stdin.read()
    controller.stop()


if __name__ == "__main__":
    main()
