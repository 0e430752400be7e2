"""Tells one webhook what it is still to be told: each delivery's in their order, at its own pace."""

from __future__ import annotations

import asyncio
import math
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from relay import journal, metrics
from relay.errors import StoreUnavailable, Unsealable
from relay.ports.clock import Clock
from relay.ports.notices import Answer, Notices, Poster, Requested, Standing, Webhooks
from relay.ports.sealing import Seal
from relay.webhooks import formats, signatures
from relay.webhooks.formats import Request
from relay.webhooks.webhook import Format, Notice

_GONE = 410  # RFC 9110 15.5.11
_FAILURES_IN_A_ROW = 5  # from then on one request at a time, with rests between them
_LONGEST_REST = 300.0
_LONGEST_RETRY_AFTER = 3600.0
_MOST_READY = 1000  # notices; twice as many may be held for a moment
LOOK_SECONDS = 0.5
_SHOWN = 4000  # characters of a request
_NO_TEXT = re.compile("[\0\ud800-\udfff]")  # databases take no such
_HIDDEN = frozenset(("authorization", "x-amz-security-token"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """`connections` to each webhook at most. What fails waits for one of `delays` after the other, the last of them from then
    on, and is given up after `give_up` seconds; what is paused is `kept` so long.
    """

    connections: int
    delays: tuple[float, ...]
    give_up: float
    kept: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What it takes to tell. `seal` is None without keys: then nothing that has a secret is told. `chance` is from 0 to 1."""

    webhooks: Webhooks
    notices: Notices
    poster: Poster
    seal: Seal | None
    clock: Clock
    chance: Callable[[], float]


class Courier:
    """Tells one webhook. Set `wake` where there may be something new."""

    def __init__(self, standing: Standing, means: Means, pace: Pace) -> None:
        self.webhook = standing.webhook
        self.wake = asyncio.Event()
        self._means = means
        self._pace = pace
        self._failing_since = standing.failing_since
        self._failures = 0
        self._rests_until = -math.inf  # of the loop's time: the clock may be set
        self._ready: deque[Notice] = deque()
        self._requests: dict[asyncio.Task[Any], list[Notice]] = {}
        self._is_over = False

    async def run(self) -> None:
        """Until cancelled, or disabled."""
        try:
            while not self._is_over:
                try:
                    await self._step()
                except StoreUnavailable as error:
                    journal.trouble("webhooks cannot be told", error)
                    await asyncio.sleep(LOOK_SECONDS)
        finally:
            for request in self._requests:
                request.cancel()
            await asyncio.gather(*self._requests, return_exceptions=True)

    async def _step(self) -> None:
        self.wake.clear()
        rest = self._rests_until - asyncio.get_running_loop().time()
        if rest > 0:
            self._ready.clear()
        elif len(self._requests) < self._most_requests:
            await self._fetch()
            self._begin_requests()
        await self._wait(max(rest, LOOK_SECONDS) if rest > 0 else LOOK_SECONDS)

    @property
    def _most_requests(self) -> int:
        return 1 if self._failures >= _FAILURES_IN_A_ROW else self._pace.connections

    async def _fetch(self) -> None:
        """Some more than can be told at once, so that not every request needs a look."""
        wanted = min(self._most_requests * self.webhook.most, _MOST_READY)
        if len(self._ready) >= wanted:
            return
        busy = [notice.fact.delivery_id for notices in (self._ready, *self._requests.values()) for notice in notices]
        found = await self._means.notices.due(
            self.webhook.name,
            now=self._means.clock(),
            besides=busy,
            count=2 * wanted,
            with_payload=self.webhook.format in (Format.SES, Format.TEMPLATE),
        )
        wanted_no_more = [notice for notice in found if not self._is_wanted(notice)]
        if wanted_no_more:
            journal.notices_dropped(webhook=self.webhook.name, count=len(wanted_no_more), why="there are no words for them now")
            await self._means.notices.drop(wanted_no_more)
        self._ready += [notice for notice in found if self._is_wanted(notice)]

    def _is_wanted(self, notice: Notice) -> bool:
        return self.webhook.wants(notice.fact) and (self.webhook.format is not Format.SES or bool(notice.payload))

    def _begin_requests(self) -> None:
        while self._ready and len(self._requests) < self._most_requests:
            notices = [self._ready.popleft() for _ in range(min(self.webhook.most, len(self._ready)))]
            self._requests[asyncio.create_task(self._tell(notices))] = notices

    async def _wait(self, seconds: float) -> None:
        """Until a request is over, there may be something new, or so long."""
        woken = asyncio.create_task(self.wake.wait())
        try:
            over, _ = await asyncio.wait((woken, *self._requests), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
        for request in over - {woken}:
            del self._requests[request]
            request.result()

    async def _tell(self, notices: Sequence[Notice]) -> None:
        at = self._means.clock()
        try:
            secret = self._secret()
            request = self._request(notices, secret, at)
        except (Unsealable, ValueError, OverflowError) as error:
            answer, request = Answer(status=0, failure=str(error), seconds=0.0), Request(url="", headers={}, body=b"")
        else:
            answer = await self._means.poster.send(self.webhook.method, request, is_private=self.webhook.is_private)
            answer = replace(answer, text=_without_secrets(answer.text, secret, request.headers))
        requested = self._noted(request, answer, len(notices), at)
        if answer.is_taken:
            await self._taken(notices, requested)
        else:
            await self._failed(notices, requested, answer)

    def _secret(self) -> str:
        """Raises Unsealable."""
        if not self.webhook.secret:
            return ""
        if self._means.seal is None:
            raise Unsealable("there is no key in secrets.keys")
        return self._means.seal.open(self.webhook.secret, about=self.webhook.name)

    def _request(self, notices: Sequence[Notice], secret: str, at: float) -> Request:
        """Raises ValueError for a secret that cannot be used."""
        request = formats.request(self.webhook, notices)
        facts = [notice.fact.cursor for notice in notices]
        id = f"evt_{facts[0]}" + (f"-{facts[-1]}-{len(facts)}" if len(facts) > 1 else "")
        proven = signatures.prove(
            self.webhook, secret, url=request.url, headers=request.headers, body=request.body, id=id, at=at
        )
        return Request(url=request.url, headers=proven, body=request.body)

    def _noted(self, request: Request, answer: Answer, count: int, at: float) -> Requested:
        lines = [f"{name}: {value}" for name, value in request.headers.items() if name.lower() not in _HIDDEN]
        text = "\n".join((f"{self.webhook.method} {request.url}", *lines, "", request.body.decode("utf-8", "replace")))
        return Requested(
            webhook=self.webhook.name,
            at=at,
            seconds=answer.seconds,
            notices=count,
            status=answer.status,
            failure=_NO_TEXT.sub("?", answer.failure),
            request=_NO_TEXT.sub("?", text[:_SHOWN]),
            answer=_NO_TEXT.sub("?", answer.text),
        )

    async def _taken(self, notices: Sequence[Notice], requested: Requested) -> None:
        metrics.webhook_requests.labels(self.webhook.name, "taken").inc()
        await self._means.notices.told(notices, requested)
        if self._failing_since:
            journal.webhook_works(webhook=self.webhook.name)
        self._failures, self._failing_since, self._rests_until = 0, 0.0, -math.inf

    async def _failed(self, notices: Sequence[Notice], requested: Requested, answer: Answer) -> None:
        metrics.webhook_requests.labels(self.webhook.name, "failed").inc()
        now = self._means.clock()
        due = [now + self._delay(notice.failures) for notice in notices]
        await self._means.notices.failed(notices, due, requested)
        if not self._failing_since:
            self._failing_since = requested.at
            journal.webhook_fails(webhook=self.webhook.name, why=answer.failure)
        self._rest(answer)
        if answer.status == _GONE or now - self._failing_since > self._pace.give_up:
            await self._disable(answer)
        elif old := [notice for notice in notices if self._tried(notice.failures) > self._pace.give_up]:
            journal.notices_dropped(webhook=self.webhook.name, count=len(old), why=answer.failure)
            await self._means.notices.drop(old)

    def _tried(self, failures: int) -> float:
        """For so long, by the pauses that followed them. Its age says nothing: the webhook may have been paused."""
        delays = self._pace.delays
        return sum(delays[:failures]) + delays[-1] * max(0, failures - len(delays))

    def _delay(self, failures: int) -> float:
        """Spread by 20 %."""
        return self._pace.delays[min(failures, len(self._pace.delays) - 1)] * (0.8 + 0.4 * self._means.chance())

    def _rest(self, answer: Answer) -> None:
        now = asyncio.get_running_loop().time()
        self._failures += now >= self._rests_until  # what was open when a rest began is of the same trouble
        more = self._failures - _FAILURES_IN_A_ROW
        rest = min(2.0 ** min(more, 20), _LONGEST_REST) if more >= 0 else 0.0
        rest = max(rest, min(answer.retry_after, _LONGEST_RETRY_AFTER))
        self._rests_until = max(self._rests_until, now + rest)

    async def _disable(self, answer: Answer) -> None:
        self._is_over = True
        await self._means.webhooks.disable(self.webhook.name, _NO_TEXT.sub("?", answer.failure))
        journal.webhook_disabled(webhook=self.webhook.name, why=answer.failure)


def _without_secrets(text: str, secret: str, headers: Mapping[str, str]) -> str:
    """Some receivers say in an answer what they were asked with."""
    hidden = [value.partition(" ")[2] for name, value in headers.items() if name.lower() in _HIDDEN]
    for each in filter(None, (secret, *hidden)):
        text = text.replace(each, "***")
    return text
