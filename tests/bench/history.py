"""`python -m tests.bench.history`: what the statistics cost with the counts of ten million messages behind them."""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from relay.reputation import NAMES
from relay.statistics import DAY, HOURS_KEPT, By, Wanted
from relay.store.postgres.store import PostgresStore
from relay.store.sql.rows import insert
from relay.store.sql.session import Session
from relay.store.sql.store import SqlStore
from relay.store.sqlite.store import SqliteStore
from tests import postgres

_DAYS = 400
_NAMES = ("accepted", "sent", "delivered", "latency.3", "latency.10", "opened", "opened_unique", "clicked", "bounced.hard")
_TIMES = 20
_COLUMNS = "hour, name, credential, sender_domain, campaign, writer, count"
_Row = tuple[int, str, str, str, str, int, int]


def _rows(day: int, options: argparse.Namespace, *, hours: int) -> Iterator[_Row]:
    """A day's counts: every login, every domain, and the campaigns of that day, in every hour, or for the whole of it."""
    origins = options.logins * options.domains * options.campaigns
    of_each = max(1, options.messages // (_DAYS * hours * origins))
    for hour in range(day, day + int(DAY), int(DAY) // hours):
        for name in _NAMES:
            for login in range(options.logins):
                for domain in range(options.domains):
                    for campaign in range(options.campaigns):
                        yield hour, name, f"app{login}", f"example{domain}.com", f"{day}-{campaign}", 0, of_each


def _insert(db: Session, items: Sequence[Sequence[_Row]]) -> list[None]:
    for rows in items:
        insert(db, "counters", _COLUMNS, rows)
    return [None] * len(items)


async def fill(store: SqlStore, options: argparse.Namespace, now: float) -> None:
    """As the retention leaves it: the hours of old days are summed up."""
    today = int(now // DAY * DAY)
    for number in range(_DAYS, -1, -1):
        day = today - number * int(DAY)
        rows = _rows(day, options, hours=24 if number * DAY <= HOURS_KEPT + DAY else 1)
        await store._writer.run(_insert, list(rows), lazily=True)


async def _times(store: SqlStore, now: float) -> dict[str, list[float]]:
    """Milliseconds of each page's question."""
    all_ = Wanted(since=now - _DAYS * DAY, until=now, by=By.DAY)
    month = replace(all_, since=now - 30 * DAY)
    asked = {
        "24 hours, by the hour": replace(all_, since=now - DAY, by=By.HOUR),
        "3 days, by the hour": replace(all_, since=now - HOURS_KEPT, by=By.HOUR),
        "7 days, by the day": replace(all_, since=now - 7 * DAY),
        "30 days, by the day": month,
        "30 days, by login": replace(month, by=By.CREDENTIAL),
        "30 days, by campaign": replace(month, by=By.CAMPAIGN),
        "30 days of a login, by the day": replace(month, credential="app1"),
        "400 days, by the day": all_,
    }
    found: dict[str, list[float]] = {}
    for name, wanted in asked.items():
        for _ in range(_TIMES):
            began = time.perf_counter()
            assert await store.counters.sums(wanted)
            found.setdefault(name, []).append(1000 * (time.perf_counter() - began))
    for _ in range(_TIMES):
        began = time.perf_counter()
        await store.counters.by_sender(NAMES, since=now - 7 * DAY, until=now)
        found.setdefault("rates of 7 days, by login and domain", []).append(1000 * (time.perf_counter() - began))
    return found


async def main() -> None:
    """Prints one table."""
    options = _options()
    now = time.time()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="relay-bench-")))
        server = stack.enter_context(postgres.running_server(is_durable=True))
        url = stack.enter_context(postgres.database(server, postgres.template(server)))
        found = {}
        for name, store in (
            ("SQLite", await SqliteStore.open(folder / "relay.db")),
            ("PostgreSQL", await PostgresStore.open(url)),
        ):
            try:
                await fill(store, options, now)
                [(rows,)] = await store._reader.rows("SELECT count(*) FROM counters")
                found[name] = rows, await _times(store, now)
            finally:
                await store.close()
    _show(found, options)


def _show(found: dict[str, tuple[int, dict[str, list[float]]]], options: argparse.Namespace) -> None:
    rows = ", ".join(f"{count} rows on {name}" for name, (count, _) in found.items())
    of = f"{options.messages} messages in {_DAYS} days"
    each = f"in each hour {options.logins} logins, {options.domains} domains and {options.campaigns} campaigns of each"
    table = Table(title=f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {of}, {each}: {rows}")
    for column in ("asked for, ms", *(f"{name} p50, most" for name in found)):
        table.add_column(column)
    for what in next(iter(found.values()))[1]:
        times = [seen[what] for _, seen in found.values()]
        table.add_row(what, *(f"{statistics.median(each):.1f}, {max(each):.1f}" for each in times))
    Console(width=120).print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.history")
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--logins", type=int, default=10)
    parser.add_argument("--domains", type=int, default=1)
    parser.add_argument("--campaigns", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
