"""Verbs where the store cannot be: a clear message, and no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness import Relay

VERBS = (("credential", "list"), ("queue", "status"), ("suppression", "add", "a@example.net"), ("message", "list"), ("alarms",))


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
@pytest.mark.parametrize("place", ["a file/relay.db", "a folder"])
async def test_it_is_said_in_one_line(tmp_path: Path, verb: tuple[str, ...], place: str) -> None:
    (tmp_path / "a file").touch()
    (tmp_path / "a folder").mkdir()
    relay = Relay(tmp_path, 1, RELAY_STORE__PATH=str(tmp_path / place))
    status, said = await relay.cli(*verb, check=False)
    assert status != 0
    assert "Traceback" not in said
    assert place.partition("/")[0] in said
