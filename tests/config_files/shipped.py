"""The files for running several nodes, as they are read: Dockerfile, config/compose, config/kubernetes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from relay import config
from relay.config_rules import address
from relay.settings import Config

ROOT = Path(__file__).parents[2]
COMPOSE, KUBERNETES = ROOT / "config" / "compose", ROOT / "config" / "kubernetes"
IMAGE = f"relay:{tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']['version']}"

# What a secret may hold: of the name in compose.yaml, or of the key in a Secret.
CONTENTS = {
    "store-url": "postgresql://relay:secret@postgres/relay",
    "direct-url": "postgresql://relay:secret@postgres/relay",
    "relay-keys": "1:a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=\n",
}

Document = dict[str, Any]


def read(*files: Path) -> list[Document]:
    """All documents in them."""
    return [document for file in files for document in yaml.safe_load_all(file.read_text())]


def settings(toml: Path | None, environ: Mapping[str, str | None], files: Mapping[str, str], folder: Path) -> Config:
    """As a container reads them: the files that its variables name are `files`, put into a folder of ours.

    Raises ConfigError, and KeyError for a file that the container has not.
    """
    here = {}
    for variable, value in environ.items():
        if variable.endswith("_FILE") and value:
            path = folder / variable
            path.write_text(files[value])
            here[variable] = str(path)
        elif value is not None:
            here[variable] = value
    return config.load(toml, here)


def ports(config: Config) -> dict[str, int]:
    """Of each listener that is on and not for one machine alone."""
    listeners = {
        "submission": config.smtp.submission,
        "submissions": config.smtp.submissions,
        "callbacks": config.callbacks.listen,
        "private": config.private.listen,
    }
    found = {name: address(listener, "", name) for name, listener in listeners.items() if listener}
    assert {host for host, _ in found.values()} == {"0.0.0.0"}
    return {name: port for name, (_, port) in found.items()}


def dockerfile() -> list[list[tuple[str, str]]]:
    """Its stages, each a list of instructions: the word and what follows it."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    words = [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]
    starts = [n for n, (word, _) in enumerate(words) if word == "FROM"]
    return [words[start:end] for start, end in zip(starts, [*starts[1:], len(words)], strict=True)]
