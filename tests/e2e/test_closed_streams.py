"""Whoever starts the relay may have closed its standard input and output, as some supervisors and jobs do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_verb_works_without_them(tmp_path: Path, closed: str) -> None:
    command = f'exec "$0" -m relay credential add shop --sender @example.com {closed}'
    environ = {"PATH": os.environ["PATH"], "RELAY_STORE__PATH": str(tmp_path / "relay.db")}
    assert subprocess.run(["bash", "-c", command, sys.executable], env=environ, check=False).returncode == 0
    assert (tmp_path / "relay.db").exists()
