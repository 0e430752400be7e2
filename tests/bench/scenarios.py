"""What is measured, on which servers, and what is wanted. Both are tables."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import haraka, ours, plain_aiosmtpd, postfix
from tests.bench.load import Load, Share
from tests.bench.processes import Running

KB4 = 4096
MB1 = 1024 * 1024

RELAY, POSTFIX, HARAKA, AIOSMTPD = "relay", "Postfix", "Haraka", "plain aiosmtpd, discarding"
ALL = (RELAY, POSTFIX, HARAKA, AIOSMTPD)

SERVERS: dict[str, Callable[[Path], AbstractAsyncContextManager[Running]]] = {
    RELAY: ours.running,
    POSTFIX: postfix.running,
    HARAKA: haraka.running,
    AIOSMTPD: plain_aiosmtpd.running,
}


def accepts(shares: list[Share]) -> float:
    """Messages acknowledged per second."""
    return sum(len(share.latencies) / share.seconds for share in shares)


def milliseconds(percent: int) -> Callable[[list[Share]], float]:
    """The percentile of the time from the last write of the content to the reply."""

    def percentile(shares: list[Share]) -> float:
        latencies = [latency for share in shares for latency in share.latencies]
        return 1000 * statistics.quantiles(latencies, n=100)[percent - 1]

    return percentile


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure of a scenario. `at_least` is a ratio to each peer named, `below` a limit for the relay itself."""

    name: str
    figure: Callable[[list[Share]], float] = accepts
    at_least: dict[str, float] = field(default_factory=dict)
    below: float | None = None
    digits: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One load on some servers. The dialogue is the same for all: pipelined only where each of them offers it."""

    load: Load
    rows: tuple[Row, ...]
    servers: tuple[str, ...] = ALL
    door: str = "starttls"


def _latency(name: str, *, below: float | None = None) -> tuple[Row, ...]:
    return (
        Row(name=f"ms to the reply to DATA, p50, {name}", figure=milliseconds(50), digits=1),
        Row(name=f"ms to the reply to DATA, p99, {name}", figure=milliseconds(99), below=below, digits=1),
    )


SCENARIOS = {
    "kept-4k": Scenario(
        load=Load(size=KB4),
        rows=(Row(name="accepts/s, 4 KB, 10 kept STARTTLS connections", at_least={POSTFIX: 3.0, AIOSMTPD: 2.0}),),
    ),
    "pipelined-4k": Scenario(
        load=Load(size=KB4, pipelining=True),
        servers=(RELAY, POSTFIX, HARAKA),
        rows=(Row(name="accepts/s, 4 KB, 10 kept STARTTLS connections, MAIL, RCPT and DATA pipelined"),),
    ),
    "fresh-4k": Scenario(
        load=Load(size=KB4, kept=False),
        rows=(Row(name="accepts/s, 4 KB, 10 clients, a connection with STARTTLS per message", at_least={AIOSMTPD: 1.2}),),
    ),
    "kept-1m": Scenario(
        load=Load(size=MB1),
        rows=(Row(name="accepts/s, 1 MB, 10 kept STARTTLS connections", at_least={POSTFIX: 2.0}),),
    ),
    "tls-4k": Scenario(
        load=Load(size=KB4),
        servers=(RELAY, AIOSMTPD),
        door="tls",
        rows=(Row(name="accepts/s, 4 KB, 10 kept TLS connections, aiosmtpd without login", at_least={AIOSMTPD: 1.5}),),
    ),
    "tls-1m": Scenario(
        load=Load(size=MB1),
        servers=(RELAY, AIOSMTPD),
        door="tls",
        rows=(Row(name="accepts/s, 1 MB, 10 kept TLS connections, aiosmtpd without login", at_least={AIOSMTPD: 8.0}),),
    ),
    "paced-100": Scenario(
        load=Load(size=KB4, connections=100, pause=0.25),
        rows=(
            *_latency("4 KB, 100 STARTTLS connections, 0.25 s between messages", below=60.0),
            Row(name="accepts/s in it"),
        ),
    ),
    "closed-100": Scenario(
        load=Load(size=KB4, connections=100),
        rows=(
            *_latency("4 KB, 100 STARTTLS connections, nothing between messages"),
            Row(name="accepts/s in it"),
        ),
    ),
}
