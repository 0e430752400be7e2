"""Clean roots of Debian, made by mmdebstrap from the mirror of this machine, and lines of a shell carried out in them."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from tests.e2e import test_clients

SUITE = "bookworm"
_FIND = ("Identifier: Packages", f"Codename: {SUITE}", "Label: Debian")

# Nothing of it is seen outside, and with its first process all others end.
_NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
_ENTER = """
mount --make-rprivate /
mount -t proc proc "$ROOT/proc"
for device in null zero full random urandom; do
    touch "$ROOT/dev/$device"
    mount --bind "/dev/$device" "$ROOT/dev/$device"
done
cp /etc/resolv.conf "$ROOT/etc/resolv.conf"
for path in $SHARED; do
    if [ -d "$path" ]; then mkdir -p "$ROOT$path"; else mkdir -p "$ROOT${path%/*}"; touch "$ROOT$path"; fi
    mount --bind -o ro "$path" "$ROOT$path"
done
exec env --ignore-environment $KEPT chroot "$ROOT" sh -euc "$LINE"
"""
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def needs(*programs: str) -> None:
    """Skips where one of them is missing and not promised, or where we are not root."""
    if os.geteuid():
        pytest.skip("only root can make a root of Debian")
    for program in programs:
        test_clients.needs(program)
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True).returncode:
        pytest.skip("no namespaces may be made here")


def fresh(folder: Path, session: Path) -> Path:
    """A root at `folder`, with systemd: a copy of one that was made once, kept in RELAY_TEST_ROOTS or for this session."""
    workers = session.parent if "PYTEST_XDIST_WORKER" in os.environ else session
    kept = Path(os.environ.get("RELAY_TEST_ROOTS", workers))
    known = sha256(SUITE.encode() + b"".join(Path(each).read_bytes() for each in _asked("$(FILENAME)")))
    made = kept / f"debian-{known.hexdigest()[:20]}"
    with _alone(kept / "debian.lock"):
        if not made.exists():
            _bootstrap(made)
    subprocess.run(["cp", "--archive", "--reflink=auto", made, folder], check=True)
    return folder


def _bootstrap(made: Path) -> None:
    """Under another name first: what is half done is not used."""
    half = made.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    wanted = ["--mode=root", "--variant=minbase", "--include=systemd-sysv"]
    words = ["mmdebstrap", *wanted, SUITE, str(half), _asked("$(REPO_URI)")[0]]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    half.rename(made)


def _asked(field: str) -> list[str]:
    """What apt knows of the main archive of the suite: where it is, and its lists of packages."""
    command = ["apt-get", "indextargets", "--format", field, *_FIND]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    if not found or not all(each.startswith("http") or Path(each).exists() for each in found):
        subprocess.run(["apt-get", "update", "-qq"], check=True, capture_output=True)
    if not found:
        pytest.skip(f"apt knows no archive of {SUITE} here")
    return found


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def pip_settings() -> Mapping[str, str]:
    """pip's own configuration of this machine, as variables of its environment."""
    said = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"(?m)^(?::env:|global|install)\.([a-z-]+)='(.*)'$", said)
    return {f"PIP_{name.replace('-', '_').upper()}": value for name, value in found}


def pip_files() -> list[str]:
    """What that names of this machine's files."""
    words = " ".join(pip_settings().values()).replace("file://", "").split()
    return sorted({word.removesuffix("/simple") for word in words if word.startswith("/") and Path(word).exists()})


def run(root: Path, line: str, *, check: bool = True, **environment: str) -> str:
    """A line of a shell in a root, on this machine's network; all that it wrote. pip finds there what it finds here."""
    kept = {"PATH": _PATH.partition("=")[2], "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}
    shared: list[str] = []
    if re.search(r"\bpip\b", line):
        kept |= pip_settings()
        shared = pip_files()
    told = {"ROOT": str(root), "LINE": line, "SHARED": " ".join(shared), "PATH": os.environ["PATH"]}
    command = [*_NAMESPACES, "sh", "-euc", _ENTER.replace("$KEPT", '"$@"'), "sh"]
    words = [f"{name}={value}" for name, value in (kept | environment).items()]
    done = subprocess.run([*command, *words], env=told, capture_output=True, text=True)
    assert not check or done.returncode == 0, f"{line}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout + done.stderr
