"""Disks for tests that need a small or a broken one: mounted for the test and taken away after it, where the system lets us."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, *, megabytes: int = 96) -> Iterator[Path]:
    """A disk of its own in memory. Skips the test where nothing can be mounted."""
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def journaling_disk(folder: Path, *, megabytes: int = 96) -> Iterator[Path]:
    """A disk of its own in a file, with ext4 on it."""
    folder.mkdir()
    image = folder.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    run("mkfs.ext4", "-q", str(image))
    run("mount", "-o", "loop", str(image), str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mount_again(folder: Path) -> None:
    """A disk of `journaling_disk`: what was written down in its journal is put right."""
    run("umount", str(folder))
    run("mount", "-o", "loop", str(folder.with_suffix(".img")), str(folder))


def run(*words: str) -> None:
    """Skips where the system does not let us: without root, or in a container whose root may not mount."""
    try:
        done = subprocess.run(words, capture_output=True, text=True)
        why = done.stderr.strip() or "failed" if done.returncode else ""
    except FileNotFoundError as error:
        why = str(error)
    if why:
        pytest.skip(f"a disk of its own needs root, and a system that lets it mount: {words[0]}: {why}")


def fill(folder: Path, *, leave: int = 0, name: str = "filler") -> Path:
    """A file that takes what is free now, but for so many octets; others may be writing meanwhile."""
    filler, size = folder / name, 0
    found = os.statvfs(folder)
    wanted = found.f_bavail * found.f_frsize - leave
    with filler.open("wb") as file:
        for step in (1 << 20, 1 << 12):
            with suppress(OSError):
                while size + step <= wanted:
                    os.posix_fallocate(file.fileno(), size, step)
                    size += step
    return filler
