"""What waits to be sent, what is kept of what was, and the room for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from typing import NamedTuple, Protocol

from relay.holds import Holder, HoldRecord
from relay.lifecycle import Cause, Patience
from relay.model import Claimed, Delivery, Lane, Message, Receipt, Settlement
from relay.outcome import Hold, HoldScope
from relay.queueing import Claims, Doubt, Moved, QueueStatus, Round, Selection, Settled, Tally, Ticket


class Queue(Protocol):
    """The durable queue. Every verb is one transaction and returns after the commit. All raise StoreUnavailable."""

    async def enqueue(
        self, message: Message, content: bytes | None, deliveries: tuple[Delivery, ...], *, receipt: Receipt | None = None
    ) -> tuple[Delivery, ...]:
        """The deliveries as they were stored: what is queued to a suppressed address has ended before it began. Raises
        StoreRefuses where its login has used the key of the receipt before.

        The suppression list is read in the same transaction: if it cannot be read, nothing is stored.
        """

    async def enqueue_and_claim(
        self,
        message: Message,
        content: bytes | None,
        deliveries: tuple[Delivery, ...],
        *,
        receipt: Receipt | None,
        lease_until: float,
    ) -> Claims:
        """As `enqueue`, and in the same step a claim of those of them that are due: what a hold stops is queued."""

    async def claim(self, this: Round) -> Claims:
        """Due deliveries that nothing holds, as `sending`, their attempt counted."""

    async def let_go(self, lease_until: float, *, now: float) -> None:
        """What was claimed with just that lease is due again: its claim was committed, and nobody heard of it. Holds that it
        would have probed may be probed by another.
        """

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

    async def catch_up(self, now: float) -> float:
        """Where the clock was set back since the last sign of life all waits are shifted: by how many seconds, or 0.0."""

    async def beat(self, at: float) -> None:
        """It is alive."""


class Express(Protocol):
    """Sends what has just come in at once, where nothing else waits for its turn."""

    def ticket(self, lane: Lane, calls: int) -> Ticket | None:
        """For so many deliveries: None where they have to queue. Then `send` must follow."""

    async def send(self, ticket: Ticket, claimed: Sequence[Claimed]) -> None:
        """Begins their calls. What is not used of the ticket is given back. Raises StoreUnavailable."""


class Desk(Protocol):
    """What an operator sees of the queue, and does with it. All raise StoreUnavailable."""

    async def status(self, *, now: float) -> QueueStatus: ...

    async def glance(self, *, now: float, flows: int) -> tuple[QueueStatus, int]:
        """The same in a moment, however much waits: of the first so many flows, and of each up to MOST_DUE that are due; and
        how many flows there are.
        """

    async def status_of(self, credential: str, *, now: float) -> QueueStatus:
        """The same of one login's mail, with the holds that stop any of it."""

    async def count(self, cause: Cause, selection: Selection) -> Tally:
        """What `move` would move now."""

    def move(self, cause: Cause, selection: Selection, *, now: float) -> AsyncIterator[tuple[Moved, ...]]:
        """RETRIED, HELD_BACK or CANCELLED, in small steps: what was moved in each. What is being sent is let go."""

    async def hold(self, hold: Hold, *, now: float, holder: Holder = Holder.OPERATOR) -> bool:
        """Until lifted. False if it stood already."""

    async def lift(self, scope: HoldScope, subject: str, *, now: float, holder: Holder | None = None) -> tuple[HoldRecord, ...]:
        """Ends the holds there, SES's own as well; or only that of one holder."""

    async def again(self, delivery_id: str, *, now: float, playpen: str = "") -> Delivery | None:
        """A new delivery of the same message to the same recipient, or the playpen, as it was stored: to a suppressed address
        it has ended already. None where that delivery is not over, its content is not kept any more, nobody wants it any more,
        or its mailing still goes on.
        """


class Retention(Protocol):
    """What is kept no longer. Each step of an iteration is one small transaction, and gives how much went; all raise
    StoreUnavailable. What has an open delivery stays whole.
    """

    def bodies(self, before: float) -> AsyncIterator[int]:
        """The content of messages whose deliveries have all ended before that, but for the next."""

    def web_versions(self, before: float) -> AsyncIterator[int]:
        """The same of messages with links to their content."""

    def facts(self, before: float) -> AsyncIterator[int]:
        """Messages that ended before that and have no content any more, with all that is known of them; and events of before
        that about messages that are not ours.
        """

    def notifications(self, before: float) -> AsyncIterator[int]:
        """Raw ones that came before that."""

    def links(self, before: float) -> AsyncIterator[int]:
        """Whose the links were in messages that were let go, and accepted before that."""

    def history(self, before: float) -> AsyncIterator[int]:
        """What changed of suppressed addresses before that, but for those that somebody let be mailed again."""

    def audit(self, before: float) -> AsyncIterator[int]:
        """What operators did before that."""

    def counters(self, before: float) -> AsyncIterator[int]:
        """Hours that were over before that."""

    def hours(self, before: float) -> AsyncIterator[int]:
        """Sums the hours of days that were over before that up: what they count is kept, by the day."""

    def suppressions(self, now: float) -> AsyncIterator[int]:
        """Entries of the suppression list whose time is over."""

    def imports(self, now: float) -> AsyncIterator[int]:
        """What imports that were broken off have left, and what finished ones had still to do."""

    def receipts(self, before: float) -> AsyncIterator[int]:
        """Of calls with an Idempotency-Key that came before that."""

    def tasks(self, before: float) -> AsyncIterator[int]:
        """Mailings that ended before that; and the deliveries of theirs that are over, which may be too many for one step."""

    async def flows_and_holds(self, now: float) -> int:
        """Flows of which no delivery is left, and holds that ended before any open delivery came. Those of SES on a sender
        domain or a configuration set end where nothing is open under them.
        """

    async def files_to_go(self, message_ids: Collection[str]) -> tuple[str, ...]:
        """Those of some messages whose content is not kept any more. A message that the store does not know is none of them."""

    def free_pages(self) -> AsyncIterator[int]:
        """Makes the database's file shorter, where much of it is free."""


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
