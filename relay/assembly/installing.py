"""What a relay needs on a machine before its first start: its settings, keys, certificate and folder, and whose they are."""

from __future__ import annotations

import base64
import os
import platform
import pwd
import secrets
import sqlite3
import sys
from pathlib import Path

from relay import tokens
from relay.errors import ConfigError
from relay.findings import Finding, Grade
from relay.security.certificates import make_server_pair
from relay.settings import StoreConfig

_KEY_OCTETS = 32
_SQLITE = (3, 37, 0)  # tables are STRICT
_FAR_DISKS = frozenset({"9p", "afs", "ceph", "cifs", "fuse.s3fs", "fuse.sshfs", "glusterfs", "nfs", "nfs4", "smb3"})


def facts(where: StoreConfig) -> tuple[Finding, ...]:
    """Of the machine, and of the disk that the store lies on, or will lie on."""
    kind = _kind_of_disk(where.path.parent)
    return (
        _fact(sys.platform == "linux", "system", f"{platform.system()} {platform.release()}", "the relay runs on Linux"),
        _fact(sys.version_info >= (3, 11), "Python", platform.python_version(), "3.11 or later"),
        _fact(sqlite3.sqlite_version_info >= _SQLITE, "SQLite", sqlite3.sqlite_version, "3.37 or later"),
        _fact(
            kind not in _FAR_DISKS,
            "kind of disk",
            kind,
            "SQLite needs a disk of this machine; or take PostgreSQL: docs/postgres.md",
        ),
    )


def _fact(is_so: bool, what: str, seen: str, remedy: str) -> Finding:
    return Finding(what, Grade.OK, seen, "") if is_so else Finding(what, Grade.FAIL, seen, remedy)


def _kind_of_disk(folder: Path) -> str:
    """The file system's, by proc(5): that of the longest mount point above it."""
    mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    above = {str(each) for each in (folder.absolute(), *folder.absolute().parents)}
    return max(((len(point), kind) for point, kind in mounts if point in above), default=(0, "unknown"))[1]


class Owner:
    """Whom the relay runs as. What it must read is root's and its group's; what it writes is its own."""

    def __init__(self, name: str) -> None:
        """An empty name is whoever this is. Raises ConfigError where there is no such user."""
        try:
            self._found = pwd.getpwnam(name) if name else None
        except KeyError:
            raise ConfigError("--user", name, "there is no such user: useradd --system makes one") from None
        self.is_another = self._found is not None and self._found.pw_uid != os.geteuid()
        self.name = name or pwd.getpwuid(os.geteuid()).pw_name

    def may_read(self, path: Path) -> None:
        """A file or folder of settings."""
        path.chmod((0o750 if path.is_dir() else 0o640) if self._found else (0o700 if path.is_dir() else 0o600))
        if self._found:
            os.chown(path, -1, self._found.pw_gid)

    def folder(self, path: Path) -> bool:
        """A folder of its own; False where there is one already."""
        is_new = not path.exists()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._found:
            os.chown(path, self._found.pw_uid, self._found.pw_gid)
        return is_new

    def become(self) -> None:
        """From here on this process is this user's, for good."""
        if self._found and os.geteuid() == 0:
            os.initgroups(self._found.pw_name, self._found.pw_gid)
            os.setgid(self._found.pw_gid)
            os.setuid(self._found.pw_uid)
            os.environ.update(HOME=self._found.pw_dir, USER=self._found.pw_name)


def add_key(file: Path) -> int:
    """Adds a new key, which is made beside the others; its number. Raises OSError; ValueError for a file of something else."""
    lines = file.read_text("ascii").split() if file.exists() else []
    number = max(tokens.derived(lines, ""), default=0) + 1
    made = f"{number}:{base64.b64encode(secrets.token_bytes(_KEY_OCTETS)).decode()}"
    tokens.derived([*lines, made], "")
    write(file, "".join(f"{line}\n" for line in (*lines, made)))
    return number


def write(file: Path, text: str) -> None:
    """Beside it first: a file that is half written would be worse than none. A new one is for nobody else, another stays whose
    it is. Raises OSError.
    """
    new = file.with_name(f"{file.name}.new")
    with os.fdopen(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
        if file.exists():
            before = file.stat()
            os.fchown(opened.fileno(), before.st_uid, before.st_gid)
            os.fchmod(opened.fileno(), before.st_mode & 0o777)
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    new.replace(file)


def sign_ourselves(certificate: Path, key: Path, *, name: str, now: float, owner: Owner) -> bool:
    """A certificate that nobody vouches for; False where there is one already. Raises OSError."""
    if certificate.exists() or key.exists():
        return False
    for folder in dict.fromkeys((certificate.parent, key.parent)):
        if not folder.exists():
            folder.mkdir(parents=True)
            owner.may_read(folder)
    make_server_pair(key_file=key, certificate_file=certificate, name=name, now=now)
    owner.may_read(certificate)
    owner.may_read(key)
    return True
