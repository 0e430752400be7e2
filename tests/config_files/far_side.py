"""AWS in miniature for a relay that runs elsewhere on this network: `python -m tests.config_files.far_side PORT LOG`."""

from __future__ import annotations

import asyncio
import sys

from relay.sandbox.cloud import Cloud


async def _run(port: int, log: str) -> None:
    with open(log, "w", encoding="utf-8") as opened:  # noqa: ASYNC230 - once
        await Cloud(log=opened).start(port)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run(int(sys.argv[1]), sys.argv[2]))
