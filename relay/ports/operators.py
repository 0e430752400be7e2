"""What operators change and look at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from relay.access_keys import IssuedKey
from relay.credential import Credential
from relay.event import Replayed
from relay.holds import HoldRecord
from relay.lifecycle import Cause
from relay.model import Delivery, Life
from relay.operators import Operator
from relay.outcome import Hold, HoldScope
from relay.queueing import Selection, Tally
from relay.statistics import Figures, Wanted
from relay.suppression import Imported, Release, Suppression
from relay.webhooks.webhook import Webhook


class Admin(Protocol):
    """What an operator changes."""

    async def suppress(self, suppression: Suppression) -> bool:
        """False if the address was suppressed already."""

    async def release(self, release: Release) -> bool:
        """False if the address was not suppressed there."""

    async def replay(self) -> Replayed:
        """Goes over all facts from SES once more, by the rules of today."""

    async def take_list(self, batches: AsyncIterator[Sequence[Suppression]], *, source: str, again: bool) -> Imported:
        """Suppresses all of a list, as ports.Imports does."""

    async def put_credential(self, credential: Credential) -> None:
        """Adds it, or replaces the one of the same name."""

    async def add_access_key(self, key: IssuedKey) -> bool:
        """As ports.AccessKeys does, and so the next two."""

    async def change_access_key(self, key: IssuedKey) -> bool: ...
    async def remove_access_key(self, id: str) -> bool: ...

    async def add_operator(self, operator: Operator) -> bool:
        """As ports.Operators does, and so the next two."""

    async def change_operator(self, operator: Operator) -> bool: ...
    async def remove_operator(self, name: str) -> bool: ...

    async def put_webhook(self, webhook: Webhook) -> None:
        """As ports.Webhooks does, and so the next three."""

    async def remove_webhook(self, name: str) -> bool: ...
    async def pause_webhook(self, name: str, *, is_paused: bool) -> bool: ...
    async def tell_again(self, name: str, *, since: float, until: float) -> int: ...

    async def test_alarms(self) -> None:
        """Whoever is told of alarms is told of one that means nothing."""

    async def move(self, cause: Cause, selection: Selection) -> Tally:
        """Retries, holds back or cancels what waits."""

    async def hold(self, hold: Hold) -> bool:
        """Until it is lifted. False if it stood already."""

    async def lift(self, scope: HoldScope, subject: str) -> tuple[HoldRecord, ...]:
        """The holds that stood there, SES's own as well."""

    async def resend(self, delivery_id: str) -> Delivery | None:
        """Sends it once more, as Desk.again does."""


class Standing(NamedTuple):
    """A delivery, by the id that was asked for, and the one word on it."""

    id: str
    recipient: str
    status: str
    fields: str


class Line(NamedTuple):
    """A delivery in a list; `key` is its place there."""

    key: tuple[str, int]
    recipient: str
    status: str
    created_at: float
    changed_at: float


class Messages(Protocol):
    """Reading back what happened. Of mail to very many the first deliveries are shown, or the one that is asked for."""

    async def newest(self, *, limit: int) -> tuple[Life, ...]: ...
    async def show(self, message_id: str) -> Life | None: ...

    async def standing(self, wanted: Collection[str], *, credential: str) -> tuple[Standing, ...]:
        """Of a login's messages, each by its own id, which means its first delivery, or by a delivery's. Of others nothing."""

    async def history(self, *, credential: str, after: tuple[str, int], until: str, count: int) -> tuple[Line, ...]:
        """Deliveries of a login behind that place, in the order of their ids, and of messages before `until`."""

    async def notifications(self, message_id: str) -> tuple[bytes, ...]:
        """What SES reported of a message, as it was posted and as long as that is kept; the oldest first."""


Counted = tuple[str, str, float, int]
"""A name, a credential, a time, and how often."""


class Counters(Protocol):
    """Sums of what happened. All raise StoreUnavailable."""

    async def sums(self, wanted: Wanted) -> Mapping[str | int, Figures]:
        """By what they are told apart by: seconds for an hour or a day, or a name; under "" where it is nothing."""

    async def by_origin(self, wanted: Wanted) -> Mapping[tuple[str, str, str], Figures]:
        """By login, sender domain and campaign; `wanted.by` says nothing here."""

    async def by_sender(self, names: Collection[str], *, since: float, until: float) -> Mapping[tuple[str, str], Figures]:
        """Of these names only, by login and sender domain, for all hours that `since` to `until` touch; for whole days
        where that is longer than hours are kept.
        """

    async def count(self, counted: Iterable[Counted]) -> None:
        """What leaves no other trace in the store."""

    async def newest_event(self) -> int:
        """The number of the last that was recorded, 0 for none."""

    async def newest_event_at(self) -> float:
        """When that came; 0.0 for never."""
