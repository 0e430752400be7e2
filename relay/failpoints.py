"""Places where a test may kill -9 this process: RELAY_FAILPOINT="before-call", or "before-call:7" for the 7th time there.

For tests only: config.py refuses it unless every AWS endpoint is loopback. Importable by all, imports nothing of ours.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "RELAY_FAILPOINT"

AFTER_INSERT = "after-insert"  # a message is in its transaction; COMMIT comes later
AFTER_COMMIT = "after-commit"  # its 250 comes next
BEFORE_CALL = "before-call"  # claimed, the try is recorded
AFTER_CALL = "after-call"  # SES has answered, or has not
AFTER_RECORD = "after-record"  # what came of the call is committed
ALL = (AFTER_INSERT, AFTER_COMMIT, BEFORE_CALL, AFTER_CALL, AFTER_RECORD)  # that mail passes
IN_ERASURE = "in-erasure"  # some of an address's deliveries are gone in a transaction

_armed = ""
_times = 0


def arm(text: str) -> None:
    """Empty is none. Raises ValueError for what is no failpoint."""
    global _armed, _times
    _armed, _times = parsed(text)


def parsed(text: str) -> tuple[str, int]:
    """Name and how many times. Raises ValueError."""
    name, _, times = text.partition(":")
    if (name and name not in (*ALL, IN_ERASURE)) or not (times or "1").isdecimal():
        raise ValueError(f"no failpoint {text}: there are {', '.join((*ALL, IN_ERASURE))}")
    return name, int(times or 1)


def reach(name: str) -> None:
    """Goes on, or never returns."""
    if name == _armed:
        _count()


def _count() -> None:
    global _times
    _times -= 1
    if _times == 0:
        os.kill(os.getpid(), signal.SIGKILL)
