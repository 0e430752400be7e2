from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from relay import failpoints

_WALK = "from relay import failpoints; failpoints.arm({!r}); [failpoints.reach({!r}) or print(i) for i in range(1, 6)]"


@pytest.mark.parametrize(
    ("armed", "reached", "survived"),
    [
        ("", "before-call", 5),
        ("before-call", "after-call", 5),
        ("before-call", "before-call", 0),
        ("before-call:1", "before-call", 0),
        ("before-call:4", "before-call", 3),
        ("before-call:9", "before-call", 5),
    ],
)
def test_the_process_is_killed_at_the_place_and_time_named(armed: str, reached: str, survived: int) -> None:
    command = [sys.executable, "-u", "-c", _WALK.format(armed, reached)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.stdout.split() == [str(number) for number in range(1, survived + 1)]
    assert ended.returncode == (0 if survived == 5 else -signal.SIGKILL)


@pytest.mark.parametrize("text", failpoints.ALL)
def test_every_failpoint_can_be_named(text: str) -> None:
    assert failpoints.parsed(f"{text}:3") == (text, 3)
