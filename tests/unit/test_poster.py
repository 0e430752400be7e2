"""The way to webhooks, against receivers that do not behave."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from relay.http_out.poster import HttpPoster
from relay.ports.notices import Answer
from relay.webhooks.formats import Request
from tests.receiver import receiving


@asynccontextmanager
async def saying(answer: bytes) -> AsyncIterator[str]:
    """The URL of somebody who says that to each request but those for `/slow`, and then nothing more."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"" if asked.startswith(b"POST /slow ") else answer)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@asynccontextmanager
async def poster(seconds: float = 5.0) -> AsyncIterator[Callable[[str], Awaitable[Answer]]]:
    made = HttpPoster(seconds=seconds)
    try:
        yield lambda url: made.send("POST", Request(url=url, headers={}, body=b"{}"), is_private=True)
    finally:
        await made.close()


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120.0),
        ("9" * 500, float("inf")),
        ("-1", 0.0),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", 0.0),
        ("Mon, 01 Jan 2026 00:00:00 +99999999999999999999", 0.0),
        ("soon", 0.0),
    ],
)
async def test_when_to_come_again(said: str, seconds: float) -> None:
    async with receiving() as receiver, poster() as send:
        receiver.status, receiver.headers = 503, {"Retry-After": said}
        answer = await send(receiver.url)
    assert (answer.status, answer.retry_after) == (503, seconds)


async def test_what_was_taken_is_taken_whatever_comes_of_the_rest_of_the_answer() -> None:
    async with saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n") as url, poster(0.5) as send:
        assert (await send(url)).is_taken


@pytest.mark.parametrize("said", [b"", b"\0\1\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_what_is_no_answer_is_a_failure(said: bytes) -> None:
    async with saying(said) as url, poster(0.5) as send:
        answer = await send(url)
    assert (answer.status, answer.is_taken) == (0, False)


async def test_who_is_slow_on_a_host_makes_nobody_else_wait_there() -> None:
    async with saying(b"HTTP/1.1 204 Taken\r\n\r\n") as url, poster() as send:
        waiting = [asyncio.ensure_future(send(url + "slow")) for _ in range(30)]
        await asyncio.sleep(0.2)
        answer = await send(url)
        assert (answer.is_taken, answer.seconds < 2.0) == (True, True)
        [each.cancel() for each in waiting]


async def test_names_that_are_not_answered_hold_none_of_the_threads_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    released, real = threading.Event(), socket.getaddrinfo

    def held(host: str, *rest: object, **more: object) -> object:
        if host.endswith(".invalid"):
            released.wait(10)
        return real(host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", held)
    try:
        async with poster() as send:
            waiting = [asyncio.ensure_future(send(f"http://h{number}.invalid/")) for number in range(40)]
            await asyncio.sleep(0.2)
            async with asyncio.timeout(2):
                assert await asyncio.to_thread(lambda: "free") == "free"
            [each.cancel() for each in waiting]
    finally:
        released.set()
