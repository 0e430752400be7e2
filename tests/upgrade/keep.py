"""Keeps the stores of this release for those to come: `python -m tests.upgrade.keep`, a step of each release."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from relay import __version__
from tests import postgres
from tests.upgrade import dumps
from tests.upgrade.story import tell


def keep(to: Path) -> None:
    for engine in dumps.ENGINES:
        (to / engine).mkdir(parents=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asyncio.run(tell(folder, {})).write(to / "sqlite" / "story.json")
        dumps.dump_sqlite(folder, to / "sqlite")
    with (
        tempfile.TemporaryDirectory() as name,
        postgres.own_server() as server,
        postgres.database(server.url, "template1") as url,
    ):
        asyncio.run(tell(Path(name), {"RELAY_STORE__URL": url})).write(to / "postgres" / "story.json")
        dumps.dump_postgres(server, url, to / "postgres")


if __name__ == "__main__":
    keep(dumps.KEPT / __version__)
