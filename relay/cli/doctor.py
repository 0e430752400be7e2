"""`relay doctor`: every hop between a mail program, SES and back, with the remedy for what is wrong."""

from __future__ import annotations

import sys

import click
from rich.table import Table

from relay import documents
from relay.cli import arguments
from relay.cli.access import changing, on_config, reading
from relay.cli.terminal import add_row, show
from relay.doctor import rounds
from relay.doctor.look import Look
from relay.doctor.machine import relay_runs
from relay.doctor.mailing import Mailing
from relay.errors import ConfigError, StoreUnavailable
from relay.findings import Finding, Grade, Report, report
from relay.settings import Config


@click.command()
@click.option("--send", "sender", metavar="FROM", type=arguments.mail_address, help="Also mail SES's simulator from there.")
@click.option("--wait", "patience", type=click.IntRange(1), default=120, show_default=True, help="Seconds, for the events.")
@click.option("--json", "for_scripts", is_flag=True, help="As one JSON document.")
@on_config
async def doctor(config: Config, *, sender: str | None, patience: int, for_scripts: bool) -> None:
    """Look at everything that mail and its events need, and say what to do; exit 1 if something fails."""
    findings = await rounds.examine(Look(config), rounds.CHECKS)
    if sender:
        findings += await _mailed(config, sender, patience)
    told = report(findings)
    if for_scripts:
        click.echo(documents.written(told))
    else:
        _show(told)
    sys.exit(1 if told.grade is Grade.FAIL else 0)


async def _mailed(config: Config, sender: str, patience: int) -> tuple[Finding, ...]:
    if not relay_runs(config):
        return (Finding("mail", Grade.FAIL, "no relay runs here to send through", "start it: relay serve"),)
    try:
        async with reading(config.store) as store, changing(config.store) as admin:
            return await Mailing(config, admin, store.messages, sender=sender, patience=patience).findings()
    except (ConfigError, StoreUnavailable, OSError) as error:
        return (Finding("mail", Grade.FAIL, str(error), "run this as the relay's user, on its machine"),)


def _show(told: Report) -> None:
    table = Table("check", "", "what was seen", "what to do", title="relay doctor")
    for finding in told.findings:
        add_row(table, finding.check, _SHOWN[finding.grade], finding.seen, finding.remedy)
    show(table)


_SHOWN = {Grade.OK: "ok", Grade.WARNING: "warning", Grade.FAIL: "FAIL"}
