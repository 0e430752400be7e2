"""`python -m tests.bench.console`: how long each page of the console takes with the mail of a year behind it."""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psycopg
from rich.console import Console
from rich.table import Table

from relay.assembly import database
from relay.outcome import Hold, HoldScope
from relay.sandbox.cloud import Cloud
from relay.settings import StoreConfig
from tests import postgres
from tests.bench import filling
from tests.bench.console_pages import pages
from tests.bench.year import Year
from tests.bench.year_rows import DOMAINS, LOGINS
from tests.e2e.console import OPERATORS, Visitor, visiting
from tests.harness import CRM, running_relay

_TIMES = 15
_ENGINES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
_SENDERS = tuple(f"@shop{number}.example.com" for number in range(DOMAINS))
_CREDENTIALS = tuple(replace(CRM, name=f"app{number}", senders=_SENDERS) for number in range(LOGINS))
_QUIET = {"RELAY_SUPPRESSION__SYNC_MINUTES": "0", "RELAY_SECRETS__KEYS": "1:" + "A" * 43 + "="}
_FOR_EVER = 1e12


class Seen(NamedTuple):
    """Milliseconds until a page was there: the first time, and the times after that."""

    first: float
    others: list[float]


async def _time(visitor: Visitor, path: str) -> float:
    """Milliseconds until all of it is there, or of what may be long its first octets."""
    began = time.perf_counter()
    async with visitor.http.get(visitor.base + path) as answer:
        assert answer.status == 200, f"{path}: {answer.status} {await answer.text()}"
        await (answer.content.readany() if answer.content_type in ("text/csv", "text/event-stream") else answer.read())
        took = 1000 * (time.perf_counter() - began)
        if answer.content_type in ("text/csv", "text/event-stream"):
            answer.close()
    return took


async def _measured(folder: Path, url: str, year: Year, only: str) -> dict[str, Seen]:
    """All pages once, and then each of them as often as is said."""
    settings = _QUIET | ({"RELAY_STORE__URL": url} if url else {})
    wanted = {name: path for name, path in pages(year) if only in name}
    far_side = partial(Cloud, rate=1000.0, quota=-1.0, keep_bodies=False)
    async with running_relay(folder, *_CREDENTIALS, far_side=far_side, settings=settings) as (relay, _), visiting(relay) as he:
        first = {name: await _time(he, path) for name, path in wanted.items()}
        return {name: Seen(first[name], [await _time(he, path) for _ in range(_TIMES)]) for name, path in wanted.items()}


async def _fill(folder: Path, url: str, total: int) -> Year:
    """Unless that was done. What waits is held: it is looked at, and not sent."""
    known, year = folder / "year.json", Year(total=total, now=time.time())
    if known.exists():
        return Year(**json.loads(known.read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    where = StoreConfig(url=url, path=folder / "relay.db")
    await (await database.opened(where)).close()
    began = time.monotonic()
    with filling.postgres(url) if url else filling.sqlite(where.path) as db:
        for said in year.fill(db):
            print(f"{time.monotonic() - began:.0f} s: {said}", flush=True)
    store = await database.opened(where)
    await store.desk.hold(Hold(HoldScope.ACCOUNT, "looked at", _FOR_EVER), now=year.now)
    for operator in OPERATORS:
        await store.operators.add(operator)
    await store.close()
    known.write_text(json.dumps({"total": year.total, "now": year.now}))
    print(f"{time.monotonic() - began:.0f} s: filled", flush=True)
    return year


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """PostgreSQL, whose data stay in that folder; the URL of a database there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with postgres.server_in(folder) as server:
        with psycopg.connect(server.url, autocommit=True) as db:
            db.execute("ALTER SYSTEM SET max_wal_size = '2GB'")
            db.execute("SELECT pg_reload_conf()")
            if not db.execute("SELECT 1 FROM pg_database WHERE datname = 'year'").fetchone():
                db.execute("CREATE DATABASE year")
        yield postgres.named(server.url, "year")


async def _of_engine(engine: str, folder: Path, options: argparse.Namespace) -> dict[str, Seen]:
    own = folder / engine
    with _server(folder / "server") if engine == "postgres" else nullcontext("") as url:
        year = await _fill(own, url, options.messages)
        return await _measured(own, url, year, options.only)


async def main() -> None:
    """Prints one table."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="relay-bench-") if not options.store else nullcontext(options.store) as name:
        engines = [options.engine] if options.engine else list(_ENGINES)
        _show({engine: await _of_engine(engine, Path(name), options) for engine in engines}, options.messages)


def _show(found: dict[str, dict[str, Seen]], messages: int) -> None:
    title = (
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {messages} messages of a year, ms: median; most; the first time"
    )
    table = Table(title=title)
    for column in ("page", *(_ENGINES[engine] for engine in found)):
        table.add_column(column)
    for name in next(iter(found.values())):
        seen = [pages[name] for pages in found.values()]
        table.add_row(name, *(f"{statistics.median(s.others):.1f}; {max(s.others):.1f}; {s.first:.1f}" for s in seen))
    Console(width=120).print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.console")
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--engine", choices=list(_ENGINES), help="and not the other")
    parser.add_argument("--store", help="a folder in which the stores stay; what is there is taken as it is")
    parser.add_argument("--only", default="", help="pages with that in their names")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
