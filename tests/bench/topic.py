"""SNS as lean as it can be: a process that posts the events Send and Delivery of each message to the webhook, signed.

Signing is the work of AWS: a key of 1024 bits makes it six times cheaper than one of 2048. Checking a signature is then 13 µs
less work for the relay.
"""

from __future__ import annotations

import base64
import json
import os
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from relay.sandbox.events import Call, compose
from relay.security.certificates import self_signed
from tests.bench.counts import POSTED, Counts
from tests.harness import TOPIC

_CONNECTIONS = 10
_LOOK_EVERY = 0.002  # seconds between looks for new lines while a connection is free
_KEY, _CERTIFICATE = "sns.key", "sns.pem"


def make_signing_pair(folder: Path) -> None:
    key = rsa.generate_private_key(65537, 1024)
    (folder / _KEY).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate = self_signed(key, name="sns", now=time.time())
    (folder / _CERTIFICATE).write_bytes(certificate.public_bytes(Encoding.PEM))


class Topic:
    """Writes posts: what the sandbox composes, with the identifiers put in."""

    def __init__(self, folder: Path) -> None:
        key = load_pem_private_key((folder / _KEY).read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        self._key = key
        self._numbers = count()
        call = Call(
            ses_message_id="@ses@",
            at=datetime.now(UTC),
            source="shop@example.com",
            recipients=("reader@example.net",),
            tags={"relay_id": "@id@", "relay_try": "@try@"},
            configuration_set="tests",
            raw=b"",
        )
        self._templates = [compose(name, call, "reader@example.net") for name in ("send", "delivery")]

    def posts(self, line: str) -> Iterator[bytes]:
        """The requests for one message."""
        relay_id, attempt, ses_id = line.split()
        for template in self._templates:
            yield self._post(template.replace("@ses@", ses_id).replace("@id@", relay_id).replace("@try@", attempt))

    def _post(self, event: str) -> bytes:
        envelope = {
            "Message": event,
            "MessageId": f"{os.getpid():08x}-0000-4000-8000-{next(self._numbers):012x}",
            "Subject": "Amazon SES Email Event Notification",
            "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "TopicArn": TOPIC,
            "Type": "Notification",
        }
        text = "".join(f"{key}\n{value}\n" for key, value in envelope.items())
        envelope["SignatureVersion"] = "2"
        envelope["Signature"] = base64.b64encode(self._key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
        envelope["SigningCertURL"] = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
        body = json.dumps(envelope).encode()
        head = "POST /sns HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Length: {}\r\n\r\n"
        return head.format(len(body)).encode() + body


def _all_posts(topic: Topic, pipe: int) -> Iterator[bytes]:
    """Those of each line as it comes; an empty one where there is none just now."""
    held = b""
    while True:
        try:
            held += os.read(pipe, 4096)
        except BlockingIOError:
            yield b""
        *lines, held = held.split(b"\n")
        for line in lines:
            yield from topic.posts(line.decode())


def main(folder: Path, counts_file: Path, pipe: str, port: int) -> None:
    """One post at a time on each of the connections. Ends with an error at the first answer that is not 200."""
    counts = Counts(counts_file)
    posts = _all_posts(Topic(folder), os.open(pipe, os.O_RDWR | os.O_NONBLOCK))
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(_CONNECTIONS)]
    with selectors.DefaultSelector() as selector:
        for connection in idle:
            selector.register(connection, selectors.EVENT_READ, connection)
        while True:
            while idle and (post := next(posts)):
                idle.pop().sendall(post)
            for key, _ in selector.select(_LOOK_EVERY if idle else None):
                answer = key.data.recv(65536)
                assert answer.startswith(b"HTTP/1.1 200"), answer
                counts.add(POSTED)
                idle.append(key.data)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
