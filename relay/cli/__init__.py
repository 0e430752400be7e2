"""The command line: what an operator types. Reads the database itself; what it writes goes through a relay that runs."""

from __future__ import annotations

from pathlib import Path

import click

from relay import __version__
from relay.cli import credential, message, sandbox, sender, serve, suppression

__all__ = ["main"]

_DEFAULT_CONFIG = Path("/etc/relay/relay.toml")
_VERBS = (
    serve.serve,
    serve.check_config,
    sandbox.sandbox,
    sandbox.demo_command,
    message.message,
    suppression.suppression,
    credential.credential,
    sender.sender,
)


@click.group(commands=_VERBS)
@click.version_option(__version__, prog_name="relay")
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    envvar="RELAY_CONFIG",
    help=f"The settings; {_DEFAULT_CONFIG} where it exists, else defaults and environment.",
)
@click.pass_context
def main(context: click.Context, file: Path | None) -> None:
    """A durable SMTP relay in front of Amazon SES, with its feedback brought home."""
    context.obj = file or (_DEFAULT_CONFIG if _DEFAULT_CONFIG.exists() else None)
