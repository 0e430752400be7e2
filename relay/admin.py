"""What an operator changes: the same verbs whether the relay runs (through its control socket) or not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from relay import journal
from relay.bounces import BounceRules
from relay.credential import Credential
from relay.event import Replayed
from relay.holds import HoldRecord
from relay.lifecycle import Cause
from relay.model import Delivery
from relay.operators import Operator
from relay.outcome import Hold, HoldScope
from relay.ports.access import Operators
from relay.ports.clock import Clock
from relay.ports.feedback import FeedbackStore
from relay.ports.logins import Credentials
from relay.ports.queue import Desk
from relay.ports.suppressions import Imports, Suppressions
from relay.queueing import Moved, Selection, Tally
from relay.suppression import Imported, Release, Suppression


class Admin:
    """Implements ports.Admin over the stores. All verbs raise StoreUnavailable.

    `tell` hears of every credential that was changed, at once; `wake` is called when something may have become due.
    """

    def __init__(
        self,
        *,
        suppressions: Suppressions,
        imports: Imports,
        credentials: Credentials,
        desk: Desk,
        feedback: FeedbackStore,
        operators: Operators,
        rules: BounceRules,
        clock: Clock,
        tell: Callable[[Credential], None] = lambda _: None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._suppressions = suppressions
        self._imports = imports
        self._credentials = credentials
        self._desk = desk
        self._feedback = feedback
        self._operators = operators
        self._rules = rules
        self._clock = clock
        self._tell = tell
        self._wake = wake

    async def suppress(self, suppression: Suppression) -> bool:
        added = await self._suppressions.add(suppression)
        if added:
            journal.suppressed(address=suppression.address, reason=suppression.reason, source=suppression.source)
        return added

    async def release(self, release: Release) -> bool:
        removed = await self._suppressions.remove(release)
        if removed:
            journal.released(address=release.address)
        return removed

    async def take_list(self, batches: AsyncIterator[Sequence[Suppression]], *, source: str, again: bool) -> Imported:
        done = await self._imports.take(batches, source=source, again=again, now=self._clock())
        journal.list_imported(source=source, added=done.added, longer=done.longer, stood=done.stood, released=done.released)
        return done

    async def replay(self) -> Replayed:
        done = Replayed()
        async for step in self._feedback.replay(rules=self._rules, now=self._clock()):
            done += step
        journal.replayed(added=done.added, changed=done.changed, suppressed=done.suppressed, released=done.released)
        return done

    async def put_credential(self, credential: Credential) -> None:
        await self._credentials.put(credential)
        self._tell(credential)
        journal.credential_changed(name=credential.name, disabled=credential.disabled)

    async def add_operator(self, operator: Operator) -> bool:
        return await self._operators.add(operator)

    async def change_operator(self, operator: Operator) -> bool:
        return await self._operators.change(operator)

    async def remove_operator(self, name: str) -> bool:
        return await self._operators.remove(name)

    async def move(self, cause: Cause, selection: Selection) -> Tally:
        moved = doubtful = 0
        try:
            async for step in self._desk.move(cause, selection, now=self._clock()):
                moved += len(step)
                doubtful += sum(bool(each.tries) for each in step)
                for each in step:
                    _tell_move(cause, each)
        finally:
            if moved:
                journal.queue_changed(cause=cause, deliveries=moved)
                self._wake()
        return Tally(deliveries=moved, doubtful=doubtful)

    async def hold(self, hold: Hold) -> bool:
        is_new = await self._desk.hold(hold, now=self._clock())
        journal.held_by_operator(scope=hold.scope, subject=hold.subject, reason=hold.reason)
        return is_new

    async def lift(self, scope: HoldScope, subject: str) -> tuple[HoldRecord, ...]:
        lifted = await self._desk.lift(scope, subject, now=self._clock())
        for hold in lifted:
            journal.lifted(scope=scope, subject=subject, holder=hold.holder)
        self._wake()
        return lifted

    async def resend(self, delivery_id: str) -> Delivery | None:
        made = await self._desk.again(delivery_id, now=self._clock())
        if made:
            journal.resent(id=made.id, after=delivery_id, recipient=made.recipient, state=made.state)
            self._wake()
        return made


def _tell_move(cause: Cause, moved: Moved) -> None:
    delivery = moved.delivery
    if cause is Cause.CANCELLED:
        journal.ended(id=delivery.id, recipient=delivery.recipient, state=delivery.state, reason=delivery.reason)
    elif cause is Cause.RETRIED and moved.tries:
        journal.retried_in_doubt(id=delivery.id, attempt=delivery.attempt, tries=moved.tries)
