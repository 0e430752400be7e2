"""The way back: facts, and what proves them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

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
        """Of the newest deliveries accepted and sent between these times: how many, and of how many there are events."""


class Certificates(Protocol):
    """Where the certificates come from that sign SNS messages."""

    async def get(self, url: str) -> x509.Certificate:
        """Raises TryAgain where it cannot be had now."""


class Topics(Protocol):
    """SNS, as far as we speak to it."""

    async def confirm(self, topic_arn: str, token: str) -> None:
        """Raises TryAgain."""
