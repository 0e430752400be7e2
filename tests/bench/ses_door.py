"""`python -m tests.bench.ses_door`: signed requests to the SES door, sent mail and refused signatures."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from io import BytesIO
from itertools import count
from pathlib import Path

import aiohttp

from relay import sigv4
from relay.sandbox.cloud import Cloud
from relay.sigv4 import AccessKey
from tests.bench.table import figures
from tests.e2e.ses_door import SECRETS, base64_of, issued
from tests.harness import CRM, Relay, mail, running_relay

_RATE = 5000.0
_CONNECTIONS = 30
_SETTINGS = {
    "RELAY_SECRETS__KEYS": SECRETS,
    "RELAY_SUPPRESSION__SYNC_MINUTES": "0",
    "RELAY_API__CALLS_PER_MINUTE": "1000000",
    "RELAY_LOGINS__FAILURES_PER_ADDRESS": "1000000",
}
_TIMES = 200
_numbers = count(1)

Body = Callable[[], bytes]


def _message() -> bytes:
    """Of 4 KB, and none is like another: the same one again in the same second would be a replay."""
    content = mail(subject=f"Order {next(_numbers)}", body="x" * 72 + "\r\n" + ("y" * 72 + "\r\n") * 54)
    wanted = {"Destination": {"ToAddresses": ["reader@example.net"]}, "Content": {"Raw": {"Data": base64_of(content)}}}
    return json.dumps(wanted).encode()


async def _asked(relay: Relay, key: AccessKey, method: str, path: str, made: Body, status: int, seconds: float) -> str:
    """Answers a second over kept connections; and their p50 and p99 in milliseconds."""
    times: list[float] = []
    host = f"127.0.0.1:{relay.ports['api']}"

    async def client(http: aiohttp.ClientSession) -> None:
        while (began := time.perf_counter()) < ends:
            body = made()
            digest = sha256(body).hexdigest()
            headers = sigv4.sign(
                method=method, host=host, path=path, headers={}, payload_sha256=digest, key=key, region="eu-west-1",
                service="ses", at=time.time(),
            )  # fmt: skip
            async with http.request(
                method, f"http://{host}{path}", data=BytesIO(body) if body else None, headers=headers
            ) as reply:
                assert reply.status == status, await reply.text()
                await reply.read()
            times.append(1000 * (time.perf_counter() - began))

    async with aiohttp.ClientSession() as http:
        ends = time.perf_counter() + seconds
        await asyncio.gather(*(client(http) for _ in range(_CONNECTIONS)))
    p99 = statistics.quantiles(times, n=100)[98]
    return f"{len(times) / seconds:.0f}; {statistics.median(times):.0f}, {p99:.0f}"


def _checked() -> str:
    """Microseconds that a check of a signature takes by itself."""
    key, body = AccessKey(id="AKIAEXAMPLEEXAMPLE22", secret="x" * 40), _message()
    digest = sha256(body).hexdigest()
    path = "/v2/email/outbound-emails"
    headers = sigv4.sign(
        method="POST", host="127.0.0.1", path=path, headers={"Content-Type": "application/json"}, payload_sha256=digest,
        key=key, region="eu-west-1", service="ses", at=time.time(),
    )  # fmt: skip
    began = time.perf_counter()
    for _ in range(_TIMES):
        request = sigv4.Request.of("POST", path, headers.items())
        claim = sigv4.claimed(request, service="ses")
        sigv4.check_time(claim, time.time())
        sigv4.check(request, claim, payload_sha256=sha256(body).hexdigest(), secret=key.secret)
    return f"{1e6 * (time.perf_counter() - began) / _TIMES:.0f}"


async def main() -> None:
    """Prints one table."""
    options = _options()
    found = {"a check of a signature by itself, microseconds": _checked()}
    far_side = partial(Cloud, rate=_RATE, quota=-1.0, keep_bodies=False)
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as name:
        async with running_relay(Path(name), CRM, far_side=far_side, settings=_SETTINGS) as (relay, _):
            given = await issued(relay, CRM.name)
            key, forged = AccessKey(id=given.id, secret=given.secret), AccessKey(id=given.id, secret="x" * 40)
            ask = partial(_asked, relay, seconds=options.seconds)
            send, account = "/v2/email/outbound-emails", "/v2/email/account"
            found["SendEmail of 4 KB a second; p50, p99, ms"] = await ask(key, "POST", send, _message, 200)
            found["GetAccount a second; p50, p99, ms"] = await ask(key, "GET", account, bytes, 200)
            found["forged signatures refused a second; p50, p99, ms"] = await ask(forged, "GET", account, bytes, 403)
    figures(found, f"SQLite, {_CONNECTIONS} kept connections")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ses_door")
    parser.add_argument("--seconds", type=float, default=5.0)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
