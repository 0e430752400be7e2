"""What the step that tells others needs: who wants to be told, what is still to be told, and a way there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from relay.event import Fact
from relay.webhooks.formats import Request
from relay.webhooks.webhook import Notice, Webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A webhook and how it does. `failing_since` is 0.0 where its last request was taken; `disabled` says why, or nothing."""

    webhook: Webhook
    is_paused: bool = False
    failing_since: float = 0.0
    disabled: str = ""

    @property
    def is_active(self) -> bool:
        return not self.is_paused and not self.disabled


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What a webhook has not been told yet."""

    count: int
    oldest_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a request. `status` is 0 where there was none, `failure` empty where it was taken; the texts are cut."""

    status: int
    failure: str
    seconds: float
    text: str = ""
    retry_after: float = 0.0

    @property
    def is_taken(self) -> bool:
        return not self.failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """One request, for people."""

    webhook: str
    at: float
    seconds: float
    notices: int
    status: int
    failure: str
    request: str
    answer: str


class Webhooks(Protocol):
    """All raise StoreUnavailable."""

    async def all(self) -> tuple[Standing, ...]:
        """By their names."""

    async def put(self, webhook: Webhook) -> None:
        """New, or instead of the one of that name, which goes on where it was. A new one is told what happens from now on."""

    async def remove(self, name: str) -> bool:
        """With all that it was still to be told. False if there is none."""

    async def pause(self, name: str, *, is_paused: bool) -> bool:
        """What happens meanwhile waits. Resumed, it is not disabled any more either. False if there is none."""

    async def disable(self, name: str, why: str) -> None:
        """As if paused."""

    async def replay(self, name: str, *, since: float, until: float, now: float) -> AsyncIterator[int]:
        """Once more what it wants of what was heard in that time: how many, step by step."""
        yield 0

    async def waiting(self) -> dict[str, Waiting]:
        """Of all that have something to be told. Its time grows with that."""

    async def requests(self, name: str, *, count: int) -> tuple[Requested, ...]:
        """The last ones, the newest first."""


class Notices(Protocol):
    """All raise StoreUnavailable."""

    async def unread(self, *, count: int) -> tuple[int, int, tuple[Fact, ...]]:
        """Facts that nobody was looked for yet: behind which, up to which, and those between that are about our messages."""

    async def spread(self, after: int, upto: int, found: Sequence[tuple[str, Fact]], *, at: float) -> None:
        """Who is to be told of which. Nothing is done where it has been done."""

    async def due(
        self, webhook: str, *, now: float, besides: Collection[str], count: int, with_payload: bool
    ) -> tuple[Notice, ...]:
        """The first of each delivery but for some, those that are due the longest first."""

    async def told(self, notices: Sequence[Notice], requested: Requested) -> None:
        """They were taken, and that is the end of them."""

    async def failed(self, notices: Sequence[Notice], due: Sequence[float], requested: Requested) -> None:
        """They were not: when each is due again, and what follows of its delivery not before."""

    async def drop(self, notices: Sequence[Notice]) -> None:
        """Nobody will be told."""

    async def forget(self, *, before: float, last: int) -> Mapping[str, int]:
        """Some of what waits since before that, or is about nothing that is kept: how many of each webhook, none where there
        are no more. And requests: those of before that, and all but the last few of each webhook.
        """


class Poster(Protocol):
    """The way there."""

    async def send(self, method: str, request: Request, *, is_private: bool) -> Answer:
        """Raises nothing: whatever goes wrong is an answer."""
