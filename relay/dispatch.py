"""Claim, send, settle: takes from the queue what SES will take now, and writes down what came of it.

Tokens and free calls come first, then that many deliveries are claimed, so that nothing waits under a lease. Where nothing
waits at all, mail that comes in gets such a ticket itself, and is claimed as it is stored.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress

from relay import failpoints, journal, lifecycle, metrics, statistics
from relay.errors import DamagedBody, Malformed, StoreUnavailable
from relay.lifecycle import Patience
from relay.model import Claimed, Lane, Settlement, State
from relay.outcome import Hold, HoldScope, Later, Never, Outcome, Sent, SlowDown, Unknown
from relay.ports.bodies import Bodies
from relay.ports.clock import Clock
from relay.ports.queue import Queue
from relay.ports.ses import Allowance, Sender
from relay.queueing import Claims, Round, Settled, Ticket
from relay.turns import Turns

_IDLE = 1.0  # seconds between looks at the queue when nobody wakes us: retries become due
_STORE_DOWN = 1.0  # seconds between tries to reach a store that does not answer
_CLAIM_SECONDS = 5.0  # that a stop waits for one; what a store that hangs gives out later is found in doubt
_DAMAGED = 86400.0
_LOOK = 4  # one in so many of the free calls is kept for a look at the queue
_TOLD_ONCE = 60.0  # seconds: a hold that was lifted meanwhile and met again is told again
_CALLS = {
    kind: metrics.ses_calls.labels(word)
    for kind, word in {
        Sent: "sent",
        Later: "later",
        SlowDown: "slow_down",
        Hold: "hold",
        Never: "never",
        Unknown: "unknown",
    }.items()
}


class Dispatcher:
    """One per process. Implements ports.Express. `lease` and all times are seconds; `wake` is set where something is due."""

    def __init__(
        self,
        *,
        queue: Queue,
        bodies: Bodies,
        sender: Sender,
        clock: Clock,
        monotonic: Clock,
        wake: asyncio.Event,
        allowance: Allowance,
        patience: Patience,
        max_calls: int,
        lease: float,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._queue = queue
        self._bodies = bodies
        self._sender = sender
        self._clock = clock
        self._monotonic = monotonic
        self._wake = wake
        self._allowance = allowance
        self._turns = Turns()
        self._lanes = tuple(Lane)
        self._told_of: dict[tuple[HoldScope, str], float] = {}
        self._patience = patience
        self._max_calls = max_calls
        self._lease = lease
        self._chance = chance
        self._calls: set[asyncio.Task[None]] = set()  # until what came of them is written down
        self._unanswered = 0  # of these, and what is promised
        self._others_wait = True  # as far as the last round saw
        self._unheard = 0.0  # until when the lease is of a claim whose end nobody has heard of
        self._claiming = asyncio.Lock()
        self._stopping = False

    async def run(self) -> None:
        """Sends until told to stop; then returns at once, calls still open."""
        while not self._stopping:
            self._wake.clear()
            more = False
            try:
                async with self._claiming:
                    if not self._stopping:
                        await self._round()
                        more = self._others_wait
            except StoreUnavailable as error:
                journal.trouble("the queue cannot be read", error)
            await self._rest(more)

    async def stop(self, *, limit: float) -> None:
        """Claims no more and waits for open calls, `limit` seconds at most. What hangs is found in doubt at the next start."""
        self._stopping = True
        self._wake.set()
        ends_at = self._monotonic() + limit
        with suppress(TimeoutError):  # a claim that is under way still starts its calls: they are waited for as well
            async with asyncio.timeout(_CLAIM_SECONDS), self._claiming:
                pass
        if self._calls:
            _, hanging = await asyncio.wait(self._calls, timeout=ends_at - self._monotonic())
            for call in hanging:
                call.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)

    async def _round(self) -> None:
        """Claims and starts what fits. Others wait if more may be due than fitted."""
        if self._unheard:  # it may have been committed all the same
            await self._queue.let_go(self._unheard, now=self._clock())
            self._unheard = 0.0
        if not (free := self._free_calls()):
            self._others_wait = True  # perhaps: nobody has looked
            return
        # Where nobody is known to wait it is but a look: meanwhile most of what is free stays so for what comes in.
        granted = await self._allowance.take(free if self._others_wait else -(-free // _LOOK))
        self._tell_lanes(granted.lanes)
        if not granted.recipients:
            self._others_wait = bool(granted.lanes)
            return
        ticket = self._promise(granted.recipients)
        claims = Claims(claimed=(), ended=())
        try:
            self._unheard = ticket.lease_until
            claims = await self._queue.claim(self._this_round(ticket, granted.lanes))
            self._unheard = 0.0
        finally:
            await self.send(ticket, claims.claimed)
        for delivery in claims.ended:
            journal.ended(id=delivery.id, recipient=delivery.recipient, state=delivery.state, reason=delivery.reason)
        self._others_wait = len(claims.claimed) + len(claims.ended) == ticket.calls

    def _this_round(self, ticket: Ticket, lanes: tuple[Lane, ...]) -> Round:
        return Round(
            limit=ticket.calls,
            now=ticket.lease_until - self._lease,
            lease_until=ticket.lease_until,
            lifetime=self._patience.lifetime,
            turns=self._turns,
            lanes=lanes,
        )

    def _promise(self, calls: int) -> Ticket:
        self._unanswered += calls
        return Ticket(calls=calls, lease_until=self._clock() + self._lease, lease_ends=self._monotonic() + self._lease)

    def ticket(self, lane: Lane, calls: int) -> Ticket | None:
        is_free = not (self._others_wait or self._stopping) and self._unanswered + calls <= self._max_calls
        return self._promise(calls) if is_free and self._allowance.take_at_once(calls, lane) else None

    async def send(self, ticket: Ticket, claimed: Sequence[Claimed]) -> None:
        """Of the ticket is given back what is not sent to, and what SES does not count."""
        self._unanswered -= ticket.calls - len(claimed)
        for each in claimed:
            call = asyncio.create_task(self._send(each, ticket.lease_ends), name=each.delivery.id)
            self._calls.add(call)
            call.add_done_callback(self._finished)
        counted = sum(not statistics.is_simulated(each.delivery.recipient) for each in claimed)
        if counted < ticket.calls:
            await self._allowance.give_back(tokens=ticket.calls - len(claimed), calls=ticket.calls - counted)

    def _tell_lanes(self, lanes: tuple[Lane, ...]) -> None:
        """Those that the account's quota has something left for."""
        if lanes != self._lanes:
            journal.lanes_open(lanes=lanes)
        self._lanes = lanes

    def _free_calls(self) -> int:
        """A transaction per finished call would be wasteful: nothing is free until a quarter is."""
        free = self._max_calls - self._unanswered
        return free if free * 4 >= self._max_calls else 0

    def _finished(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if not call.cancelled() and (error := call.exception()):
            journal.trouble("a call ended by a fault of ours", error, id=call.get_name())

    def _answered(self) -> None:
        self._unanswered -= 1
        if self._others_wait:
            self._wake.set()

    async def _rest(self, more: bool) -> None:
        """If only tokens are short, until the next one; else until something became due or a call has ended."""
        if more and self._free_calls():
            await asyncio.sleep(min(self._allowance.seconds_to_next(), _IDLE))
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_IDLE):
                await self._wake.wait()

    async def _send(self, claimed: Claimed, lease_ends: float) -> None:
        began = self._monotonic()
        failpoints.reach(failpoints.BEFORE_CALL)
        try:
            outcome = await self._outcome(claimed, lambda: lease_ends - self._monotonic())
        finally:
            self._answered()
        failpoints.reach(failpoints.AFTER_CALL)
        _CALLS[type(outcome)].inc()
        metrics.ses_call_seconds.observe(self._monotonic() - began)
        if isinstance(outcome, SlowDown):
            await self._allowance.slow_down()
        settlement = lifecycle.settle(claimed, outcome, now=self._clock(), chance=self._chance(), patience=self._patience)
        # A result that is known must not be lost to a shutdown: SES would get the message a second time.
        settled = await asyncio.shield(self._record(settlement))
        failpoints.reach(failpoints.AFTER_RECORD)
        if settlement.state is State.QUEUED or claimed.held:  # it is due again; or a hold may have ended with it
            self._wake.set()
        self._tell(settlement, settled, self._monotonic() - began)

    async def _outcome(self, claimed: Claimed, time_left: Callable[[], float]) -> Outcome:
        try:
            content = await self._bodies.read(claimed.message, claimed.content)
        except DamagedBody as error:
            journal.trouble(f"{claimed.delivery.id}: the stored body is damaged and not sent", error, id=claimed.delivery.id)
            return Hold(HoldScope.DELIVERY, "the stored body is not what was accepted", _DAMAGED)
        except StoreUnavailable as error:
            return Later(f"the stored body cannot be read: {error}")
        try:
            return await self._sender.send(claimed, content, time_left=time_left)
        except Malformed as error:  # with what this recipient has for its fields: nothing was sent, and never will be
            return Never(f"the message cannot be written: {error}")
        except Exception:
            journal.bug(f"{claimed.delivery.id}: the call failed", id=claimed.delivery.id)
            return Unknown("a fault of ours during the call")

    async def _record(self, settlement: Settlement) -> Settled:
        is_told = False
        while True:
            try:
                return await self._queue.settle(settlement)
            except StoreUnavailable as error:
                if not is_told:
                    journal.trouble(
                        f"{settlement.delivery.id}: the result cannot be written yet", error, id=settlement.delivery.id
                    )
                is_told = True
                await asyncio.sleep(_STORE_DOWN)

    def _tell(self, settlement: Settlement, settled: Settled, seconds: float) -> None:
        delivery = settlement.delivery
        journal.settled(
            id=delivery.id,
            attempt=delivery.attempt,
            state=settlement.state,
            reason=settlement.reason,
            ses_message_id=settlement.ses_message_id,
            seconds=seconds,
        )
        if settled is Settled.TWICE:
            journal.sent_twice(id=delivery.id, attempt=delivery.attempt, ses_message_id=settlement.ses_message_id)
        if hold := settlement.hold:
            self._tell_of(hold)

    def _tell_of(self, hold: Hold) -> None:
        """Once, though all calls that were open ran into it."""
        now = self._monotonic()
        if self._told_of.get((hold.scope, hold.subject), 0.0) <= now:
            self._told_of[hold.scope, hold.subject] = now + min(hold.seconds, _TOLD_ONCE)
            journal.held(scope=hold.scope, subject=hold.subject, reason=hold.reason, seconds=hold.seconds)
