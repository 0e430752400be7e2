"""The verbs of what SES reports: gone over once more, and what nobody could use."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from relay.assembly.sealing import marks
from relay.cli.access import changing, control, on_config, owning, reading
from relay.cli.quarantine import quarantine_list, quarantine_show
from relay.cli.terminal import Failure, line
from relay.errors import QueueUnavailable
from relay.ports.event_queues import Redriven, SecondTry
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
    async with changing(config.store, config.bounces.rules, marks(config)) as admin:
        done = await admin.replay()
    line(f"{done.added} events that had not been understood, {done.changed} with another class;")
    line(f"{done.suppressed} addresses suppressed, {done.released} not any more")


@feedback.group()
def quarantine() -> None:
    """Messages of queues that could not be used."""


quarantine.add_command(quarantine_list)
quarantine.add_command(quarantine_show)


@feedback.command("redrive")
@on_config
async def feedback_redrive(config: Config) -> None:
    """Take what lies in the dead-letter queues; exit 1 if one cannot be read."""
    async with _second_try(config) as second_try:
        try:
            _tell(await second_try.redrive())
        except QueueUnavailable as error:
            click.echo(f"relay: a queue cannot be read: {error}", err=True)
            sys.exit(1)


@quarantine.command("retry")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@on_config
async def quarantine_retry(config: Config, ids: tuple[str, ...]) -> None:
    """Try once more what is in quarantine, all of it or those named: after a setting was changed, or the relay."""
    async with reading(config.store) as store:
        if unknown := sorted({*ids} - {*await store.quarantine.ids()}):
            raise Failure(f"not in quarantine: {', '.join(unknown)}")
    async with _second_try(config) as second_try:
        _tell(await second_try.retry(ids))


@asynccontextmanager
async def _second_try(config: Config) -> AsyncIterator[SecondTry]:
    """Through the relay that runs, if one does."""
    async with owning(config.store, marks(config)) as store:
        if store is None:
            yield control(config.store)
            return
        from relay.assembly import way_back  # boto3: the other verbs need nothing of it

        yield way_back.redrive_alone(config, store)


def _tell(done: Redriven) -> None:
    click.echo(f"{done.taken} recorded, {done.put_aside} could not be used")
