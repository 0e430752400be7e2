"""`relay stats`: sums of what happened to mail, with the rates that decide what others think of it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from typing import Any

import click
from rich.table import Column, Table

from relay.cli import arguments
from relay.cli.access import on_store, reading
from relay.cli.terminal import add_row, lasting, show
from relay.settings import StoreConfig
from relay.statistics import COMPLAINED, DELIVERED, SENT, By, Figures, Wanted

_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_COUNTS = ("accepted", "refused", "suppressed", SENT, DELIVERED, "bounced", COMPLAINED, "opened_unique", "clicked_unique")
_RATES = ("delivered %", "hard bounces %", "complained %")
_NOBODY = {By.CREDENTIAL: "(no login)", By.DOMAIN: "(not known)", By.CAMPAIGN: "(none)"}
_TIMES = {By.HOUR: "%Y-%m-%d %H:00", By.DAY: "%Y-%m-%d"}


@click.command("stats")
@click.option("--since", type=arguments.duration, metavar="TIME", default="24h", show_default=True, help="30m, 24h, 30d.")
@click.option("--by", type=click.Choice([each.value for each in By]), help="A row for each.")
@click.option("--credential", type=arguments.name, help="Only mail of this login.")
@click.option("--campaign", help="Only mail of this campaign (X-Relay-Campaign).")
@click.option("--json", "for_scripts", is_flag=True, help="All counts, as one JSON document.")
@on_store
async def stats(
    where: StoreConfig, *, since: float, by: str | None, credential: str | None, campaign: str | None, for_scripts: bool
) -> None:
    """What was accepted, refused, sent, delivered and bounced, by whole hours (UTC)."""
    now = time.time()
    wanted = Wanted(since=now - since, until=now, by=By(by) if by else None, credential=credential, campaign=campaign)
    async with reading(where) as store:
        found = await store.counters.sums(wanted)
    if for_scripts:
        click.echo(_document(wanted.by, found))
    elif found:
        show(_table(wanted.by, found))
    else:
        click.echo("Nothing was counted.")


def _table(by: By | None, found: Mapping[str | int, Figures]) -> Table:
    names = (*(name.replace("_unique", "") for name in _COUNTS), *_RATES, *_SHARES)
    table = Table(by or "", *(Column(name, justify="right") for name in names))
    for key, figures in _in_order(by, found):
        counts = [figures.bounced if name == "bounced" else figures.of(name) for name in _COUNTS]
        rates = (figures.delivery_rate, figures.bounce_rate, figures.complaint_rate)
        latencies = (figures.latency(share) for share in _SHARES.values())
        add_row(table, _named(by, key), *map(str, counts), *map(_percent, rates), *map(_time, latencies))
    return table


def _in_order(by: By | None, found: Mapping[str | int, Figures]) -> list[tuple[str | int, Figures]]:
    """Times as they went by; of all else the most mail first."""
    if by in _TIMES:
        return sorted(found.items(), key=lambda row: row[0])
    return sorted(found.items(), key=lambda row: (-row[1].of(SENT), -row[1].of("accepted"), row[0]))


def _named(by: By | None, key: str | int) -> str:
    if by in _TIMES:
        return time.strftime(_TIMES[by], time.gmtime(int(key)))
    return str(key) or ("all" if by is None else _NOBODY[by])


def _percent(rate: float | None) -> str:
    return "" if rate is None else f"{100 * rate:.2f}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return "days" if math.isinf(seconds) else f"{seconds:.1f} s" if seconds < 60 else lasting(seconds)


def _document(by: By | None, found: Mapping[str | int, Figures]) -> str:
    return json.dumps([_row(by, key, figures) for key, figures in _in_order(by, found)], indent=2)


def _row(by: By | None, key: str | int, figures: Figures) -> dict[str, Any]:
    """A latency beyond all bounds is null, as JSON knows no infinity; the counts tell it from none."""
    latency = {name: figures.latency(share) for name, share in _SHARES.items()}
    return {
        **({by.value: _named(by, key) if by in _TIMES else key} if by else {}),
        "counts": dict(figures.counts),
        "delivery_rate": figures.delivery_rate,
        "bounce_rate": figures.bounce_rate,
        "complaint_rate": figures.complaint_rate,
        "latency_seconds": {name: None if at is None or math.isinf(at) else at for name, at in latency.items()},
    }
