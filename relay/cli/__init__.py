"""The command line: what an operator types. Reads the database itself; what it writes goes through a relay that runs."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from pathlib import Path

import click

from relay import __version__
from relay.cli.terminal import Failure

__all__ = ["DEFAULT_CONFIG", "main"]

DEFAULT_CONFIG = Path("/etc/relay/relay.toml")
_VERBS = {
    "init": "init.init",
    "serve": "serve.serve",
    "check-config": "serve.check_config",
    "sandbox": "sandbox.sandbox",
    "demo": "sandbox.demo_command",
    "nodes": "nodes.nodes",
    "message": "message.message",
    "queue": "queue.queue",
    "feedback": "feedback.feedback",
    "suppression": "suppression.suppression",
    "address": "address.address",
    "stats": "stats.stats",
    "credential": "credential.credential",
    "sender": "sender.sender",
    "aws": "aws.aws",
    "key": "key.key",
    "operator": "operator.operator",
    "webhook": "webhook.webhook",
    "doctor": "doctor.doctor",
    "alarms": "alarms.alarms",
    "migrate": "migrate.migrate",
    "store": "store.store",
    "backup": "backup.backup",
    "restore": "backup.restore",
    "version": "version.version_verb",
}


class _Verbs(click.Group):
    """Imports a verb's file when it is asked for: what serves mail takes most of a second to import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        file, _, name = _VERBS[cmd_name].partition(".")
        gc.disable()  # what is imported stays: nobody need look through it, now or later
        found: click.Command = getattr(import_module(f"relay.cli.{file}"), name)
        gc.freeze()
        gc.enable()
        return found


def _open_streams() -> None:
    """Whoever starts us may have closed them: a socket would get such a number, and libuv gives up the process for that."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - to the end of the process


@click.group(cls=_Verbs)
@click.version_option(__version__, prog_name="relay")
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    envvar="RELAY_CONFIG",
    help=f"The settings; {DEFAULT_CONFIG} where it exists, else defaults and environment.",
)
@click.pass_context
def main(context: click.Context, file: Path | None) -> None:
    """A durable SMTP relay in front of Amazon SES, with its feedback brought home."""
    _open_streams()
    for word in sys.argv[1:]:
        if not word.isascii() and word.encode("utf-8", "replace").decode("utf-8") != word:
            raise Failure(f"{word.encode('utf-8', 'backslashreplace').decode()}: not UTF-8")
    context.obj = file or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
