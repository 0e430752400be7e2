"""Relays and verbs without their imports: forked from a process that has done them once.

Imports are most of the processor time of a start, and what boto3 reads of its services is a quarter of the rest; a run of all
tests starts over a thousand processes. `server` lets the harness have them so; without it, as in benchmarks, each is an
interpreter of its own.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, NoReturn

import boto3
from botocore.loaders import JSONFileLoader

SERVICES = ("sesv2", "sns", "sqs", "sts")
VERBS = ("serve", "credential", "message", "queue", "feedback", "suppression", "webhook", "sender", "aws", "doctor", "backup")

_address: list[str] = []  # of the server, while there is one


class Forked:
    """One, with what the tests use of asyncio.subprocess.Process."""

    def __init__(self, process_id: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid = process_id
        self.returncode: int | None = None
        self._writer = writer
        self._end = asyncio.create_task(self._read_end(reader))

    async def _read_end(self, reader: asyncio.StreamReader) -> None:
        self.returncode = int(await reader.readline())
        self._writer.close()

    async def wait(self) -> int:
        await asyncio.shield(self._end)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def is_here() -> bool:
    return bool(_address)


async def start(words: Sequence[str], environment: Mapping[str, str], *, typed: IO[bytes] | None, output: IO[bytes]) -> Forked:
    """`relay` with these words, which reads the one file and writes to the other."""
    connection = _asked(words, environment, typed, output)
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    return Forked(int(await reader.readline()), reader, writer)


def _asked(words: Sequence[str], environment: Mapping[str, str], typed: IO[bytes] | None, output: IO[bytes]) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(_address[0])
    told = json.dumps({"words": list(words), "environment": dict(environment), "folder": os.getcwd()}).encode()
    with open(os.devnull, "rb") as nothing:
        socket.send_fds(connection, [len(told).to_bytes(4, "big")], [(typed or nothing).fileno(), output.fileno()])
    connection.sendall(told)
    return connection


@contextmanager
def server() -> Iterator[None]:
    """While it lasts, `start` works."""
    with tempfile.TemporaryDirectory() as folder:
        address = f"{folder}/forks"
        process = subprocess.Popen([sys.executable, "-m", __name__, address], stdin=subprocess.PIPE)
        assert process.stdin
        while not Path(address).exists():
            assert process.poll() is None, "the server of forks did not start"
            time.sleep(0.01)
        _address.append(address)
        yield
        _address.clear()
        process.stdin.close()  # its sign to end
        process.wait()


def read_services_once() -> None:
    """botocore's descriptions of AWS, which each session would read anew."""
    JSONFileLoader.load_file = staticmethod(cache(JSONFileLoader().load_file))
    for service in SERVICES:
        boto3.Session(region_name="us-east-1").client(service)


def _serve(address: str) -> None:
    """Until standard input ends. What it forks first waits for the relay, and says how that ended."""
    for verb in VERBS:
        import_module(f"relay.cli.{verb}")
    read_services_once()
    gc.collect()
    gc.freeze()  # what is there now is not looked through by each fork, and so not copied
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{address}.new")
    listener.listen(64)
    os.rename(f"{address}.new", address)
    if os.fork() == 0:
        sys.stdin.buffer.read()
        os.kill(os.getppid(), signal.SIGTERM)
        os._exit(0)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _watch(connection)
        connection.close()


def _watch(connection: socket.socket) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, descriptors, _, _ = socket.recv_fds(connection, 4, 2)
    told = json.loads(connection.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL))
    process_id = os.fork()
    if process_id == 0:
        connection.close()
        os.chdir(told["folder"])
        _become(told["words"], told["environment"], *descriptors)
    connection.sendall(b"%d\n" % process_id)
    _, status = os.waitpid(process_id, 0)
    connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(words: Sequence[str], environment: Mapping[str, str], stdin: int, output: int) -> None:
    for number, descriptor in ((0, stdin), (1, output), (2, output)):
        os.dup2(descriptor, number)
    os.closerange(3, 256)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = ["relay", *words]
    import_module("relay.cli").main()


if __name__ == "__main__":
    _serve(sys.argv[1])
