"""Claim, send, settle: takes from the queue what SES will take now, and writes down what came of it.

Tokens and free calls come first, then that many deliveries are claimed, so that nothing waits under a lease.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress

from relay import failpoints, journal, lifecycle, metrics
from relay.errors import DamagedBody, StoreUnavailable
from relay.lifecycle import Patience
from relay.model import Claimed, Lane, Settlement
from relay.outcome import Hold, HoldScope, Later, Never, Outcome, Sent, SlowDown, Unknown
from relay.ports.bodies import Bodies
from relay.ports.clock import Clock
from relay.ports.queue import Queue
from relay.ports.ses import Allowance, Sender
from relay.queueing import Claims, Round, Settled
from relay.turns import Turns

_IDLE = 1.0  # seconds between looks at the queue when nobody wakes us: retries become due
_STORE_DOWN = 1.0  # seconds between tries to reach a store that does not answer
_CLAIM_SECONDS = 5.0  # that a stop waits for one; what a store that hangs gives out later is found in doubt
_DAMAGED = 86400.0
_TOLD_ONCE = 60.0  # seconds: a hold that was lifted meanwhile and met again is told again
_SIMULATOR = "@simulator.amazonses.com"  # SES counts no mail to it (SES developer guide, "Using the mailbox simulator")
_OUTCOMES: dict[type, str] = {
    Sent: "sent",
    Later: "later",
    SlowDown: "slow_down",
    Hold: "hold",
    Never: "never",
    Unknown: "unknown",
}


class Dispatcher:
    """One per process. `lease` and all times are seconds; `wake` is set by whoever makes something due."""

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
        self._calls: set[asyncio.Task[None]] = set()
        self._claiming = asyncio.Lock()
        self._stopping = False

    async def run(self) -> None:
        """Sends until told to stop; then returns at once, calls still open."""
        while not self._stopping:
            self._wake.clear()
            try:
                async with self._claiming:
                    more = False if self._stopping else await self._round()
            except StoreUnavailable as error:
                journal.trouble("the queue cannot be read", error)
                more = False
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

    async def _round(self) -> bool:
        """Claims and starts what fits. True if more may be due than fitted."""
        if not (free := self._free_calls()):
            return True
        granted = await self._allowance.take(free)
        self._tell_lanes(granted.lanes)
        if not granted.recipients:
            return bool(granted.lanes)
        lease_ends = self._monotonic() + self._lease
        now = self._clock()
        this = Round(
            limit=granted.recipients,
            now=now,
            lease_until=now + self._lease,
            lifetime=self._patience.lifetime,
            turns=self._turns,
            lanes=granted.lanes,
        )
        claims = await self._claimed(this)
        for delivery in claims.ended:
            journal.ended(id=delivery.id, recipient=delivery.recipient, state=delivery.state, reason=delivery.reason)
        for claimed in claims.claimed:
            call = asyncio.create_task(self._send(claimed, lease_ends), name=claimed.delivery.id)
            self._calls.add(call)
            call.add_done_callback(self._finished)
        return len(claims.claimed) + len(claims.ended) == this.limit

    async def _claimed(self, this: Round) -> Claims:
        """What is not sent to, and what SES does not count, is given back of what was granted for the round."""
        sent_to = counted = 0
        try:
            claims = await self._queue.claim(this)
            sent_to = len(claims.claimed)
            counted = sum(not each.delivery.recipient.lower().endswith(_SIMULATOR) for each in claims.claimed)
        finally:
            await self._allowance.give_back(tokens=this.limit - sent_to, calls=this.limit - counted)
        return claims

    def _tell_lanes(self, lanes: tuple[Lane, ...]) -> None:
        """Those that the account's quota has something left for."""
        if lanes != self._lanes:
            journal.lanes_open(lanes=lanes)
        self._lanes = lanes

    def _free_calls(self) -> int:
        """A transaction per finished call would be wasteful: nothing is free until a quarter is."""
        free = self._max_calls - len(self._calls)
        return free if free * 4 >= self._max_calls else 0

    def _finished(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if not call.cancelled() and (error := call.exception()):
            journal.trouble("a call ended by a fault of ours", error, id=call.get_name())
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
        outcome = await self._outcome(claimed, lambda: lease_ends - self._monotonic())
        failpoints.reach(failpoints.AFTER_CALL)
        metrics.ses_calls.labels(_OUTCOMES[type(outcome)]).inc()
        metrics.ses_call_seconds.observe(self._monotonic() - began)
        if isinstance(outcome, SlowDown):
            await self._allowance.slow_down()
        settlement = lifecycle.settle(claimed, outcome, now=self._clock(), chance=self._chance(), patience=self._patience)
        # A result that is known must not be lost to a shutdown: SES would get the message a second time.
        settled = await asyncio.shield(self._record(settlement))
        failpoints.reach(failpoints.AFTER_RECORD)
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
