"""Haraka from npm: STARTTLS and a login, every message synced into its outbound queue, none delivered."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.load import Target
from tests.bench.processes import LOGIN, NotHereError, Running, finished, free_port, process

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


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Running]:
    """Certificate and key are in `folder`."""
    node = shutil.which("node")
    if not node or not _PROGRAM.exists():
        raise NotHereError("not installed")
    port = free_port()
    name, password = LOGIN
    await finished(node, _PROGRAM, "-i", folder)
    (folder / "queue").mkdir()
    for file, text in _FILES.items():
        (folder / "config" / file).write_text(text.format(folder=folder, port=port, name=name, password=password))
    async with process(node, _PROGRAM, "-c", folder, port=port, log=folder / "log") as started:
        yield Running(process_id=started.pid, doors={"starttls": Target(port=port, starttls=True, login=LOGIN)})
