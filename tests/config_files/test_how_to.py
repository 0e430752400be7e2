"""The commands of docs/deployment.md: secrets come out of them that the nodes can use, and every file they name is there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from relay.settings import Config
from tests.config_files.shipped import COMPOSE, KUBERNETES, ROOT, read, settings
from tests.e2e.test_clients import needs

PAGE = (ROOT / "docs" / "deployment.md").read_text()
# Of docker, only `docker run IMAGE VERB...` is carried out, in the folder that it mounts.
DOCKER = f"""docker() {{
    case "$1" in run) while [ "$1" != key ]; do shift; done; {shlex.quote(sys.executable)} -m relay key new ".$3";; esac
}}
"""


def commands(heading: str) -> str:
    """The first block of commands below a heading."""
    found = re.search(rf"(?ms)^#+ {heading}$.*?\n\n((?:    [^\n]+\n)+)", PAGE)
    assert found, heading
    return found[1]


def followed(folder: Path, *headings: str) -> None:
    needs("openssl")
    script = DOCKER + "".join(commands(heading) for heading in headings)
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(["sh", "-euc", script], cwd=folder, env=environ, check=True, capture_output=True)


def config_of(folder: Path, files: Path, *headings: str) -> Config:
    followed(folder, *headings)
    environ: dict[str, str | None] = {}
    names = ["compose.yaml", "compose.pgbouncer.yaml"][: len(headings)]
    for project in read(*(COMPOSE / name for name in names)):
        environ |= project["services"]["relay-1"]["environment"]
    made = {f"/run/secrets/{file.name}": file.read_text() for file in (folder / "secrets").iterdir()}
    return settings(COMPOSE / "relay.toml", environ, made, files)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


def test_the_secrets_of_compose_come_out_of_the_commands(tmp_path: Path, files: Path) -> None:
    config = config_of(tmp_path, files, "Compose")
    password = (tmp_path / "secrets/postgres-password").read_text().strip()
    assert config.store.url == f"postgresql://relay:{password}@postgres/relay"
    assert len(config.secrets.keys) == 1
    wanted = set(read(COMPOSE / "compose.yaml")[0]["secrets"])
    assert {file.name for file in (tmp_path / "secrets").iterdir()} == wanted - {"callbacks.pem"}
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "secrets").iterdir()} == {0o444}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="its files are root's, which may write what is read-only")
def test_and_those_that_lead_through_pgbouncer(tmp_path: Path, files: Path) -> None:
    config = config_of(tmp_path, files, "Compose", "Through PgBouncer")
    password = (tmp_path / "secrets/postgres-password").read_text().strip()
    assert config.store.url == f"postgresql://relay:{password}@pgbouncer:6432/relay"
    assert config.store.direct_url == f"postgresql://relay:{password}@postgres/relay"
    assert (tmp_path / "secrets/pgbouncer-users").read_text() == f'"relay" "{password}"\n'


def test_what_the_page_names_is_there() -> None:
    for path in re.findall(r"`((?:config|image|migration)/[\w./-]*|[\w.-]+\.(?:yaml|cfg))`", PAGE):
        assert any((folder / path).exists() for folder in (ROOT, COMPOSE, KUBERNETES)), path
    for folder in re.findall(r"apply --kustomize (\S+)", PAGE):
        assert (KUBERNETES / folder / "kustomization.yaml").exists()
    named = re.findall(r"(?:docker compose exec|--no-deps|run --rm|for node in) ([a-z][a-z0-9-]*)", PAGE)
    assert {name for name in named if name != "relay"} <= read(COMPOSE / "compose.yaml")[0]["services"].keys()
