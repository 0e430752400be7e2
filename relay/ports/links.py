"""What the links in mail lead to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from relay.links import Addressee, LinkedMail
from relay.tokens import Link


class LinkStore(Protocol):
    """All raise StoreUnavailable."""

    async def addressee(self, link: Link) -> Addressee | None:
        """Whose link it is; None for one that is older than anything we know."""

    async def mail(self, link: Link) -> LinkedMail | None:
        """The message that it is in; None where its content is not kept any more."""

    async def lists(self, whom: Addressee, *, now: float) -> Mapping[str, bool]:
        """The lists of that login whose mail reached him, in the order of their names, and whether it still may."""

    async def has_left(self, whom: Addressee, *, now: float) -> bool:
        """Whether he is suppressed for that mail because he unsubscribed from it, or from all of that login's."""

    async def leave(self, whom: Addressee, *, at: float) -> bool:
        """Unsubscribes. False if he was not subscribed."""

    async def come_back(self, whom: Addressee, *, at: float) -> bool:
        """Takes back what he did, and nothing else. False if he had not unsubscribed."""
