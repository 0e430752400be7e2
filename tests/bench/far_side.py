"""SES as lean as it can be, so that what is measured is the relay: a process with kept connections, over TLS or not.

It takes its time for an answer where it is told to, as SES does. It reads each body to the length that was announced, answers
a MessageId, notes how long after its DATA a message of the relay was there, and tells the other half of the far side, `topic`,
through a pipe. Nothing is checked but that: the sandbox checks.
"""

from __future__ import annotations

import argparse
import os
import re
import selectors
import socket
import ssl
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from tests.bench.counts import DELIVERED, Counts

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_TAGS = re.compile(rb'"relay_id", "Value": "([0-9A-Z]{26})(-\d+)"}, {"Name": "relay_try", "Value": "(\d+)"')
_CROCKFORD = {digit: value for value, digit in enumerate(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ")}
_ACCOUNT = (
    b'{"SendQuota": {"Max24HourSend": 100000000.0, "MaxSendRate": 100000.0, "SentLast24Hours": 0.0}, "SendingEnabled": true,'
    b' "ProductionAccessEnabled": true, "EnforcementStatus": "HEALTHY"}'
)
_HANDSHAKE = 5.0
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"

Answer = Callable[[bytes, bytes], bytes]
"""Head and body of a request -> body of its answer."""


class Ses:
    """Counts what came. `seconds` gets two numbers for each message: when it was there, and how long after its DATA.

    `pipe` gets a line: its id with its number, its try, and the identifier it was answered.
    """

    def __init__(self, counts: Counts, seconds: int, pipe: int | None) -> None:
        self._counts = counts
        self._seconds = seconds
        self._pipe = pipe
        self._number = 0

    def answer(self, head: bytes, body: bytes) -> bytes:
        if not head.startswith(b"POST /v2/email/outbound-emails "):
            return _ACCOUNT
        assert body.endswith(b"}"), body[-100:]
        self._number += 1
        ses_id = b"0100%012x-%08x-000000" % (self._number, os.getpid())
        if found := _TAGS.search(body, 0, 2000):  # a relay's, and not a peer's
            self._note(found, ses_id)
        self._counts.add(DELIVERED)
        return b'{"MessageId": "%s"}' % ses_id

    def _note(self, found: re.Match[bytes], ses_id: bytes) -> None:
        now = time.time()
        os.write(self._seconds, struct.pack("dd", now, now - _began(found[1])))
        if self._pipe is not None:  # where the other half does not keep pace, this one waits
            os.write(self._pipe, b"%s%s %s %s\n" % (found[1], found[2], found[3], ses_id))


def _began(ulid: bytes) -> float:
    """When the relay made the identifier: at DATA, in whole milliseconds."""
    milliseconds = 0
    for digit in ulid[:10]:
        milliseconds = milliseconds * 32 + _CROCKFORD[digit]
    return milliseconds / 1000


class _Later:
    """Answers that are given after so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: deque[tuple[float, socket.socket, bytes]] = deque()

    def give(self, to: socket.socket, octets: bytes) -> None:
        if not self._seconds:
            to.sendall(octets)
            return
        self._waiting.append((time.monotonic() + self._seconds, to, octets))

    def rest(self) -> float:
        """Seconds until the next one."""
        return max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else 1.0

    def give_due(self) -> None:
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            _, to, octets = self._waiting.popleft()
            with suppress(OSError):
                to.sendall(octets)


class _Connection:
    def __init__(self, connected: socket.socket, later: _Later) -> None:
        self.socket = connected
        self._later = later
        self._received = bytearray()

    def obey(self, answer: Answer) -> bool:
        """Answers what is complete. False once the other side has gone."""
        try:
            with suppress(ssl.SSLWantReadError, BlockingIOError):
                while piece := self.socket.recv(65536):
                    self._received += piece
                return False
            for head, body in self._requests():
                text = answer(head, body)
                self._later.give(self.socket, _OK % (len(text), text))
        except OSError:
            return False
        return True

    def _requests(self) -> Iterator[tuple[bytes, bytes]]:
        while (end := self._received.find(b"\r\n\r\n") + 4) > 3:
            head = bytes(self._received[:end])
            length = _LENGTH.search(head)
            whole = end + (int(length[1]) if length else 0)
            if len(self._received) < whole:
                return
            yield head, bytes(self._received[end:whole])
            del self._received[:whole]


def _serve(listener: socket.socket, tls: ssl.SSLContext | None, answer: Answer, later: _Later) -> None:
    """For as long as the process that started it is there."""
    parent = os.getppid()
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while os.getppid() == parent:
            for key, _ in selector.select(later.rest()):
                if not key.data:
                    _accept(selector, listener, tls, later)
                elif not key.data.obey(answer):
                    selector.unregister(key.fileobj)
                    key.data.socket.close()
            later.give_due()


def _accept(selector: selectors.BaseSelector, listener: socket.socket, tls: ssl.SSLContext | None, later: _Later) -> None:
    plain, _ = listener.accept()
    plain.settimeout(_HANDSHAKE)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(OSError):
        taken = tls.wrap_socket(plain, server_side=True) if tls else plain
        taken.setblocking(False)
        selector.register(taken, selectors.EVENT_READ, _Connection(taken, later))


def main(folder: Path, counts: Path, pipe: str, *, is_plain: bool, answer_seconds: float) -> None:
    """Until it is told to end. Certificate and key are in `folder`; the port is said on standard output."""
    tls = None if is_plain else ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if tls:
        tls.load_cert_chain(folder / "ses.pem", folder / "ses.key")
    seconds = os.open(folder / "seconds", os.O_WRONLY | os.O_APPEND)
    ses = Ses(Counts(counts), seconds, os.open(pipe, os.O_RDWR) if pipe else None)
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        print(listener.getsockname()[1], flush=True)
        _serve(listener, tls, ses.answer, _Later(answer_seconds))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.far_side")
    parser.add_argument("folder", type=Path)
    parser.add_argument("counts", type=Path)
    parser.add_argument("pipe")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--answer-seconds", type=float, default=0.0)
    return parser.parse_args()


if __name__ == "__main__":
    options = _options()
    main(options.folder, options.counts, options.pipe, is_plain=options.plain, answer_seconds=options.answer_seconds)
