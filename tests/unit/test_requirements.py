"""What is installed is what is written down: every name pinned, every file hashed, nothing from elsewhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

packaging_requirements = pytest.importorskip("packaging.requirements")

_ROOT = Path(__file__).parents[2]
_PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9.+!]+)( ; [^#]+)?((?: --hash=sha256:[0-9a-f]{64})+)")
_PROJECT: dict[str, Any] = tomllib.loads((_ROOT / "pyproject.toml").read_text())

RUNTIME = [
    *_PROJECT["project"]["dependencies"],
    *_PROJECT["project"]["optional-dependencies"]["fast"],
    *_PROJECT["dependency-groups"]["build"],
    *_PROJECT["build-system"]["requires"],
]
EXTRAS = [each for extra in _PROJECT["project"]["optional-dependencies"].values() for each in extra]
WANTED = [("requirements.txt", each) for each in RUNTIME] + [("requirements-dev.txt", each) for each in RUNTIME + EXTRAS]
FILES = ["requirements.txt", "requirements-dev.txt"]


def normal(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(file: str) -> list[str]:
    """The requirements, each as one line."""
    joined = (_ROOT / file).read_text().replace("\\\n", " ")
    lines = (" ".join(line.split()) for line in joined.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def pins(file: str) -> dict[str, set[str]]:
    """Name -> versions; several only where markers tell them apart."""
    found: dict[str, set[str]] = {}
    for line in requirements(file):
        name, _, version = line.split(" ")[0].partition("==")
        found.setdefault(normal(name), set()).add(version)
    return found


@pytest.mark.parametrize("file", FILES)
def test_every_requirement_is_pinned_and_hashed(file: str) -> None:
    lines = requirements(file)
    assert len(lines) > len(RUNTIME)
    assert [line[:60] for line in lines if not _PINNED.fullmatch(line)] == []


@pytest.mark.parametrize("file", FILES)
def test_nothing_comes_from_anywhere_but_the_index(file: str) -> None:
    text = (_ROOT / file).read_text()
    assert [word for word in ("://", "http:", "https:", "index-url", "find-links", "@ ") if word in text] == []


@pytest.mark.parametrize("file", FILES)
def test_no_name_is_pinned_twice_for_the_same_interpreter(file: str) -> None:
    markers = [line.split(" --hash")[0].partition(" ; ") for line in requirements(file)]
    names = [normal(name.partition("==")[0]) for name, _, marker in markers if not marker]
    assert sorted(names) == sorted(set(names))
    assert not {normal(name.partition("==")[0]) for name, _, marker in markers if marker} & set(names)


@pytest.mark.parametrize(("file", "wanted"), WANTED)
def test_what_the_project_asks_for_is_pinned_to_a_version_it_accepts(file: str, wanted: str) -> None:
    requirement = packaging_requirements.Requirement(wanted)
    versions = pins(file).get(normal(requirement.name), set())
    assert versions, f"{requirement.name} is missing from {file}"
    assert [version for version in versions if not requirement.specifier.contains(version)] == []


def test_both_files_agree_on_versions() -> None:
    runtime, everything = pins("requirements.txt"), pins("requirements-dev.txt")
    assert {name: versions for name, versions in runtime.items() if everything.get(name) != versions} == {}


def test_both_files_agree_on_hashes() -> None:
    def hashes(file: str) -> dict[str, set[str]]:
        return {line.split(" ")[0]: set(re.findall(r"--hash=\S+", line)) for line in requirements(file)}

    runtime, everything = hashes("requirements.txt"), hashes("requirements-dev.txt")
    assert [pin for pin in runtime if runtime[pin] != everything.get(pin)] == []
