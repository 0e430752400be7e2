"""Numbers in a mapped file: each is written by one process only, and all may look meanwhile."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any, Literal, overload


def make(file: Path, count: int) -> None:
    """All of them 0."""
    file.write_bytes(bytes(8 * count))


@overload
def opened(file: Path, kind: Literal["Q"]) -> memoryview[int]: ...
@overload
def opened(file: Path, kind: Literal["d"]) -> memoryview[float]: ...
def opened(file: Path, kind: Literal["Q", "d"]) -> memoryview[Any]:
    """Those of a file that was made: whole numbers or floats."""
    with file.open("r+b") as made:
        return memoryview(mmap.mmap(made.fileno(), 0)).cast(kind)
