"""The way back: facts, and what proves them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cryptography import x509

from relay.bounces import DEFAULT_RULES, BounceRules
from relay.event import Event, Replayed
from relay.suppression import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event that was new, the delivery it is about (empty for a stranger's), and why its recipient is suppressed now."""

    event: Event
    delivery_id: str
    suppressed: Reason | None


class FeedbackStore(Protocol):
    """Facts from SES."""

    async def record(
        self,
        *,
        notification_id: str,
        topic: str,
        payload: str,
        received_at: float,
        events: tuple[Event, ...],
        rules: BounceRules = DEFAULT_RULES,
    ) -> tuple[Recorded, ...]:
        """Raw notification, events, states and suppressions in one transaction; nothing for what was there already."""

    def replay(self, *, rules: BounceRules, now: float) -> AsyncIterator[Replayed]:
        """Goes over all facts once more, in small transactions; gives what each did."""

    async def join(self, *, after: int) -> int:
        """Events behind that number that came to one node while another found out whose they are: now they are. The number of
        the last that was looked at.
        """

    async def heard(self, *, since: float, until: float) -> tuple[int, int]:
        """Of the newest deliveries accepted and sent between these times: how many, and of how many there are events. Where
        none were accepted then, those that were sent then and are heard of.
        """


class Found(NamedTuple):
    """An event of a post, the delivery it is about (empty for a stranger's), and whether this post was the first to tell."""

    type: str
    class_: str
    recipient: str
    delivery_id: str
    is_first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What SNS posted, as it was posted, and what came of it: no events where it was no event of SES. `number` is its place
    among all, and rises.
    """

    number: int
    id: str
    topic: str
    received_at: float
    payload: str
    found: tuple[Found, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """An event of a message that is not ours, or not known yet. `number` is its place among all events."""

    number: int
    received_at: float
    type: str
    recipient: str
    ses_message_id: str
    detail: str


class FeedbackLog(Protocol):
    """What was heard, for people: of each the newest with a number below `before`. All raise StoreUnavailable."""

    async def posts(self, *, before: int, count: int) -> tuple[Post, ...]:
        """As long as they are kept."""

    async def post(self, number: int) -> Post | None: ...

    async def strangers(self, *, before: int, count: int) -> tuple[Stranger, ...]: ...


class Certificates(Protocol):
    """Where the certificates come from that sign SNS messages."""

    async def get(self, url: str) -> x509.Certificate:
        """Raises TryAgain where it cannot be had now."""


class Topics(Protocol):
    """SNS, as far as we speak to it."""

    async def confirm(self, topic_arn: str, token: str) -> None:
        """Raises TryAgain."""
