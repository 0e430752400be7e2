"""How a connection ends: with an answer to what is under way, and with nothing left of it."""

from __future__ import annotations

import asyncio
import gc
import socket
from types import SimpleNamespace
from typing import cast

import pytest

from relay.credential import Credential, Kind
from relay.intake import Intake
from relay.replies import Reply
from relay.smtp import answers
from relay.smtp.connection import Answer, Connection, Keeper, Step
from relay.smtp.session import Session
from relay.smtp.tasks import Tasks
from relay.smtp.transport import SocketTransport

ACCEPTED = Reply(250, "2.0.0", "Ok: queued as 1")


class Slow(Connection):
    """Whatever is said is answered once `done` is set."""

    def __init__(self) -> None:
        keeper = SimpleNamespace(hostname="relay", tasks=Tasks(), opened=lambda _: None, closed=lambda _: None)
        super().__init__(cast(Keeper, keeper))
        guest = Credential(name="app", kind=Kind.APPLICATION, password_hashes=(), senders=())
        self.dialogue = Session(cast(Intake, None), peer="127.0.0.1", encrypted=True, guest=guest)
        self.done = asyncio.Event()
        self.obeyed = b""

    def _next_step(self) -> Step | None:
        return self._begin if self._position < len(self._buffer) else None

    def _begin(self) -> Answer:
        self.obeyed += self._buffer[self._position :]
        self._position = len(self._buffer)
        self._wait_for(self._answer())
        return None

    async def _answer(self) -> Answer:
        await self.done.wait()
        return ACCEPTED


def connected() -> tuple[Slow, socket.socket]:
    """One of ours, and the client's end of it."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    connection = Slow()
    SocketTransport(asyncio.get_running_loop(), ours, "127.0.0.1").begin(connection)
    return connection, theirs


@pytest.mark.parametrize("is_under_way", [True, False])
async def test_what_is_under_way_is_answered_before_the_goodbye(is_under_way: bool) -> None:
    connection, theirs = connected()
    reader, writer = await asyncio.open_connection(sock=theirs)
    assert (await reader.readline()).startswith(b"220")
    if is_under_way:
        writer.write(b".\r\n")
        while not connection.is_busy:  # noqa: ASYNC110 - nobody is told of it
            await asyncio.sleep(0)
    connection.part(answers.DISABLED)
    await asyncio.sleep(0.05)
    connection.done.set()
    said = b"".join([ACCEPTED.line()] * is_under_way + [answers.DISABLED.line()])
    assert await reader.read() == said
    writer.close()


async def test_what_a_client_that_has_gone_said_is_not_obeyed() -> None:
    connection, theirs = connected()
    for said in (b"first", b"second"):
        await asyncio.sleep(0.05)
        theirs.send(said)
    theirs.shutdown(socket.SHUT_WR)
    await asyncio.sleep(0.05)
    assert connection.is_busy
    theirs.close()
    connection.done.set()
    await connection.ended
    assert connection.obeyed == b"first"


async def test_a_reset_leaves_no_error_behind() -> None:
    """The interpreter tells of those that nobody took, when it comes to them: in the journal, as an error of ours."""
    connection, theirs = connected()
    await asyncio.sleep(0.05)
    theirs.close()  # the greeting was not read, so it is a reset
    await connection.ended
    here = asyncio.get_running_loop()  # what other tests left is theirs
    futures = [found for found in gc.get_objects() if isinstance(found, asyncio.Future) and found.get_loop() is here]
    assert [found for found in futures if found.done() and not found.cancelled() and found._log_traceback] == []
