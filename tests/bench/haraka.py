"""Haraka from npm: STARTTLS and a login, every message synced into its outbound queue, none delivered."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.load import Target
from tests.bench.processes import LOGIN, NotHereError, Running, finished, free_port, process

_NODE = shutil.which("node")
_PROGRAM = Path(__file__).parents[2] / ".node/haraka/node_modules/Haraka/bin/haraka"

# Held mail is looked at once a second, as much of it as may be under way at a time: so that is one.
_FILES = {
    "smtp.ini": "listen=127.0.0.1:{port}\nnodes=0\n",
    "plugins": "tls\nauth/flat_file\n",
    "tls.ini": "key={folder}/smtp.key\ncert={folder}/smtp.pem\n",
    "auth_flat_file.ini": "[core]\nmethods=PLAIN\nconstrain_sender=false\n[users]\n{name}={password}\n",
    "outbound.ini": "disabled=true\nconcurrency_max=1\n",
    "log.ini": "[main]\nlevel=warn\n",
    "me": "bench.example\n",
}


# To one host, over kept connections.
_RELAYS = {
    "smtp.ini": "listen=127.0.0.1:{port}\nnodes=0\n",
    "plugins": "to_sink\n",
    "outbound.ini": "concurrency_max=50\nenable_tls=false\n",
    "log.ini": "[main]\nlevel=warn\n",
    "me": "bench.example\n",
}
_TO_SINK = """\
exports.hook_connect = (next, connection) => {{ connection.relaying = true; next(); }};
exports.hook_rcpt = (next) => next(OK);
exports.hook_get_mx = (next) => next(OK, {{ priority: 0, exchange: '127.0.0.1', port: {relayhost} }});
"""


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Running]:
    """Certificate and key are in `folder`."""
    port = free_port()
    name, password = LOGIN
    await _prepare(folder, _FILES, port=port, name=name, password=password)
    async with _started(folder, port) as process_id:
        yield Running(process_id=process_id, doors={"starttls": Target(port=port, starttls=True, login=LOGIN)})


@asynccontextmanager
async def relaying(folder: Path, relayhost: int) -> AsyncIterator[Running]:
    """Without TLS and login, to that port of this machine."""
    port = free_port()
    await _prepare(folder, _RELAYS, port=port)
    (folder / "plugins" / "to_sink.js").write_text(_TO_SINK.format(relayhost=relayhost))
    async with _started(folder, port) as process_id:
        yield Running(process_id=process_id, doors={"plain": Target(port=port, starttls=False, login=None, tls=False)})


async def _prepare(folder: Path, files: Mapping[str, str], **words: object) -> None:
    if not _NODE or not _PROGRAM.exists():
        raise NotHereError("not installed")
    await finished(_NODE, _PROGRAM, "-i", folder)
    for made in ("queue", "plugins"):
        (folder / made).mkdir(exist_ok=True)
    for file, text in files.items():
        (folder / "config" / file).write_text(text.format(folder=folder, **words))


@asynccontextmanager
async def _started(folder: Path, port: int) -> AsyncIterator[int]:
    async with process(str(_NODE), _PROGRAM, "-c", folder, port=port, log=folder / "log") as started:
        yield started.pid
