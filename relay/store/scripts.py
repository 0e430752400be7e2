"""The numbered migrations of each database: forward only. Version N of the tables is what the first N scripts make.

A script that only adds says `-- works with: N` in its first line, the oldest version whose relays may run on its tables: that
is the way back after an upgrade, and lets nodes of two releases run side by side. What those need is taken away by a later one.
"""

from __future__ import annotations

import re
from importlib.resources import files

_WORKS_WITH = re.compile(r"-- works with: ([0-9]+)\n")


def scripts(engine: str) -> list[str]:
    """Of "sqlite" or "postgres", in their order."""
    folder = files("relay.store").joinpath("migrations", engine)
    return [entry.read_text() for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)]


def works_with(script: str, version: int) -> int:
    """The oldest version whose relays may run on tables that this script made of that `version`."""
    said = _WORKS_WITH.match(script)
    return int(said[1]) if said else version
