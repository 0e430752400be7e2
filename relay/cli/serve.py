"""The verbs that use all settings: run the relay, check what it would run with."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import click

from relay import failpoints, journal
from relay.app import App
from relay.cli.loop import is_done_before, run, told, until_any
from relay.cli.supervisor import Supervisor
from relay.cli.terminal import Failure
from relay.cli.workers import Workers, until_orphaned
from relay.config import load
from relay.settings import Config

# Where a thread judges or encodes a large message, the loop waits for the interpreter's lock for so long at each of its steps:
# with Python's own 5 ms small messages beside one of 40 MB waited for 75 ms at p99, and so for 42 (docs/benchmarks.md).
_TURN = 0.0005  # seconds


@click.command()
@click.option("--config", "own", type=click.Path(path_type=Path), help="The settings.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="So many processes; on PostgreSQL.")
@click.pass_obj
@run
async def serve(file: Path | None, own: Path | None, workers: int) -> None:
    """Run the relay until SIGTERM or SIGINT. SIGHUP reads the certificates anew."""
    config = load(own or file, os.environ)
    journal.open_journal(
        addresses=config.log.addresses, clients=config.log.client_addresses, node=config.node.name, worker=config.worker
    )
    if workers > 1:
        await _serve_in_many(config, own or file, workers)
        return
    failpoints.arm(config.failpoint)
    sys.setswitchinterval(_TURN)
    app, supervisor = App(config), Supervisor(os.environ)
    alive = asyncio.create_task(supervisor.stay_alive())
    on_signal = asyncio.get_running_loop().add_signal_handler
    renewed = asyncio.Event()
    on_signal(signal.SIGHUP, renewed.set)  # later: a reload says that the relay is ready
    to_stop = told()  # mail that waits is sent before the last door is open
    if await is_done_before(to_stop, app.start()):
        supervisor.ready(_open(app))
        on_signal(signal.SIGHUP, _reload, app, supervisor)
        if renewed.is_set():
            _reload(app, supervisor)
        await until_any(to_stop.wait(), app.failed.wait(), *([until_orphaned()] if config.worker else ()))
    supervisor.stopping()
    await app.stop()
    alive.cancel()
    if app.failed.is_set():
        sys.exit(1)


def _reload(app: App, supervisor: Supervisor) -> None:
    supervisor.reloading()
    app.reload()
    supervisor.ready(_open(app))


def _open(app: App) -> str:
    return "open: " + ", ".join(f"{door} {port}" for door, port in app.ports.items())


async def _serve_in_many(config: Config, file: Path | None, workers: int) -> None:
    if not config.store.is_postgres:
        raise Failure("--workers needs a PostgreSQL database (store.url): SQLite has one relay")
    await Workers(workers, ["serve", *(["--config", str(file)] if file else ())], Supervisor(os.environ)).run()


@click.command("check-config")
@click.argument("own", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@click.pass_obj
@run
async def check_config(file: Path | None, own: Path | None) -> None:
    """Read the settings and say whether they can be used."""
    click.echo(f"{load(own or file, os.environ).file}: ok")
