"""A root of Debian that is booted: systemd as its first process, with processes, mounts and a network of its own."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

import pytest

_BOOT = """
echo $$ > "$GROUP/cgroup.procs"
exec unshare --pid --fork --kill-child --mount --uts --ipc --cgroup --net sh -euc '
mount --make-rprivate /
mount --bind "$ROOT" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount -t sysfs -o ro sysfs "$ROOT/sys"
mount -t tmpfs tmpfs "$ROOT/run"
mount -t tmpfs -o mode=755 tmpfs "$ROOT/dev"
for device in null zero full random urandom tty; do
    touch "$ROOT/dev/$device"
    mount --bind "/dev/$device" "$ROOT/dev/$device"
done
mkdir "$ROOT/dev/pts" "$ROOT/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$ROOT/dev/pts"
ln --symbolic pts/ptmx "$ROOT/dev/ptmx"
ln --symbolic /proc/self/fd "$ROOT/dev/fd"
mount -t tmpfs tmpfs "$ROOT/dev/shm"
mount -t cgroup2 cgroup2 "$ROOT/sys/fs/cgroup"
mkdir -p "$ROOT/.outside"
cd "$ROOT"
pivot_root . .outside
umount -l /.outside
exec env --ignore-environment container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --show-status=no
'
"""


class Machine:
    """It runs. `run` carries out a line in it, `beside` a program of ours on its network."""

    def __init__(self, process_id: int) -> None:
        self._enter = ["nsenter", f"--target={process_id}"]

    def run(self, line: str, *, check: bool = True, within: float = 180.0) -> str:
        """All that it wrote."""
        command = [*self._enter, "--all", "--wdns=/", "env", "--ignore-environment", "HOME=/root", "TERM=dumb"]
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        done = subprocess.run([*command, path, "sh", "-euc", line], capture_output=True, text=True, timeout=within)
        wrote = done.stdout + done.stderr
        assert not check or done.returncode == 0, f"{line}\n{wrote[-3000:]}\n{self._journal()}"
        return wrote

    def _journal(self) -> str:
        return self.run("journalctl --no-pager --lines 40 --output cat", check=False)

    def beside(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        """On its network, with our own files."""
        return subprocess.Popen([*self._enter, "--net", *words])


@contextmanager
def booted(root: Path) -> Iterator[Machine]:
    """Until the end of the block. Skips where nobody may boot anything."""
    group = _cgroups() / f"relay-{token_hex(4)}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    with (root / "boot.log").open("wb") as log:
        told = {**os.environ, "ROOT": str(root), "GROUP": str(group)}
        outer = subprocess.Popen(["sh", "-euc", _BOOT], env=told, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        machine = Machine(_first_process(outer, root))
        _wait(machine)
        yield machine
    finally:
        outer.kill()
        outer.wait()
        _remove(group)


def _cgroups() -> Path:
    found = re.findall(r"(?m)^\S+ (\S+) cgroup2 ", Path("/proc/self/mounts").read_text())
    if not found:
        pytest.skip("there is no cgroup2 here")
    return Path(found[0])


def _first_process(outer: subprocess.Popen[bytes], root: Path) -> int:
    """systemd, once it is that."""
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    for _ in range(1000):
        if outer.poll() is not None:
            break
        with suppress(OSError):
            for child in children.read_text().split():
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return int(child)
        time.sleep(0.05)
    pytest.fail(f"it did not boot: {(root / 'boot.log').read_text()}")


def _wait(machine: Machine) -> None:
    """Until its services have been started."""
    for _ in range(500):
        if machine.run("systemctl is-system-running", check=False).strip() in ("running", "degraded"):
            return
        time.sleep(0.1)
    pytest.fail(machine.run("systemctl list-jobs --no-pager", check=False))


def _remove(group: Path) -> None:
    """Those below it first; its last processes may take a moment."""
    for _ in range(100):
        for folder in sorted((each for each in group.rglob("*") if each.is_dir()), key=lambda each: -len(each.parts)):
            with suppress(OSError):
                folder.rmdir()
        with suppress(OSError):
            group.rmdir()
        if not group.exists():
            return
        time.sleep(0.05)
