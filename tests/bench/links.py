"""`python -m tests.bench.links`: what [Unsubscribe] costs, at intake and at each call, by the size and encoding of a text."""

from __future__ import annotations

import base64
import quopri
import statistics
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from relay.model import Edit
from relay.reading import mime
from relay.writing import edits
from relay.writing.edits import LinkEdits

_ROUNDS = 15
_LINKS = {"Unsubscribe": "https://relay.example.com/u/" + "x" * 52}
_WITH = LinkEdits(longest=_LINKS, adds_pair=True, replaces=False)
_ROW = b'<tr><td style="color:#333333">Some words of a newsletter, which go on and on</td></tr>\r\n'
_ENCODE: dict[str, Callable[[bytes], bytes]] = {
    "7bit": lambda html: html,
    "quoted-printable": lambda html: quopri.encodestring(html.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n"),
    "base64": lambda html: base64.encodebytes(html).replace(b"\n", b"\r\n"),
}


def _message(size: int, encoding: str) -> bytes:
    head = (
        "From: a@example.com\r\nTo: b@example.net\r\nDate: Fri, 21 Nov 2025 10:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n"
        f"MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    return head.encode() + _ENCODE[encoding](_ROW * (size // len(_ROW)) + b'<a href="[Unsubscribe]">Leave</a>\r\n')


def _milliseconds(what: Callable[[], object]) -> str:
    seen = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        what()
        seen.append(1000 * (time.perf_counter() - began))
    return f"{statistics.median(seen):.3f}"


def main() -> None:
    """Prints medians; a message as it is stands beside the same with its macro."""
    table = Table("octets", "encoding", "intake", "with the macro", "a call", "with the macro", title="ms")
    for size in (10_000, 1_000_000):
        for encoding in _ENCODE:
            content = _message(size, encoding)
            parsed = mime.read(content)

            def needed(links: LinkEdits | None, content: bytes = content, parsed: mime.Parsed = parsed) -> tuple[Edit, ...]:
                id, host = "01ARZ3NDEKTSV4RRFFQ69G5FAV", "relay.example.com"
                return edits.needed(content, parsed, message_id=id, hostname=host, protocol="ESMTPSA", now=1.7e9, links=links)

            def sent(found: tuple[Edit, ...], content: bytes = content) -> bytes:
                return b"".join(edits.edited(content, found, _LINKS))

            plain, linked = needed(None), needed(_WITH)
            cells = [lambda: needed(None), lambda: needed(_WITH), lambda: sent(plain), lambda: sent(linked)]  # noqa: B023
            table.add_row(str(size), encoding, *map(_milliseconds, cells))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
