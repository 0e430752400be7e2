"""Reads the answer to one request of HTTP/1.1 out of octets as they come. No I/O.

RFC 9112, sections 4 to 7, as far as a server may use it towards a client that POSTs: interim answers, a body by its length, in
chunks or until the connection closes. What is not plain is refused: then nobody knows what the server did.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_ANSWER = 64 * 1024  # octets of head and body together

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n]*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*+([^\r\n\0]*+)")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,6})[ \t]*(?:;[^\r\n]*)?")
_LENGTH = re.compile(r"[0-9]{1,9}")
_UNTIL_CLOSED = -1
_BODILESS = (204, 304)


@dataclass(frozen=True, slots=True)
class Answer:
    """Names of headers are in lower case. `leaves_open`: the connection can take another request."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    leaves_open: bool


class AnswerReader:
    """For one answer. `feed` and `end` raise ValueError for what cannot be read; then nothing more may be fed."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._size = 0
        self._body = bytearray()
        self._status = 0
        self._headers: dict[str, str] = {}
        self._length: int | None = None  # None: in chunks
        self._leaves_open = False

    def feed(self, data: bytes) -> Answer | None:
        """The answer, once it is whole."""
        self._received += data
        self._size += len(data)
        if self._size > MAX_ANSWER:
            raise ValueError(f"the answer is longer than {MAX_ANSWER} octets")
        if not self._status and not self._take_head():
            return None
        return self._answer() if self._take_body() else None

    def end(self) -> Answer:
        """The server has closed the connection."""
        if not self._status or self._length != _UNTIL_CLOSED:
            raise ValueError("the connection was closed before the answer was whole")
        self._body, self._received = self._received, bytearray()
        return self._answer()

    def _answer(self) -> Answer:
        is_clean = self._leaves_open and not self._received  # nobody asked for what comes behind it
        return Answer(self._status, self._headers, bytes(self._body), is_clean)

    def _take_head(self) -> bool:
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            first, *lines = bytes(self._received[:end]).split(b"\r\n")
            del self._received[: end + 4]
            status = _STATUS.fullmatch(first)
            if not status or status[2] == b"101":
                raise ValueError("the answer is not HTTP/1.1")
            if status[2] >= b"200":  # RFC 9110 15.2: before it any number of interim answers, as 100 Continue
                self._status = int(status[2])
                self._headers = _fields(lines)
                self._length, self._leaves_open = _framing(self._status, self._headers, minor=status[1])
                return True
        return False

    def _take_body(self) -> bool:
        if self._length is None:
            return self._take_chunks()
        if self._length == _UNTIL_CLOSED or len(self._received) < self._length:
            return False
        self._body = self._received[: self._length]
        del self._received[: self._length]
        return True

    def _take_chunks(self) -> bool:
        """RFC 9112 7.1. Trailers are thrown away."""
        while (line_end := self._received.find(b"\r\n")) >= 0:
            chunk = _CHUNK.fullmatch(self._received, 0, line_end)
            if not chunk:
                raise ValueError("a chunk without a size")
            size = int(chunk[1], 16)
            if not size:
                end = self._received.find(b"\r\n\r\n", line_end) + 4
                del self._received[: end if end > 3 else 0]
                return end > 3
            start, end = line_end + 2, line_end + 2 + size
            if len(self._received) < end + 2:
                return False
            if self._received[end : end + 2] != b"\r\n":
                raise ValueError("a chunk that is longer than its size")
            self._body += self._received[start:end]
            del self._received[: end + 2]
        return False


def _fields(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if not field:
            raise ValueError("a header line that is none")
        name, value = field[1].decode().lower(), field[2].rstrip(b" \t").decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _framing(status: int, headers: Mapping[str, str], *, minor: bytes) -> tuple[int | None, bool]:
    """The length of the body, and whether the connection stays open behind it. RFC 9112 6.3 and 9.3."""
    stays = minor == b"1" and "close" not in headers.get("connection", "").lower()
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if status in _BODILESS:
        return 0, stays
    if coding is not None:
        if coding.lower() != "chunked":
            raise ValueError("an unknown transfer coding")
        return None, stays and length is None  # RFC 9112 6.1: with both of them somebody may be smuggling
    if length is None:
        return _UNTIL_CLOSED, False
    if not _LENGTH.fullmatch(length):
        raise ValueError("a length that is none")
    return int(length), stays
