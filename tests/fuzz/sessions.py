"""SMTP sessions with faults: the good dialogues, changed at random but by a seed, and a client that sends them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from random import Random

from tests.dialogues.test_dialogues import FILES, octets
from tests.harness import PASSWORD, mail, unverified

_LARGEST = 100_000  # octets of a dialogue that is worth changing
_PATIENCE = 0.1  # seconds for a reply that may never come
_TLS = unverified()
_READY_FOR_TLS = b"220 2.0.0 Ready to start TLS\r\n"


class Mark(Enum):
    """What a client does besides sending."""

    WAIT = "wait for a reply"
    TLS = "shake hands"


Action = bytes | Mark
Actions = list[Action]


class End(Enum):
    """How a client leaves."""

    QUIT = "quit"
    CLOSE = "close"
    RESET = "reset"
    HALF_CLOSE = "end of its side only"


@dataclass(frozen=True, slots=True)
class Session:
    """On which door, what, and how it ends."""

    door: str
    actions: Actions
    end: End = End.QUIT


def corpus() -> list[Session]:
    """The dialogues of both doors, as a client's side."""
    found = [_read(file.read_text().splitlines()) for file in FILES]
    return [s for s in found if s.door != "trusted" and sum(len(a) for a in s.actions if isinstance(a, bytes)) < _LARGEST]


def _read(lines: list[str]) -> Session:
    door = lines[0].removeprefix("# door: ")
    actions: Actions = [Mark.TLS] if door == "submissions" else []
    for line in lines[1:]:
        actions += _actions(*line.partition(" ")[::2])
    return Session(door, actions)


def _actions(word: str, rest: str) -> Actions:
    match word:
        case "C:":
            return [octets(rest) + b"\r\n"]
        case "RAW:":
            return [octets(rest)]
        case "S:":
            return [Mark.WAIT]
        case "OPEN":
            return [Mark.WAIT, b"EHLO client.example.com\r\n", Mark.WAIT]
        case "EHLO":
            return [b"EHLO " + octets(rest) + b"\r\n", Mark.WAIT]
        case "LOGIN":
            return [b"AUTH PLAIN " + b64encode(f"\0{rest}\0{PASSWORD}".encode()) + b"\r\n", Mark.WAIT]
        case "MESSAGE":
            return [mail(subject=rest)]
        case "STARTTLS":
            return [Mark.TLS]
    return []


# Changes. Each takes a session's actions and returns others.


def _place(actions: Actions, chance: Random) -> int:
    """One of the actions that send, or the first."""
    return chance.choice([n for n, action in enumerate(actions) if isinstance(action, bytes) and action] or [0])


def _in_one(change: Callable[[bytes, Random], bytes]) -> Callable[[Actions, Random], Actions]:
    """A change of the octets of one action."""

    def changed(actions: Actions, chance: Random) -> Actions:
        at = _place(actions, chance)
        action = actions[at] if actions else b""
        return [*actions[:at], change(action, chance), *actions[at + 1 :]] if isinstance(action, bytes) else actions

    return changed


def _flipped(text: bytes, chance: Random) -> bytes:
    """Some octets with a bit or all bits changed."""
    flipped = bytearray(text)
    for _ in range(chance.randint(1, 5) if flipped else 0):
        flipped[chance.randrange(len(flipped))] ^= chance.choice((1, 32, 128, 255))
    return bytes(flipped)


def _cut(text: bytes, chance: Random) -> bytes:
    return text[: chance.randint(0, len(text))]


def _stuffed(text: bytes, chance: Random) -> bytes:
    """Something in it that does not belong there."""
    at = chance.randint(0, len(text))
    odd = chance.choice(
        (b"\0" * 9, b"\r", b"\n", b"\r\n", b"\r\n.\r\n", b"\n.\n", b"\t", b"\xff" * 9, b"<>", b"=", b"\x16\x03\x01")
    )
    return text[:at] + odd + text[at:]


def _huge(text: bytes, chance: Random) -> bytes:
    return text[:-2] + b"x" * chance.choice((990, 12_288, 70_000, 1_500_000)) + text[-2:]


def _random(text: bytes, chance: Random) -> bytes:
    return chance.randbytes(chance.randint(1, 300)) + b"\r\n"


def _dropped(actions: Actions, chance: Random) -> Actions:
    at = chance.randrange(len(actions) or 1)
    return actions[:at] + actions[at + 1 :]


def _doubled(actions: Actions, chance: Random) -> Actions:
    at = chance.randrange(len(actions) or 1)
    return actions[: at + 1] + actions[at:]


def _moved(actions: Actions, chance: Random) -> Actions:
    if not actions:
        return actions
    at, to = chance.randrange(len(actions)), chance.randrange(len(actions))
    rest = actions[:at] + actions[at + 1 :]
    return [*rest[:to], actions[at], *rest[to:]]


def _pipelined(actions: Actions, chance: Random) -> Actions:
    """All at once, but for the handshake and the reply before it."""
    kept: Actions = []
    for number, action in enumerate(actions):
        if action is not Mark.WAIT or Mark.TLS in actions[number + 1 : number + 2]:
            kept.append(action)
    return kept


def _ended(actions: Actions, chance: Random) -> Actions:
    """Cut short, perhaps in the middle of what it sends."""
    shortened = actions[: chance.randint(0, len(actions))]
    return _in_one(_cut)(shortened, chance) if chance.random() < 0.5 else shortened


def _half_shaken(actions: Actions, chance: Random) -> Actions:
    """In place of the handshake a piece of one, or a spoiled one, and nothing else."""
    if Mark.TLS not in actions:
        return actions
    hello = chance.choice((_cut, _flipped, _stuffed))(_client_hello(), chance)
    return [*actions[: actions.index(Mark.TLS)], hello]


def _client_hello() -> bytes:
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        _TLS.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    return outgoing.read()


CHANGES: tuple[Callable[[Actions, Random], Actions], ...] = (
    *(_in_one(change) for change in (_flipped, _flipped, _cut, _stuffed, _stuffed, _huge, _random)),
    _dropped,
    _dropped,
    _doubled,
    _moved,
    _pipelined,
    _ended,
    _half_shaken,
)


def changed(session: Session, chance: Random) -> Session:
    """The same with one to four changes."""
    actions = session.actions
    for change in chance.choices(CHANGES, k=chance.randint(1, 4)):
        actions = change(actions, chance)
    return Session(session.door, actions, chance.choice(tuple(End)))


@dataclass(slots=True)
class Client:
    """Sends one session and keeps what is answered."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    connection: socket.socket
    is_readable: bool
    """Whether what comes is SMTP: not so on the TLS door without a handshake."""
    is_encrypted: bool = False
    answered: bytearray = field(default_factory=bytearray)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, session: Session) -> None:
        reading = asyncio.create_task(self._read())
        try:
            for action in session.actions:
                await self._do(action)
                if reading.done():
                    return
            await self._leave(session.end)
            await asyncio.wait([reading], timeout=2.0 if session.end is End.QUIT else _PATIENCE)
        except OSError:
            pass  # the relay may close whenever it likes, and ssl.SSLError is an OSError
        finally:
            self.writer.transport.abort()
            reading.cancel()  # after a handshake that failed nobody would tell it of the end
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self) -> None:
        with contextlib.suppress(OSError):
            while piece := await self.reader.read(65536):
                if self.is_readable:
                    self.answered += piece
                self.news.set()
        self.news.set()

    async def _do(self, action: Action) -> None:
        if isinstance(action, bytes):
            self.news.clear()
            self.writer.write(action)
            await self.writer.drain()
        elif action is Mark.WAIT:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.news.wait(), _PATIENCE)
        elif not self.is_encrypted:
            await self.writer.start_tls(_TLS, ssl_handshake_timeout=2)
            self.is_readable = self.is_encrypted = True

    async def _leave(self, end: End) -> None:
        match end:
            case End.QUIT:
                await self._do(b"\r\n.\r\nQUIT\r\n")
            case End.RESET:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                self.writer.transport.abort()
            case End.HALF_CLOSE:
                self.connection.shutdown(socket.SHUT_WR)

    def replies(self) -> list[bytes]:
        """The whole lines that came. What follows a 220 to STARTTLS without a handshake is TLS, not SMTP."""
        text = bytes(self.answered)
        if not self.is_encrypted:
            text = b"".join(text.partition(_READY_FOR_TLS)[:2])
        return text[: text.rfind(b"\n") + 1].splitlines(keepends=True)


async def converse(port: int, session: Session) -> list[bytes]:
    """Sends a session; the lines of the replies."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = Client(reader, writer, writer.get_extra_info("socket"), is_readable=session.door == "submission")
    async with asyncio.timeout(60):
        await client.run(session)
    return client.replies()
