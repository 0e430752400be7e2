"""What the steps need of the outside, in our words. Each is implemented in one folder; app.py puts them together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cryptography import x509

from relay.account_list import Errand, Listed
from relay.bounces import DEFAULT_RULES, BounceRules
from relay.credential import Credential, LastUse
from relay.event import Event, Replayed
from relay.holds import Holder, HoldRecord
from relay.identities import Identity, KnownIdentities
from relay.lifecycle import Cause, Patience
from relay.model import Claimed, Delivery, Life, Message, Settlement
from relay.outcome import Hold, HoldScope, Outcome
from relay.queueing import Claims, Doubt, Moved, QueueStatus, Round, Selection, Settled, Tally
from relay.rate import Account
from relay.reading.mime import Octets, Slices
from relay.statistics import Figures, Wanted
from relay.suppression import Filter, Imported, PastChange, Reason, Release, Suppressed, Suppression

Clock = Callable[[], float]
"""Seconds since the epoch, UTC."""

Chance = Callable[[int], bytes]
"""So many random octets."""


class Draft(Protocol):
    """The content of one message while it comes in: in memory first, in a file once it is large."""

    @property
    def size(self) -> int: ...

    @property
    def wants_flush(self) -> bool: ...

    def write(self, piece: bytes) -> None:
        """Into memory; to be followed by `flush` when that is wanted."""

    async def flush(self) -> None:
        """Raises StoreUnavailable where the disk does not take it."""

    async def finish(self) -> bytes:
        """All has come. Returns its BLAKE3; a file is on disk, synced, with its folder."""

    def octets(self) -> Octets:
        """The content, readable after `finish`."""

    @property
    def inline(self) -> bytes | None:
        """The content if it belongs in the row; None if it lies in a file."""

    def close(self, *, keep: bool) -> None:
        """Lets go of the file, and removes it unless a stored message needs it."""


class Bodies(Protocol):
    """Where content is kept."""

    def draft(self, message_id: str) -> Draft: ...

    async def read(self, claimed: Claimed) -> Slices:
        """The accepted content. Raises DamagedBody if it is not what was accepted, StoreUnavailable if unreadable."""


class Queue(Protocol):
    """The durable queue. Every verb is one transaction and returns after the commit. All raise StoreUnavailable."""

    async def enqueue(self, message: Message, content: bytes | None, deliveries: tuple[Delivery, ...]) -> tuple[Delivery, ...]:
        """The deliveries as they were stored: what is queued to a suppressed address has ended before it began.

        The suppression list is read in the same transaction: if it cannot be read, nothing is stored.
        """

    async def claim(self, this: Round) -> Claims:
        """Due deliveries that nothing holds, as `sending`, their attempt counted."""

    async def settle(self, settlement: Settlement) -> Settled:
        """Writes what came of a call, if no other was made since; a late Sent always."""

    async def rescue(self, *, now: float, everything: bool, patience: Patience) -> tuple[Delivery, ...]:
        """Deliveries whose lease ran out (or all that are `sending`: right after start) go `in_doubt`."""

    async def has_doubts(self, *, now: float) -> bool:
        """Whether the time of any doubt is over."""

    async def decide(self, *, now: float) -> tuple[Doubt, ...]:
        """Some of the deliveries nobody proved sent in time leave `in_doubt`; none when there are no more."""

    async def expire(self, *, now: float, max_hold: float) -> tuple[Delivery, ...]:
        """Some of those that were held for so many seconds beyond their time; none when there are no more."""

    async def shift(self, seconds: float) -> None:
        """The clock jumped: all waits keep their length. Times that a sender set stay as they are."""

    async def straighten(self, now: float) -> None:
        """What was accepted by the clock of before, while it was shifted: first tries that nobody put off are due."""

    async def last_heartbeat(self) -> float:
        """When the relay was last seen alive, 0.0 for never."""

    async def beat(self, at: float) -> None:
        """It is alive."""


class Desk(Protocol):
    """What an operator sees of the queue, and does with it. All raise StoreUnavailable."""

    async def status(self, *, now: float) -> QueueStatus: ...

    async def count(self, cause: Cause, selection: Selection) -> Tally:
        """What `move` would move now."""

    def move(self, cause: Cause, selection: Selection, *, now: float) -> AsyncIterator[tuple[Moved, ...]]:
        """RETRIED, HELD_BACK or CANCELLED, in small steps: what was moved in each. What is being sent is let go."""

    async def hold(self, hold: Hold, *, now: float, holder: Holder = Holder.OPERATOR) -> bool:
        """Until lifted. False if it stood already."""

    async def lift(self, scope: HoldScope, subject: str, *, now: float) -> tuple[HoldRecord, ...]:
        """Ends the holds there, SES's own as well."""


class Retention(Protocol):
    """What is kept no longer. Each step of an iteration is one small transaction, and gives how much went; all raise
    StoreUnavailable. What has an open delivery stays whole.
    """

    def bodies(self, before: float) -> AsyncIterator[int]:
        """The content of messages whose deliveries have all ended before that."""

    def facts(self, before: float) -> AsyncIterator[int]:
        """Messages that ended before that and have no content any more, with all that is known of them; and events of before
        that about messages that are not ours.
        """

    def notifications(self, before: float) -> AsyncIterator[int]:
        """Raw ones that came before that."""

    def counters(self, before: float) -> AsyncIterator[int]:
        """Hours that were over before that."""

    def suppressions(self, now: float) -> AsyncIterator[int]:
        """Entries of the suppression list whose time is over."""

    def imports(self, now: float) -> AsyncIterator[int]:
        """What imports that were broken off have left, and what finished ones had still to do."""

    async def flows_and_holds(self, now: float) -> int:
        """Flows of which no delivery is left, and holds that ended before any open delivery came."""

    async def files_to_go(self, message_ids: Collection[str]) -> tuple[str, ...]:
        """Those of some messages whose content is not kept any more. A message that the store does not know is none of them."""

    def free_pages(self) -> AsyncIterator[int]:
        """Makes the database's file shorter, where much of it is free."""


class SpooledFiles(Protocol):
    """The files of large content. Both raise StoreUnavailable."""

    async def listed(self) -> tuple[str, ...]:
        """The messages that have one."""

    async def remove(self, message_ids: Collection[str]) -> None: ...


class AccountStore(Protocol):
    """The last that SES said of the account."""

    async def known(self) -> Account | None:
        """None before the first time."""

    async def put(self, account: Account) -> None:
        """In place of what was known."""


class Waiting(NamedTuple):
    """Deliveries that are not over, the octets of their messages, and when the oldest became due that nothing holds and
    nobody has tried."""

    rows: int
    octets: int
    oldest_at: float | None


class BacklogStore(Protocol):
    """What waits."""

    async def waiting(self, *, now: float) -> Waiting:
        """Raises StoreUnavailable."""


class Room(Protocol):
    """The disk below the store. Raises StoreUnavailable where it cannot be seen."""

    @property
    def has_ballast(self) -> bool:
        """Whether the room is there that is kept for a full disk."""

    def free_octets(self) -> int: ...

    async def restore(self) -> None:
        """Makes the ballast again, if it was given up and there is room."""


class Suppressions(Protocol):
    """Addresses that must not be mailed. All raise StoreUnavailable."""

    async def find(self, addresses: Collection[str]) -> Suppressed:
        """All entries of these."""

    async def add(self, suppression: Suppression) -> bool:
        """False if what was there already is as grave, or graver."""

    async def remove(self, release: Release) -> bool:
        """False if the address was not there."""

    async def listed(self, wanted: Filter, *, limit: int) -> tuple[Suppression, ...]:
        """The newest first."""

    def pages(self, wanted: Filter, *, now: float) -> AsyncIterator[tuple[Suppression, ...]]:
        """All whose time is not over, by address, some at a time; what changes meanwhile may or may not be among them."""

    async def history(self, address: str) -> tuple[PastChange, ...]:
        """The oldest first."""


class Imports(Protocol):
    """Whole lists at once: nothing of one counts before all of it does."""

    async def take(self, batches: AsyncIterator[Sequence[Suppression]], *, source: str, again: bool, now: float) -> Imported:
        """In small steps, and one list after the other. Who was removed since stays so, unless it is `again`.

        Whatever ends it before its time leaves nothing that counts. Raises StoreUnavailable, and what `batches` raises.
        """


class AccountList(Protocol):
    """SES's own suppression list. Each is one request, and raises SesUnavailable."""

    async def page(self, *, since: float, token: str) -> tuple[tuple[Listed, ...], str]:
        """Some that were put there since, and the token of the page behind it; "" where there is none."""

    async def put(self, address: str, reason: Reason) -> None: ...

    async def delete(self, address: str) -> bool:
        """False if it was not there, written like this."""


class AccountListStore(Protocol):
    """What is known of SES's own list, and what is to be done there. All raise StoreUnavailable."""

    async def known_until(self) -> float:
        """0.0 before the first time."""

    async def know_until(self, at: float) -> None: ...

    async def learn(self, page: Sequence[Listed], *, now: float, dry: bool) -> int:
        """How many of these are new on ours; who was removed after SES listed him is none of them."""

    async def missing(self, after: tuple[str, str]) -> tuple[tuple[Suppression, ...], tuple[str, str]]:
        """Those of some of ours that belong there and are not, and where the next ones begin; at the beginning, if these were
        the last."""

    async def queue(self, missing: Sequence[Suppression]) -> int:
        """They are to be put there."""

    async def due(self, now: float) -> Errand | None:
        """The first thing that is to be done."""

    async def done(self, errand: Errand, *, in_vain: bool = False) -> None: ...
    async def postpone(self, errand: Errand, *, until: float) -> None: ...


class Credentials(Protocol):
    """Logins."""

    async def get(self, name: str) -> Credential | None: ...
    async def all(self) -> tuple[Credential, ...]: ...
    async def put(self, credential: Credential) -> None: ...

    async def note_use(self, use: LastUse) -> None:
        """In place of what was known of that password."""

    async def last_uses(self) -> tuple[LastUse, ...]: ...

    async def accepted_since(self, at: float) -> dict[str, int]:
        """Messages by the name of the credential."""


class SesIdentities(Protocol):
    """What SES says of our addresses and domains. Each raises SesUnavailable."""

    async def all(self) -> tuple[Identity, ...]:
        """Their states, and nothing else of them."""

    async def look(self, identity: Identity) -> Identity:
        """The same with all that SES tells of one."""


class IdentityStore(Protocol):
    """The last that SES said of them."""

    async def known(self) -> KnownIdentities | None:
        """None before the first time."""

    async def put(self, known: KnownIdentities) -> None:
        """In place of all that was known."""


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

    async def move(self, cause: Cause, selection: Selection) -> Tally:
        """Retries, holds back or cancels what waits."""

    async def hold(self, hold: Hold) -> bool:
        """Until it is lifted. False if it stood already."""

    async def lift(self, scope: HoldScope, subject: str) -> tuple[HoldRecord, ...]:
        """The holds that stood there, SES's own as well."""


class Messages(Protocol):
    """Reading back what happened."""

    async def newest(self, *, limit: int) -> tuple[Life, ...]: ...
    async def show(self, message_id: str) -> Life | None: ...

    async def notifications(self, message_id: str) -> tuple[bytes, ...]:
        """What SES reported of a message, as it was posted and as long as that is kept; the oldest first."""


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

    async def heard(self, *, since: float, until: float) -> tuple[int, int]:
        """Of the newest deliveries accepted and sent between these times: how many, and of how many there are events."""


Counted = tuple[str, str, float, int]
"""A name, a credential, a time, and how often."""


class Counters(Protocol):
    """Sums of what happened. All raise StoreUnavailable."""

    async def sums(self, wanted: Wanted) -> Mapping[str | int, Figures]:
        """By what they are told apart by: seconds for an hour or a day, or a name; under "" where it is nothing."""

    async def by_sender(self, names: Collection[str], *, since: float, until: float) -> Mapping[tuple[str, str], Figures]:
        """Of these names only, by login and sender domain, for all hours that `since` to `until` touch."""

    async def count(self, counted: Iterable[Counted]) -> None:
        """What leaves no other trace in the store."""

    async def newest_event(self) -> int:
        """The number of the last that was recorded, 0 for none."""


class Sender(Protocol):
    """The way out."""

    async def send(self, claimed: Claimed, content: Slices, *, time_left: Callable[[], float]) -> Outcome:
        """One call, one recipient, one try. `time_left` are the seconds of lease, asked just before the request is written."""


class Certificates(Protocol):
    """Where the certificates come from that sign SNS messages."""

    async def get(self, url: str) -> x509.Certificate:
        """Raises TryAgain where it cannot be had now."""


class Topics(Protocol):
    """SNS, as far as we speak to it."""

    async def confirm(self, topic_arn: str, token: str) -> None:
        """Raises TryAgain."""


class Passwords(Protocol):
    """Hashing, slow on purpose and off the loop."""

    def remembered(self, password: str, credential: Credential | None) -> str | None:
        """The hash that the password was found to fit a short time ago."""

    async def verify(self, password: str, credential: Credential | None) -> str | None:
        """The hash it fits. Takes as long for an unknown credential as for a wrong password. Raises TooBusy."""


FULL = 10  # messages that a queue gives at one time at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """A message of a queue that is ours for the time for which it is hidden. `handle` is for this once."""

    id: str
    handle: str
    body: str
    sent_at: float


class FeedbackQueue(Protocol):
    """A queue that SNS puts notifications into. All raise QueueUnavailable."""

    @property
    def url(self) -> str: ...

    async def receive(self, *, wait: int) -> tuple[Queued, ...]:
        """Up to FULL of them, hidden from others for a while; none where for so many seconds none came."""

    async def delete(self, messages: Collection[Queued]) -> tuple[Queued, ...]:
        """For good. Those that could not be; up to FULL at once."""

    async def hide(self, messages: Collection[Queued], seconds: float) -> None:
        """From others, from now on for so long; those for whom it is too late are passed over. Up to FULL at once."""

    async def depth(self) -> int:
        """About how many it holds that are not hidden."""

    async def dead_letters(self) -> FeedbackQueue | None:
        """Where it moves what was received too often."""

    def close(self) -> None:
        """What a call under way brings after that is visible again at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A message of a queue that could not be used, and why. `id` is the one it had in the queue."""

    id: str
    queue: str
    sent_at: float
    received_at: float
    reason: str
    body: str


class Quarantine(Protocol):
    """What is in no queue any more, and not recorded either. All raise StoreUnavailable."""

    async def put(self, found: Quarantined) -> bool:
        """False if it was there; it has its new reason then."""

    async def get(self, id: str) -> Quarantined | None: ...

    async def newest(self, *, limit: int) -> tuple[Quarantined, ...]: ...

    async def ids(self) -> tuple[str, ...]:
        """All of them, the oldest first."""

    async def remove(self, id: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Redriven:
    """Of what was tried once more: how much is recorded now, and how much went into quarantine, or stays there."""

    taken: int
    put_aside: int


class SecondTry(Protocol):
    """What was given up before is taken up once more."""

    async def redrive(self) -> Redriven:
        """The dead letters of all queues. Raises QueueUnavailable or StoreUnavailable."""

    async def retry(self, ids: Collection[str]) -> Redriven:
        """Some of what is in quarantine; all of it for none. Raises StoreUnavailable."""
