"""The verb of the relay's own keys."""

from __future__ import annotations

from pathlib import Path

import click

from relay.assembly import installing
from relay.cli.terminal import Failure


@click.group()
def key() -> None:
    """The relay's own keys, which links in mail are sealed with."""


@key.command("new")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def key_new(file: Path) -> None:
    """Add a new key to FILE, which `secrets.keys_file` names, or RELAY_SECRETS__KEYS_FILE; it is made where there is none.

    The newest is used from the next start on. Those before it stay, so that links in mail that was sent stay good.
    """
    try:
        number = installing.add_key(file)
    except (OSError, ValueError) as error:
        raise Failure(f"{file}: {error}") from error
    click.echo(f"key {number} is in {file}")
