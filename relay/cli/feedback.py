"""The verbs of what SES reports."""

from __future__ import annotations

import click

from relay.cli.access import changing, on_config
from relay.cli.terminal import line
from relay.settings import Config


@click.group()
def feedback() -> None:
    """What SES reports about mail."""


@feedback.command("replay")
@on_config
async def feedback_replay(config: Config) -> None:
    """Go over all that SES has reported once more, by the rules of today.

    For when [bounces] has changed, or a new version understands more. What is right already stays as it is; an address that
    somebody let be mailed again stays so.
    """
    async with changing(config.store, config.bounces.rules) as admin:
        done = await admin.replay()
    line(f"{done.added} events that had not been understood, {done.changed} with another class;")
    line(f"{done.suppressed} addresses suppressed, {done.released} not any more")
