"""What an operator changes: the same verbs whether the relay runs (through its control socket) or not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from relay import journal, standing
from relay.access_keys import IssuedKey
from relay.alarm import Kind, Level
from relay.bounces import BounceRules
from relay.credential import Credential
from relay.event import Replayed
from relay.holds import HoldRecord
from relay.lifecycle import Cause
from relay.model import Delivery
from relay.operators import Operator
from relay.outcome import Hold, HoldScope
from relay.ports.access import Operators
from relay.ports.access_keys import AccessKeys
from relay.ports.alarms import AlarmStore
from relay.ports.clock import Clock
from relay.ports.feedback import FeedbackStore
from relay.ports.logins import Credentials
from relay.ports.notices import Webhooks
from relay.ports.queue import Desk
from relay.ports.suppressions import Imports, Suppressions
from relay.queueing import Moved, Selection, Tally
from relay.suppression import Imported, Release, Suppression
from relay.webhooks.webhook import Webhook


class Admin:
    """Implements ports.Admin over the stores. All verbs raise StoreUnavailable.

    `tell` hears of every credential that was changed, at once; `wake` is called when something may have become due. With a
    `playpen` what is sent again goes there.
    """

    def __init__(
        self,
        *,
        suppressions: Suppressions,
        imports: Imports,
        credentials: Credentials,
        access_keys: AccessKeys,
        desk: Desk,
        feedback: FeedbackStore,
        operators: Operators,
        webhooks: Webhooks,
        alarms: AlarmStore,
        rules: BounceRules,
        clock: Clock,
        tell: Callable[[Credential], None] = lambda _: None,
        wake: Callable[[], None] = lambda: None,
        playpen: str = "",
    ) -> None:
        self._suppressions = suppressions
        self._imports = imports
        self._credentials = credentials
        self._access_keys = access_keys
        self._desk = desk
        self._feedback = feedback
        self._operators = operators
        self._webhooks = webhooks
        self._alarms = alarms
        self._rules = rules
        self._clock = clock
        self._tell = tell
        self._wake = wake
        self._playpen = playpen

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

    async def add_access_key(self, key: IssuedKey) -> bool:
        added = await self._access_keys.add(key)
        if added:
            journal.access_key_changed(id=key.id, what=f"added for {key.credential}")
        return added

    async def change_access_key(self, key: IssuedKey) -> bool:
        changed = await self._access_keys.change(key)
        if changed:
            journal.access_key_changed(id=key.id, what="disabled" if key.disabled else "enabled")
        return changed

    async def remove_access_key(self, id: str) -> bool:
        removed = await self._access_keys.remove(id)
        if removed:
            journal.access_key_changed(id=id, what="removed")
        return removed

    async def add_operator(self, operator: Operator) -> bool:
        return await self._operators.add(operator)

    async def change_operator(self, operator: Operator) -> bool:
        return await self._operators.change(operator)

    async def remove_operator(self, name: str) -> bool:
        return await self._operators.remove(name)

    async def put_webhook(self, webhook: Webhook) -> None:
        await self._webhooks.put(webhook)
        journal.webhook_changed(webhook=webhook.name, what="put")

    async def remove_webhook(self, name: str) -> bool:
        removed = await self._webhooks.remove(name)
        if removed:
            journal.webhook_changed(webhook=name, what="removed")
        return removed

    async def pause_webhook(self, name: str, *, is_paused: bool) -> bool:
        changed = await self._webhooks.pause(name, is_paused=is_paused)
        if changed:
            journal.webhook_changed(webhook=name, what="paused" if is_paused else "resumed")
        return changed

    async def tell_again(self, name: str, *, since: float, until: float) -> int:
        count = 0
        async for step in self._webhooks.replay(name, since=since, until=until, now=self._clock()):
            count += step
        journal.notices_again(webhook=name, count=count)
        return count

    async def test_alarms(self) -> None:
        await self._alarms.report("", [standing.alarm(Kind.TEST, Level.NOTE)], unknown=(), now=self._clock())

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
        made = await self._desk.again(delivery_id, now=self._clock(), playpen=self._playpen)
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
