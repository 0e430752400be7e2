"""SES: the way out, the account, its identities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from relay.identities import Identity, KnownIdentities
from relay.model import Claimed, Lane
from relay.outcome import Outcome
from relay.rate import Account, Grant
from relay.reading.mime import Slices


class Sender(Protocol):
    """The way out."""

    async def send(self, claimed: Claimed, content: Slices, *, time_left: Callable[[], float]) -> Outcome:
        """One call, one recipient, one try. `time_left` are the seconds of lease, asked just before the request is written."""


class Allowance(Protocol):
    """What the account may send, of all that send with it: recipients a second, and in a day."""

    async def take(self, wanted: int) -> Grant:
        """So many recipients or fewer: what is not used is to be given back. Raises StoreUnavailable."""

    def take_at_once(self, wanted: int, lane: Lane) -> bool:
        """All of that, for mail of this lane, if that can be said without asking anybody."""

    async def give_back(self, *, tokens: int, calls: int) -> None:
        """So many of the last grant were not sent to, and so many does SES not count."""

    async def slow_down(self) -> None:
        """SES has throttled."""

    async def told(self, account: Account) -> None:
        """What SES said of the account."""

    def seconds_to_next(self) -> float:
        """Until more can be taken, as of the last take."""


class AccountStore(Protocol):
    """The last that SES said of the account."""

    async def known(self) -> Account | None:
        """None before the first time."""

    async def put(self, account: Account) -> None:
        """In place of what was known."""


class SesIdentities(Protocol):
    """What SES says of our addresses and domains. Each raises SesUnavailable."""

    async def all(self) -> tuple[Identity, ...]:
        """Their states, and nothing else of them."""

    async def look(self, identity: Identity) -> Identity:
        """The same with all that SES tells of one."""


class Verification(Protocol):
    """Makes addresses and domains of others our own."""

    async def begin(self, name: str) -> bool:
        """SES mails a link to an address, and looks for a domain's records in DNS, unless it knows it already. False for what
        it does not take. Raises SesUnavailable.
        """


class IdentityStore(Protocol):
    """The last that SES said of them."""

    async def known(self) -> KnownIdentities | None:
        """None before the first time."""

    async def mark(self) -> object:
        """Another one whenever something else is known."""

    async def put(self, known: KnownIdentities) -> None:
        """In place of all that was known."""
