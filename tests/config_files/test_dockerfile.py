"""The image: what goes into it, what is left out, who runs in it."""

from __future__ import annotations

import json
import re

from relay.settings import StoreConfig
from tests.config_files.shipped import ROOT, dockerfile

BUILD, FINAL = dockerfile()


def told(stage: list[tuple[str, str]], word: str) -> list[str]:
    return [rest for found, rest in stage if found == word]


def test_only_what_is_copied_is_sent_to_the_builder() -> None:
    copied = {source for copy in told(BUILD, "COPY") for source in copy.split()[:-1]}
    assert all((ROOT / source).exists() for source in copied)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == copied


def test_what_is_installed_is_what_the_makefile_installs() -> None:
    ours = re.findall(r"pip install --quiet (.+?)(?: &&|$)", "\n".join(told(BUILD, "RUN")), re.MULTILINE)
    run = (ROOT / "Makefile").read_text().partition(".venv/run.stamp:")[2].partition("\n\n")[0]
    assert ours == [line.replace("--editable ", "") for line in re.findall(r"\$\(PIP\) (.+)", run)]


def test_the_last_stage_takes_the_venv_and_builds_nothing() -> None:
    [venv] = re.findall(r"-m venv (\S+)", "\n".join(told(BUILD, "RUN")))
    assert told(FINAL, "COPY") == [f"--from=build {venv} {venv}"]
    assert any(f"PATH={venv}/bin:" in line for line in told(FINAL, "ENV"))
    assert "pip uninstall --quiet --yes setuptools pip" in "\n".join(told(BUILD, "RUN"))
    assert "pip" not in "\n".join(told(FINAL, "RUN"))


def test_who_runs_has_no_rights_and_writes_to_the_volume_alone() -> None:
    [user] = told(FINAL, "USER")
    number, group = user.split(":")
    made = "\n".join(told(FINAL, "RUN"))
    assert f"--uid {number} " in made
    assert f"--gid {group} " in made
    [volume] = json.loads(told(FINAL, "VOLUME")[0])
    assert volume == str(StoreConfig().path.parent)
    assert f"TMPDIR={volume}" in told(FINAL, "ENV")[0]
    assert [word for word, _ in FINAL].index("USER") > max(n for n, (word, _) in enumerate(FINAL) if word in ("RUN", "COPY"))


def test_it_serves_until_it_is_told_to_stop() -> None:
    assert [json.loads(told(FINAL, word)[0]) for word in ("ENTRYPOINT", "CMD")] == [["relay"], ["serve"]]
    assert told(FINAL, "STOPSIGNAL") == ["SIGTERM"]
