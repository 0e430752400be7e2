"""docs/install.md, line by line on a clean Debian, which boots and runs the relay by its unit; and what the unit may do."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.sandbox.cloud import ACCESS_KEYS
from relay.security.certificates import make_server_pair
from tests.config_files import debian
from tests.config_files.machine import Machine, booted
from tests.config_files.shipped import ROOT

PAGE = ROOT / "docs" / "install.md"
UNIT = ROOT / "config" / "systemd" / "relay.service"
SOURCE = ("pyproject.toml", "README.md", "LICENSE", "requirements.txt", "relay", "config", "docs")
CLOUD = 8026
UNTIL, PAUSE = "for _ in $(seq 100); do", "sleep 0.1; done; exit 1"
[(KEY_ID, SECRET)] = ACCESS_KEYS.items()


def lines() -> Iterator[tuple[str, str]]:
    """What is typed, each line below its heading; those that end in a backslash go on."""
    heading = ""
    for line in PAGE.read_text().replace("\\\n", "").splitlines():
        if found := re.fullmatch(r"#+ (.+)", line):
            heading = found[1]
        elif line.startswith("    "):
            yield heading, line.strip()


def test_the_page_has_lines_for_each_step() -> None:
    headings = [heading for heading, _ in lines()]
    assert {heading[:2] for heading in headings if heading[0].isdigit()} == {"1.", "2.", "3.", "4.", "5.", "6."}
    assert {"Upgrade", "Uninstall"} <= {*headings}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Debian as a server has it, with the source of the relay to be cloned."""
    debian.needs("mmdebstrap", "unshare", "nsenter", "git")
    folder = tmp_path_factory.mktemp("install")
    made = debian.fresh(folder / "root", tmp_path_factory.getbasetemp())
    source = made / "srv/relay"
    source.mkdir()
    for name in SOURCE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    commit(source, "the relay")
    with (made / "etc/hosts").open("a") as hosts:
        hosts.write("127.0.0.1 localhost relay.example.com\n")
    yield made
    shutil.rmtree(folder)


def commit(source: Path, what: str) -> None:
    name = ("-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main")
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", what]):
        subprocess.run(["git", *name, *words], cwd=source, check=True, capture_output=True)


@pytest.mark.timeout(400)
def test_the_documented_install_works_line_by_line(root: Path, tmp_path: Path) -> None:
    """Up to the first systemctl on this machine's network, from then on booted, on one where nothing else is."""
    steps = list(lines())
    begins = next(n for n, (_, line) in enumerate(steps) if line.startswith("systemctl"))
    for _, line in steps[:begins]:
        debian.run(root, line.replace("REPOSITORY", "/srv/relay"))
    with booted(root) as machine:
        far_side = machine.beside([sys.executable, "-m", "tests.config_files.far_side", str(CLOUD), str(tmp_path / "log")])
        try:
            follow(machine, root, steps[begins:], tmp_path / "log")
        finally:
            far_side.kill()
            far_side.wait()
    gone = ("opt/relay*", "etc/relay", "var/lib/relay", "usr/local/bin/relay")
    assert [path for each in gone for path in root.glob(each)] == []


def follow(machine: Machine, root: Path, steps: list[tuple[str, str]], log: Path) -> None:
    """The rest of the page; what is to be seen in between."""
    said: dict[str, str] = {}
    words = {"KEY-ID SECRET": f"{KEY_ID} {SECRET}"}
    for heading, line in steps:
        if heading == "Upgrade" and "pull" in line:
            (root / "srv/relay/README.md").write_text("another release\n")
            commit(root / "srv/relay", "another release")
        for word, value in words.items():
            line = line.replace(word, value)
        wrote = debian.run(root, line) if " -m pip " in line else machine.run(line)  # the machine cannot reach what pip reads
        said[line.split()[0] + " " + line.split()[1]] = wrote
        if line.startswith("relay init"):
            found = re.search(r"login shop: .* password (\S+)", wrote)
            assert found, wrote
            words["PASSWORD"] = found[1]
        if line.startswith("printf"):
            with (root / "etc/relay/environment").open("a") as environment:
                environment.write(f"RELAY_SES__ENDPOINT=http://127.0.0.1:{CLOUD}\n")
        if line.startswith("journalctl"):
            look(machine, root, said)
        if line.startswith("swaks"):
            [id] = re.findall(r"250 2.0.0 Ok: queued as (\w+)", wrote)
            assert json.loads(first_line(log))["to"] == ["success@simulator.amazonses.com"]
        if line.startswith("runuser"):
            assert id in wrote
        if line == "systemctl restart relay":
            assert machine.run("systemctl is-active relay").strip() == "active"
            process = machine.run("systemctl show relay --property MainPID --value").strip()
            assert machine.run(f"cat /proc/{process}/cmdline").startswith("/opt/relay-0.2.0/bin/python")


def first_line(log: Path) -> str:
    for _ in range(600):
        if (lines := log.read_text().splitlines()) and lines:
            return lines[0]
        time.sleep(0.1)
    raise AssertionError("nothing arrived")


def look(machine: Machine, root: Path, said: dict[str, str]) -> None:
    """At the service that runs."""
    assert 'open: private 8082, api 8081, submission 587, submissions 465"' in said["systemctl status"]
    assert '"event": "started", "what": "smtp submission", "where": "0.0.0.0:587"' in said["journalctl --unit"]
    process, restarts = re.findall(r"=(\d+)", machine.run("systemctl show relay --property MainPID,NRestarts"))
    assert restarts == "0"
    status = machine.run(f"cat /proc/{process}/status")
    user = machine.run("id --user relay").strip()
    for line in (rf"Uid:\t{user}\t{user}\t{user}", "CapEff:\t0{13}400\n", "NoNewPrivs:\t1", "Seccomp:\t2"):
        assert re.search(line, status), line  # 400 is CAP_NET_BIND_SERVICE
    modes = {path: machine.run(f"stat --format '%U:%G %a' {path}").strip() for path in OWNERS}
    assert modes == OWNERS
    machine.run("systemd-analyze verify relay.service")
    renew(machine, root)


def renew(machine: Machine, root: Path) -> None:
    """A new certificate by the hook of docs/tls.md, which reloads."""
    hook = root / "usr/local/sbin/relay-certificate"
    [script] = re.findall(r"(?ms)^```sh\n(#!/bin/sh\n.*?)^```", (ROOT / "docs/tls.md").read_text())
    hook.write_text(script)
    hook.chmod(0o755)
    pair = {"key_file": root / "root/privkey.pem", "certificate_file": root / "root/fullchain.pem"}
    make_server_pair(**pair, name="renewed.example.com", now=time.time())
    machine.run("relay-certificate /root/fullchain.pem /root/privkey.pem")
    machine.run(f"{UNTIL} journalctl --unit relay --output cat | grep --quiet renewed.example.com && exit; {PAUSE}")
    told = machine.run("journalctl --unit relay --output cat --no-pager")
    assert re.search(r'"certificate_loaded", "section": "smtp", "name": "renewed.example.com"', told)
    assert "certificate_refused" not in told
    assert machine.run("systemctl is-active relay").strip() == "active"


OWNERS = {
    "/etc/relay": "root:relay 750",
    "/etc/relay/relay.toml": "root:relay 640",
    "/etc/relay/keys": "root:relay 640",
    "/etc/relay/environment": "root:root 600",
    "/etc/relay/tls/key.pem": "root:relay 640",
    "/var/lib/relay": "relay:relay 700",
}


def test_the_unit_exposes_no_more_than_the_page_says() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    [score] = re.findall(r"Overall exposure level for relay.service: ([\d.]+) OK", said)
    [told] = re.findall(r"gives it ([\d.]+) of 10", " ".join(PAGE.read_text().split()))
    assert score == told


def test_its_times_fit_those_of_the_relay() -> None:
    unit = dict(re.findall(r"(?m)^(\w+)=(.+)$", UNIT.read_text()))
    assert (unit["Type"], unit["TimeoutStopSec"], unit["WatchdogSec"]) == ("notify", "45", "60")
    assert unit["ExecStart"] == "/opt/relay/bin/relay serve --config /etc/relay/relay.toml"
