"""`python -m tests.bench.policy`: what judging a message costs, beside what Python's `email` takes to read it."""

from __future__ import annotations

import email
import email.policy
import os
import platform
import statistics
import time
from base64 import encodebytes
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from relay import judge
from relay.writing import edits
from tests.bench.load import content_of
from tests.harness import APPLICATION

_ROUNDS = 15
_SECONDS = 0.05  # of each round, at least


def _with_attachments(count: int, size: int) -> bytes:
    """A text and so many attachments of `size` octets of base64 together."""
    body = encodebytes(os.urandom(size // count * 3 // 4)).replace(b"\n", b"\r\n")
    part = b'Content-Type: application/pdf; name="offer.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\n' + body
    mixed = b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
    text = b"\r\n--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
    head, _, _ = content_of(0).partition(b"\r\n\r\n")
    return head + b"\r\n" + mixed + text + b"".join(b"\r\n--b\r\n" + part for _ in range(count)) + b"\r\n--b--\r\n"


_MESSAGES = {
    "4 KB, plain": content_of(4096),
    "200 KB, two attachments": _with_attachments(2, 200 * 1024),
    "10 MB, two attachments": _with_attachments(2, 10 * 1024 * 1024),
}


def _judged(content: bytes) -> None:
    case = judge.case(content, APPLICATION)
    judge.judge(case, frozenset())
    edits.needed(content, case.parsed, message_id="0" * 26, hostname="localhost", protocol="ESMTPSA", now=1e9)


def _read_by_email(content: bytes) -> None:
    for part in email.message_from_bytes(content, policy=email.policy.default).walk():
        part.get_filename()


def _milliseconds(step: Callable[[bytes], None], content: bytes) -> list[float]:
    """One figure for each round."""
    return [_round(step, content) for _ in range(_ROUNDS)]


def _round(step: Callable[[bytes], None], content: bytes) -> float:
    began, count = time.perf_counter(), 0
    while (took := time.perf_counter() - began) < _SECONDS:
        step(content)
        count += 1
    return 1000 * took / count


def _cell(figures: list[float]) -> str:
    return f"{statistics.median(figures):.3f}  ({min(figures):.3f} to {max(figures):.3f})"


def main() -> None:
    """Prints one table."""
    table = Table(title=f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, Python {platform.python_version()}")
    for column in ("ms for a message", "judged and edits worked out", "email reads it, names of parts asked for"):
        table.add_column(column)
    for name, content in _MESSAGES.items():
        table.add_row(name, _cell(_milliseconds(_judged, content)), _cell(_milliseconds(_read_by_email, content)))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
