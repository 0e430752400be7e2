"""The content behind DATA: finds its end, takes its transparency dots away, and lets no lone CR, LF or NUL pass."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import IncrementalNewlineDecoder

from relay.credential import LineEnds
from relay.errors import Malformed, Refused
from relay.model import Envelope
from relay.receiving import Receiving

_LINE_END = re.compile(rb"\r\n|\r|\n")
_DOT = b"\r\n."
_END = b"\r\n.\r\n"
# The beginnings of _END: where one stands at the end of what has come, what follows decides.
_OPEN_ENDS = tuple(_END[:length] for length in range(len(_END) - 1, 0, -1))


class ContentReader:
    """One message's content, octets in and octets out (RFC 5321 4.5.2).

    Only CRLF "." CRLF ends it: a server that also took LF "." LF would let one message smuggle in a second.
    """

    def __init__(self) -> None:
        self._held = b"\r\n"  # the CRLF that ended the DATA line: a dot on the first line is a dot like any other
        self._skip = 2

    def feed(self, octets: bytes) -> tuple[bytes, bytes | None]:
        """The octets to keep, and what stands behind the end: the next command. None while the end has not come.

        No CRLF is ever parted between two pieces.
        """
        whole = self._held + octets if self._held else octets
        dot = whole.find(b".")  # base64 holds none, and one octet is found far faster than three
        dot = whole.find(_DOT, max(0, dot - 2)) if dot >= 0 else -1
        end = whole.find(_END, dot) if dot >= 0 else -1
        if end >= 0:
            piece, rest = whole[: end + 2], whole[end + len(_END) :]
        else:
            self._held = next((tail for tail in _OPEN_ENDS if whole.endswith(tail)), b"")
            piece, rest = whole[: len(whole) - len(self._held)], None
        kept = (piece.replace(_DOT, b"\r\n") if dot not in (-1, end) else piece)[self._skip :]
        if piece:
            self._skip = 0
        return kept, rest


def checked(piece: bytes) -> bytes:
    """RFC 5321 2.3.8: CR and LF only ever travel together. A lone one is smuggling. Raises Malformed."""
    decoder = IncrementalNewlineDecoder(None, translate=False)  # one pass, a quarter of the time that three counts take
    decoder.decode(piece.decode("latin-1"), final=True)
    if decoder.newlines not in (None, "\r\n"):
        raise Malformed("bare CR or LF")
    return _without_nul(piece)


def normalised(piece: bytes) -> bytes:
    """Every CR, LF and CRLF as CRLF: what smuggles nothing here may still be read as a line end by others. Raises Malformed."""
    return _without_nul(_LINE_END.sub(b"\r\n", piece))


def _without_nul(piece: bytes) -> bytes:
    if b"\0" in piece:
        raise Malformed("NUL octet")
    return piece


LINE_ENDS: dict[LineEnds, Callable[[bytes], bytes]] = {LineEnds.REFUSE: checked, LineEnds.NORMALISE: normalised}


class Content:
    """What is coming in behind DATA. After a refusal it is read to its end and thrown away (RFC 5321 4.2.5)."""

    def __init__(self, envelope: Envelope, receiving: Receiving, *, began_at: float) -> None:
        self.envelope = envelope
        self.receiving = receiving
        self.began_at = began_at
        self.read = 0
        self.refusal: Refused | None = None
        self._reader = ContentReader()
        self._check = LINE_ENDS[envelope.credential.line_ends]
        self._is_closed = False

    def take(self, octets: bytes) -> bytes | None:
        """What stands behind the end: the next command. None while the end has not come."""
        piece, rest = self._reader.feed(octets)
        self.read += len(piece)
        if self.refusal is None:
            try:
                self.receiving.write(self._check(piece))
            except Refused as refusal:
                self._refuse(refusal)
        return rest

    async def flush(self) -> None:
        """Nothing once it was closed: a flush that was only planned then would make the file anew."""
        if self._is_closed:
            return
        try:
            await self.receiving.flush()
        except Refused as refusal:
            self._refuse(refusal)

    def _refuse(self, refusal: Refused) -> None:
        """What it took of the budget is for others at once: large messages that come together must not all fail."""
        self.refusal = refusal
        self.close()

    def close(self) -> None:
        """It may be refused in a thread when the connection has ended already."""
        if not self._is_closed:
            self._is_closed = True
            self.receiving.close()
