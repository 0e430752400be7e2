"""uvloop is an extra: without it the relay does the same, more slowly."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.harness import mail, running_relay, submit


async def test_the_main_job_without_uvloop(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "uvloop.py").write_text("raise ImportError\n")
    async with running_relay(tmp_path, settings={"PYTHONPATH": str(hidden)}) as (relay, cloud):
        for tls in (False, True):
            with relay.smtp(tls=tls) as client:
                message_id = await asyncio.to_thread(submit, client, mail(body="x" * 200_000))
            assert await relay.status(message_id, "delivered") == ["delivered"]
        assert len(cloud.calls) == 2
        loaded = Path(f"/proc/{relay.process_id}/maps").read_text()
        assert "uvloop" not in loaded
