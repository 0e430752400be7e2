"""The image, built without a registry on a clean Debian, and run as docs/deployment.md says: read-only, no rights, one volume.

buildah builds it. What runs it is `unshare` and `chroot` with the image's own user, environment, entry point and health check:
an OCI runtime wants more of its machine than a machine for tests may give.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from relay.sandbox.cloud import ACCESS_KEYS
from tests.config_files import debian
from tests.config_files.shipped import IMAGE, ROOT

CLOUD = 8026
BASE = """apt-get update
    apt-get install --yes --no-install-recommends ca-certificates python3-venv
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*"""
[(KEY_ID, SECRET)] = ACCESS_KEYS.items()

# As in config/compose/relay.toml, and the rest of the first settings by `relay init` on the volume.
SETTINGS = {
    "RELAY_CONFIG": "/var/lib/relay/relay.toml",
    "RELAY_SMTP__SUBMISSION": "0.0.0.0:2587",
    "RELAY_SMTP__SUBMISSIONS": "0.0.0.0:2465",
    "RELAY_QUEUE__BALLAST_OCTETS": "0",
    "RELAY_QUEUE__MIN_FREE_OCTETS": "1",
    "RELAY_SES__ENDPOINT": f"http://127.0.0.1:{CLOUD}",
    "AWS_ACCESS_KEY_ID": KEY_ID,
    "AWS_SECRET_ACCESS_KEY": SECRET,
}
INIT = ["init", "--hostname", "relay.example.com", "--login", "shop", "--sender", "@example.com", "--yes"]
LOOPBACK = (
    "import fcntl, socket, struct; "  # SIOCSIFFLAGS: up, loopback, running
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh14x', b'lo', 0x49))"
)
CONTAINER = """
"$PYTHON" -c "$LOOPBACK"
mount --make-rprivate /
mount --bind -o ro "$ROOT" "$ROOT"
mount -o remount,bind,ro "$ROOT"
mount -t proc proc "$ROOT/proc"
mount -t tmpfs -o mode=755 tmpfs "$ROOT/dev"
for device in null zero full random urandom; do
    touch "$ROOT/dev/$device"
    mount --bind "/dev/$device" "$ROOT/dev/$device"
done
mount -t tmpfs -o "uid=${OWNER%:*},gid=${OWNER#*:},mode=700" tmpfs "$ROOT$VOLUME"
INSIDE="setpriv --no-new-privs --bounding-set=-all,+sys_chroot,+setuid,+setgid chroot --userspec=$OWNER $ROOT"
$INSIDE /usr/bin/env --ignore-environment "$@" relay INIT
exec $INSIDE /usr/bin/env --ignore-environment "$@" relay serve
"""
DRIVER = "overlay" if Path("/sys/module/overlay").exists() or "overlay" in Path("/proc/filesystems").read_text() else "vfs"
SEND = """
import smtplib, ssl, sys
with smtplib.SMTP("127.0.0.1", 2587, timeout=30) as client:
    client.starttls(context=ssl._create_unverified_context())
    client.login("shop", sys.argv[1])
    client.sendmail("shop@example.com", "reader@example.net", b"From: shop@example.com\\r\\nSubject: hi\\r\\n\\r\\nHello\\r\\n")
"""


class Built(NamedTuple):
    """The image: its root file system, and what it says of itself."""

    root: Path
    config: dict[str, Any]


def buildah(store: Path, *words: str | Path) -> str:
    options = [f"--root={store}/images", f"--runroot={store}/run", f"--storage-driver={DRIVER}"]
    done = subprocess.run(["buildah", *options, *map(str, words)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, f"{words}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    debian.needs("buildah", "mmdebstrap", "unshare", "setpriv", "nsenter")
    folder = tmp_path_factory.mktemp("image")
    base = debian.fresh(folder / "base", tmp_path_factory.getbasetemp())
    debian.run(base, BASE)
    store = folder / "store"
    made = buildah(store, "from", "scratch")
    buildah(store, "copy", "--quiet", made, base, "/")
    buildah(store, "commit", "--quiet", made, "localhost/base")
    buildah(store, "rm", made)
    shutil.rmtree(base)
    pip = pip_here(folder / "pip.conf")
    where = ("--build-arg=BASE=localhost/base", "--build-arg=REVISION=abc", f"--tag=localhost/{IMAGE}")
    buildah(store, "build", "--isolation=chroot", "--format=docker", "--pull-never", "--quiet", *pip, *where, ROOT)
    container = buildah(store, "from", "--pull-never", f"localhost/{IMAGE}")
    config = json.loads(buildah(store, "inspect", "--type=image", f"localhost/{IMAGE}"))["Docker"]["config"]
    yield Built(Path(buildah(store, "mount", container)), config)
    buildah(store, "umount", container)
    shutil.rmtree(folder)


def pip_here(file: Path) -> list[str]:
    """What makes pip find in the build what it finds on this machine."""
    settings = {name.removeprefix("PIP_").replace("_", "-").lower(): value for name, value in debian.pip_settings().items()}
    file.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()))
    return [f"--volume={path}:{path}:ro" for path in debian.pip_files()] + [f"--volume={file}:/etc/pip.conf:ro"]


@pytest.mark.timeout(400)
def test_it_says_what_it_is(built: Built) -> None:
    labels = built.config["Labels"]
    prefix = "org.opencontainers.image."
    assert labels[f"{prefix}version"] == IMAGE.partition(":")[2]
    assert (labels[f"{prefix}revision"], labels[f"{prefix}base.name"]) == ("abc", "localhost/base")
    assert built.config["User"] == "10001:10001"
    assert built.config["Entrypoint"] + built.config["Cmd"] == ["relay", "serve"]


@pytest.mark.timeout(400)
def test_its_bill_of_materials_is_what_is_in_it_and_in_the_lock(built: Built) -> None:
    bill = json.loads((built.root / "opt/relay/sbom.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.5", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", bill["serialNumber"])
    there = {each["purl"] for each in bill["components"]}
    lock = re.findall(r"(?m)^([a-z0-9-]+)==([^ ;]+)", (ROOT / "requirements.txt").read_text())
    left_out = {"setuptools", "tzdata"}  # of the build alone; of Windows
    assert there == {f"pkg:pypi/{name}@{version}" for name, version in lock if name not in left_out}
    folders = {path.name for path in (built.root / "opt/relay/lib").glob("python3*/site-packages/*.dist-info")}
    assert len(folders) == len(there) + 1
    known = there | {bill["metadata"]["component"]["purl"]}
    assert {each["ref"] for each in bill["dependencies"]} == known
    assert {need for each in bill["dependencies"] for need in each["dependsOn"]} <= known
    [main] = [each for each in bill["dependencies"] if each["ref"].startswith("pkg:pypi/relay@")]
    assert any(need.startswith("pkg:pypi/aiosmtpd@") for need in main["dependsOn"])


@pytest.mark.timeout(400)
def test_it_relays_mail_read_only_as_nobody_and_is_healthy(built: Built, tmp_path: Path) -> None:
    with running(built, tmp_path / "log") as (process, log):
        inside = ["nsenter", f"--target={process}", "--net"]
        far_side = subprocess.Popen(
            [*inside, sys.executable, "-m", "tests.config_files.far_side", str(CLOUD), str(tmp_path / "sent")]
        )
        try:
            password = until(log, r"login shop: .* password (\S+)")
            until(log, r'"what": "smtp submission"')
            assert check(built, process) == 0
            subprocess.run([*inside, sys.executable, "-c", SEND, password], check=True)
            until(tmp_path / "sent", "reader@example.net")
            status = Path(f"/proc/{process}/status").read_text()
            assert re.search(r"Uid:\t10001\t10001\t10001", status)
            assert re.search(r"CapEff:\t0{16}\n", status)
            for path in ("/probe", "/opt/relay/probe", "/etc/relay.toml", "/tmp/probe"):
                assert "Read-only" in entered(built, process, "touch", path).stderr
            assert '"level": "error"' not in log.read_text()
        finally:
            far_side.kill()
            far_side.wait()


@contextmanager
def running(built: Built, log: Path) -> Iterator[tuple[int, Path]]:
    """Its first process, and what it writes. In the end it is stopped as Docker stops it, and must end well."""
    [volume] = built.config["Volumes"]
    told = {
        "PYTHON": sys.executable,
        "LOOPBACK": LOOPBACK,
        "ROOT": str(built.root),
        "VOLUME": volume,
        "OWNER": built.config["User"],
    }
    script = CONTAINER.replace("INIT", " ".join(INIT)).replace(
        "relay serve", " ".join(built.config["Entrypoint"] + built.config["Cmd"])
    )
    words = ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", "sh", "-euc", script, "sh"]
    with log.open("wb") as opened:
        outer = subprocess.Popen(
            [*words, *environment(built)], env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"} | told, stdout=opened, stderr=opened
        )
    try:
        until(log, "login shop")
        [process] = map(int, Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split())
        yield process, log
        subprocess.run(["kill", "-TERM", str(process)], check=True)
        assert outer.wait(timeout=45) == 0
    finally:
        outer.kill()
        outer.wait()


def environment(built: Built) -> list[str]:
    return [*built.config["Env"], *(f"{name}={value}" for name, value in SETTINGS.items())]


def until(file: Path, pattern: str) -> str:
    """The first group of what is found there, or all of it."""
    for _ in range(600):
        if found := re.search(pattern, file.read_text() if file.exists() else ""):
            return found[found.re.groups]
        time.sleep(0.1)
    raise AssertionError(f"no {pattern}: {file.read_text()[-3000:]}")


def entered(built: Built, process: int, *words: str) -> subprocess.CompletedProcess[str]:
    """A program of the image in the container, as its user."""
    user, _, group = built.config["User"].partition(":")
    where = ["nsenter", f"--target={process}", "--all", "--root", "--wd", f"--setuid={user}", f"--setgid={group}"]
    command: Sequence[str] = [*where, "/usr/bin/env", "--ignore-environment", *environment(built), *words]
    return subprocess.run(command, capture_output=True, text=True)


def check(built: Built, process: int) -> int:
    """The health check of the image: 0 is well."""
    kind, *words = built.config["Healthcheck"]["Test"]
    assert kind == "CMD"
    return entered(built, process, *words).returncode
