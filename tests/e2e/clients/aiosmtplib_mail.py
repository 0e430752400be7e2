"""aiosmtplib, with the octets that it was given."""

import asyncio
import os
from pathlib import Path

import aiosmtplib

environment = os.environ
sending = aiosmtplib.send(
    Path(environment["MAIL"]).read_bytes(),
    sender="shop@example.com",
    recipients=["reader@example.net"],
    hostname="localhost",
    port=int(environment["PORT"]),
    use_tls=bool(environment["TLS"]),
    start_tls=not environment["TLS"],
    cert_bundle=environment["CERTIFICATE"],
    username=environment["LOGIN"],
    password=environment["PASSWORD"],
)
asyncio.run(sending)
