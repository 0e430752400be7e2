"""Disks for tests that need a small or a broken one: mounted for the test and taken away after it, where the system lets us."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, *, megabytes: int = 64) -> Iterator[Path]:
    """A disk of its own in memory. Skips the test where nothing can be mounted."""
    folder.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def journaling_disk(folder: Path, *, megabytes: int = 64) -> Iterator[Path]:
    """A disk of its own in a file, with ext4 on it."""
    folder.mkdir()
    image = folder.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    _run("mkfs.ext4", "-q", str(image))
    _run("mount", "-o", "loop", str(image), str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _run(*words: str) -> None:
    """Root must be able to, at least where CI runs; others skip."""
    try:
        done = subprocess.run(words, capture_output=True, text=True)
        why = done.stderr.strip() if done.returncode else ""
    except FileNotFoundError as error:
        why = str(error)
    if not why:
        return
    if os.geteuid() == 0 and os.environ.get("CI") == "true":
        pytest.fail(f"{' '.join(words)}: {why}")
    pytest.skip(f"a disk of its own needs root, and a system that lets it mount: {why}")


def fill(folder: Path, *, leave: int = 0) -> Path:
    """A file that takes what is free, but for so many octets."""
    found = os.statvfs(folder)
    filler = folder / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize - leave)
    return filler
