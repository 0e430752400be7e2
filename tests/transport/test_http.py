"""The client of SES against servers that answer, misbehave or are not there; on both event loops."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from relay.aws.http import HttpClient, NoAnswer, NoConnection, NotSent
from relay.aws.http_answers import Answer
from relay.aws.names import ServerName
from relay.security.certificates import make_server_pair

HEADERS = {"Host": "localhost", "Content-Length": "5"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


class Server:
    """Speaks as `talk` says with each that connects. Counts connections, and those that are open."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._talks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.connections = 0
        self.open = 0
        self.most_open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        self._talks.add(talk := asyncio.ensure_future(self._talk(reader, writer)))
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await talk
        self.open -= 1
        if talk.cancelled():
            writer.transport.abort()
        else:
            writer.close()

    def stop(self) -> None:
        for talk in self._talks:
            talk.cancel()


@asynccontextmanager
async def serving(talk: Talk, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(talk)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        server.stop()
        await asyncio.sleep(0.02)


async def request_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head + await reader.readexactly(length)


async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One answer after the other."""
    while True:
        await request_of(reader)
        writer.write(OK)


def client_of(server: Server | int, *, tls: ssl.SSLContext | None = None, **options: float) -> HttpClient:
    port = server if isinstance(server, int) else server.port
    scheme = "https" if tls else "http"
    settings = {"connect_timeout": 1.0, "read_timeout": 0.5, "connections": 5, **options}
    return HttpClient(f"{scheme}://localhost:{port}", tls=tls or ssl.create_default_context(), **settings)  # type: ignore[arg-type]


async def post(client: HttpClient, body: bytes | AsyncIterator[bytes] = b"hello", *, token: str = "") -> Answer:
    headers = {**HEADERS, "X-Amz-Security-Token": token} if token else HEADERS
    return await client.post("/send", headers, body, seconds=lambda: 5.0)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    make_server_pair(key_file=tmp_path / "key.pem", certificate_file=tmp_path / "cert.pem", name="localhost", now=time.time())
    return tmp_path / "cert.pem"


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.parent / "key.pem")
    return context


async def test_requests_that_follow_each_other_share_a_connection() -> None:
    async with serving(answering) as server:
        client = client_of(server)
        for _ in range(3):
            answer = await post(client)
            assert (answer.status, answer.body) == (200, b"ok")
        assert server.connections == 1
        await client.close()


async def test_a_request_goes_out_as_it_was_given() -> None:
    seen = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await request_of(reader))
        writer.write(OK)

    async with serving(talk) as server:
        await post(client_of(server), token="a/b+c=")
    assert seen == [b"POST /send HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nX-Amz-Security-Token: a/b+c=\r\n\r\nhello"]


async def test_tls_names_the_server_and_checks_who_it_is(certificate: Path) -> None:
    tls, names = server_tls(certificate), []
    tls.sni_callback = lambda _, name, __: names.append(name)
    async with serving(answering, tls=tls) as server:
        client = client_of(server, tls=ssl.create_default_context(cafile=certificate))
        assert (await post(client)).status == 200
        assert (await post(client)).status == 200
        assert (server.connections, names) == (1, ["localhost"])
        await client.close()


async def test_a_server_that_nobody_vouches_for_gets_nothing(certificate: Path) -> None:
    requests = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await request_of(reader))

    async with serving(talk, tls=server_tls(certificate)) as server:
        with pytest.raises(NoConnection, match="SSLCertVerificationError"):
            await post(client_of(server, tls=ssl.create_default_context()))
    assert not requests


async def test_a_port_that_nobody_listens_at_is_no_connection(unused_tcp_port: int) -> None:
    with pytest.raises(NoConnection, match="ConnectionRefusedError"):
        await post(client_of(unused_tcp_port))


async def test_a_name_that_is_none_is_no_connection() -> None:
    client = HttpClient(
        "http://no-such-host.invalid", tls=ssl.create_default_context(), connections=1, connect_timeout=5, read_timeout=1
    )
    with pytest.raises(NoConnection, match="gaierror"):
        await post(client)


async def test_a_name_is_looked_up_once_for_all_who_connect_and_a_dead_address_goes_behind_the_others() -> None:
    async with serving(answering) as server:
        name = ServerName("localhost", server.port)
        found = await asyncio.gather(*(name.addresses() for _ in range(50)))
        assert len(set(found)) == 1
        assert "127.0.0.1" in found[0]
        name.has_failed(found[0][0])
        assert await name.addresses() == (*found[0][1:], found[0][0])
        assert (await asyncio.gather(*(post(client_of(server)) for _ in range(3))))[0].status == 200


async def test_a_handshake_without_end_is_no_connection(certificate: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(silent) as server:
        began = time.monotonic()
        with pytest.raises(NoConnection, match="TimeoutError"):
            await post(client_of(server, tls=ssl.create_default_context(cafile=certificate), connect_timeout=0.4))
        assert time.monotonic() - began < 2


async def test_a_kept_connection_that_was_closed_meanwhile_is_replaced() -> None:
    async def one_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(OK)
        await asyncio.sleep(0.05)

    async with serving(one_each) as server:
        client = client_of(server)
        for _ in range(3):
            assert (await post(client)).status == 200
            await asyncio.sleep(0.2)
        assert server.connections == 3


async def test_the_end_of_a_kept_connection_is_seen_even_if_the_loop_has_not_looked_yet() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for _ in range(2):
                connection, _ = listening.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(OK)
                    time.sleep(0.1)

        thread = threading.Thread(target=serve)
        thread.start()
        client = client_of(listening.getsockname()[1])
        assert (await post(client)).status == 200
        time.sleep(0.3)  # noqa: ASYNC251 - the loop must not look
        assert (await post(client)).status == 200
        await asyncio.to_thread(thread.join)


async def test_a_connection_on_which_something_came_unasked_is_not_used_again() -> None:
    async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(OK)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async with serving(talkative) as server:
        client = client_of(server)
        for _ in range(2):
            assert (await post(client)).status == 200
            await asyncio.sleep(0.2)
        assert server.connections == 2


ENDINGS = {
    "behind what nobody asked for": OK + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno",
    "behind Connection: close": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "behind HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
}


@pytest.mark.parametrize("name", ENDINGS)
async def test_a_connection_is_not_used_again(name: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(ENDINGS[name])
        await reader.read()

    async with serving(talk) as server:
        client = client_of(server)
        assert [(await post(client)).body, (await post(client)).body] == [b"ok", b"ok"]
        assert server.connections == 2


async def test_an_answer_may_end_with_its_connection() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Slow\r\n\r\nhel")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"lo")

    async with serving(talk) as server:
        answer = await post(client_of(server))
    assert (answer.status, answer.body) == (503, b"hello")


def reset(writer: asyncio.StreamWriter) -> None:
    connected = writer.get_extra_info("socket")
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def closes_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def closes_after_the_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)


async def resets_after_the_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    reset(writer)


async def resets_in_its_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.write(OK[:20])
    await writer.drain()
    await asyncio.sleep(0.05)
    reset(writer)


async def stops_in_its_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.write(OK[:-1])
    await reader.read()


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    await reader.read()


async def speaks_another_language(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example ESMTP\r\n\r\n")
    await reader.read()


async def never_ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 10_000)
        await writer.drain()


MISBEHAVING = (
    closes_at_once,
    closes_after_the_request,
    resets_after_the_head,
    resets_in_its_answer,
    stops_in_its_answer,
    says_nothing,
    speaks_another_language,
    never_ends,
)


@pytest.mark.parametrize("talk", MISBEHAVING, ids=lambda talk: talk.__name__)
async def test_after_the_first_octet_of_a_request_there_is_a_doubt(talk: Talk) -> None:
    async with serving(talk) as server:
        client = client_of(server)
        with pytest.raises(NoAnswer):
            await post(client)
        for _ in range(100):
            if not server.open:
                break
            await asyncio.sleep(0.02)
        assert (server.connections, server.open) == (1, 0)


async def test_silence_is_told_by_its_name_and_after_its_time() -> None:
    async with serving(says_nothing) as server:
        began = time.monotonic()
        with pytest.raises(NoAnswer, match="TimeoutError"):
            await post(client_of(server))
        assert 0.4 < time.monotonic() - began < 2


async def test_a_call_has_an_end_however_much_is_said() -> None:
    async def chatters(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.1)

    async with serving(chatters) as server:
        began = time.monotonic()
        with pytest.raises(NoAnswer, match="TimeoutError"):
            await client_of(server).post("/send", HEADERS, b"hello", seconds=lambda: 1.0)
        assert 0.9 < time.monotonic() - began < 3


async def test_nothing_is_sent_where_no_time_is_left_and_the_connection_serves_the_next() -> None:
    async with serving(answering) as server:
        client = client_of(server)
        with pytest.raises(NotSent, match="no time"):
            await client.post("/send", HEADERS, b"hello", seconds=lambda: 0.4)
        assert (await post(client)).status == 200
        assert server.connections == 1
        await client.close()


@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "a\nb", "a\rb", "ä"])
async def test_a_header_that_would_be_several_is_not_sent(value: str) -> None:
    async with serving(answering) as server:
        with pytest.raises(NotSent, match="header"):
            await post(client_of(server), token=value)
        assert server.connections == 0


async def test_there_are_never_more_connections_than_allowed() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await request_of(reader)
            await asyncio.sleep(0.02)
            writer.write(OK)

    async with serving(slow) as server:
        client = client_of(server, connections=3)
        answers = await asyncio.gather(*(post(client) for _ in range(12)))
        assert [answer.status for answer in answers] == [200] * 12
        assert (server.connections, server.most_open) == (3, 3)
        await client.close()


async def test_a_connection_that_nobody_needs_is_closed() -> None:
    async with serving(answering) as server:
        client = client_of(server, keep_alive=0.2)
        await asyncio.gather(*(post(client) for _ in range(3)))
        assert server.open == 3
        await asyncio.sleep(0.6)
        assert server.open == 0
        assert (await post(client)).status == 200
        await client.close()


async def test_a_call_that_is_given_up_takes_its_connection_with_it() -> None:
    async with serving(says_nothing) as server:
        call = asyncio.create_task(post(client_of(server)))
        await asyncio.sleep(0.1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(0.1)
        assert (server.connections, server.open) == (1, 0)


PIECE = b"x" * 64 * 1024
PIECES = 400


class Pieces:
    """A body of 26 MB; counts what was asked of it."""

    def __init__(self) -> None:
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(PIECES):
            self.taken += 1
            yield PIECE


@pytest.mark.parametrize("secured", [False, True], ids=["plain", "TLS"])
async def test_a_long_body_waits_for_a_server_that_reads_slowly(secured: bool, certificate: Path) -> None:
    length, go_on, sizes = len(PIECE) * PIECES, asyncio.Event(), []

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await go_on.wait()
        sizes.append(len(await reader.readexactly(length)))
        writer.write(OK)

    async with serving(slow, tls=server_tls(certificate) if secured else None) as server:
        tls = ssl.create_default_context(cafile=certificate) if secured else None
        client = client_of(server, tls=tls, read_timeout=5)
        pieces = Pieces()
        headers = {"Host": "localhost", "Content-Length": str(length)}
        call = asyncio.create_task(client.post("/send", headers, aiter(pieces), seconds=lambda: 60.0))
        await asyncio.sleep(0.5)
        assert 0 < pieces.taken < PIECES / 2  # what the kernel took, and little more
        go_on.set()
        assert (await call).status == 200
        assert sizes == [length]
        await client.close()


async def test_a_slow_line_is_seen_to_move_within_a_large_piece() -> None:
    length = 24 * 1024 * 1024  # in five seconds, and what the kernel takes of it at once is less than half

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(100):
            await reader.readexactly(length // 100)
            await asyncio.sleep(0.05)
        await reader.readexactly(length % 100)
        writer.write(OK)

    async def whole() -> AsyncIterator[bytes]:
        yield b"x" * length

    async with serving(slow) as server:
        client = client_of(server, read_timeout=2)
        headers = {"Host": "localhost", "Content-Length": str(length)}
        assert (await client.post("/send", headers, whole(), seconds=lambda: 60.0)).status == 200
        await client.close()


async def test_a_server_may_answer_before_it_has_read_all() -> None:
    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.sleep(5)

    async with serving(refuses) as server:
        client, pieces = client_of(server), Pieces()
        headers = {"Host": "localhost", "Content-Length": str(len(PIECE) * PIECES)}
        answer = await client.post("/send", headers, aiter(pieces), seconds=lambda: 5.0)
        assert answer.status == 413
        assert pieces.taken < PIECES / 2
        assert (await post(client)).status == 413
        assert server.connections == 2


async def test_a_body_that_cannot_be_read_to_its_end_is_a_doubt() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"hel"
        raise OSError("the disk")

    async with serving(answering) as server:
        with pytest.raises(NoAnswer, match="OSError"):
            await post(client_of(server), broken())


async def test_a_server_that_others_wrote_understands_it(certificate: Path) -> None:
    received = []

    async def receive(request: web.Request) -> web.StreamResponse:
        received.append(await request.read())
        answer = web.StreamResponse(headers={"X-Amzn-RequestId": "1"})
        await answer.prepare(request)
        for _ in range(3):
            await answer.write(b"piece")
        return answer

    app = web.Application(client_max_size=30 * 1024 * 1024)
    app.add_routes([web.post("/send", receive)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_tls(certificate)).start()
    client = client_of(runner.addresses[0][1], tls=ssl.create_default_context(cafile=certificate), read_timeout=5)
    headers = {"Host": "localhost", "Content-Length": str(len(PIECE) * PIECES)}
    answer = await client.post("/send", headers, aiter(Pieces()), seconds=lambda: 60.0)
    small = await post(client)
    assert answer.headers["transfer-encoding"] == "chunked"
    assert (answer.body, small.body) == (b"piecepiecepiece",) * 2
    assert [len(body) for body in received] == [len(PIECE) * PIECES, 5]
    await client.close()
    await runner.cleanup()
