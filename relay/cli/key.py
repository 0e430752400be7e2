"""The verb of the relay's own keys."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

import click

from relay import tokens
from relay.cli.terminal import Failure

_OCTETS = 32


@click.group()
def key() -> None:
    """The relay's own keys, which links in mail are sealed with."""


@key.command("new")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def key_new(file: Path) -> None:
    """Add a new key to FILE, which RELAY_SECRETS__KEYS_FILE names; it is made where there is none.

    The newest is used from the next start on. Those before it stay, so that links in mail that was sent stay good.
    """
    try:
        lines = file.read_text("ascii").split() if file.exists() else []
        number = max(tokens.derived(lines, ""), default=0) + 1
        tokens.derived([*lines, made := f"{number}:{base64.b64encode(secrets.token_bytes(_OCTETS)).decode()}"], "")
        _write(file, "".join(f"{line}\n" for line in (*lines, made)))
    except (OSError, ValueError) as error:
        raise Failure(f"{file}: {error}") from error
    click.echo(f"key {number} is in {file}")


def _write(file: Path, text: str) -> None:
    """Beside it first: a file that is half written would make all links bad."""
    new = file.with_name(f"{file.name}.new")
    with os.fdopen(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="ascii") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    new.replace(file)
