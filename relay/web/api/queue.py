"""/Queue: what of a login's mail waits, and its own way to stop it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from relay import journal
from relay.credential import Scope
from relay.holds import Holder
from relay.lifecycle import NEVER
from relay.outcome import Hold, HoldScope
from relay.ports.clock import Clock
from relay.ports.queue import Desk
from relay.queueing import FlowStatus
from relay.web.api.account import HoldView, hold_view
from relay.web.api.calls import Answer, Call, Operation
from relay.web.api.codes import FOUND, Code, Text
from relay.web.api.models import Moment, Wire

_PAUSED = Text("paused: mail is taken and waits", "приостановлено: письма принимаются и ждут")
_WAS_PAUSED = Text("it was paused already", "уже приостановлено")
_RESUMED = Text("resumed", "возобновлено")
_NOT_PAUSED = Text("it was not paused", "не было приостановлено")
_WHY = "paused by its own login"


class States(Wire):
    """How many deliveries are in which state."""

    queued: int
    sending: int
    in_doubt: int


class FlowView(Wire):
    """Deliveries of one kind that wait, and how many of them are due."""

    lane: str
    sender_domain: str
    configuration_set: str
    task_id: int
    open: int
    due: int


class QueueView(Wire):
    """What waits of this login's. OldestAt is when the oldest was accepted."""

    states: States
    flows: list[FlowView]
    oldest_at: Moment | None
    is_paused: bool
    holds: list[HoldView]


class QueueResource:
    """Its operations."""

    def __init__(self, *, desk: Desk, clock: Clock, wake: Callable[[], None]) -> None:
        self._desk = desk
        self._clock = clock
        self._wake = wake

    def operations(self) -> Sequence[Operation]:
        def operation(method: str, path: str, does: Any, summary: str, **more: Any) -> Operation:
            return Operation(group="Queue", method=method, path=path, does=does, scope=Scope.QUEUE, summary=summary, **more)

        return (
            operation("GET", "/Queue", self.get, "What waits", result=QueueView),
            operation("POST", "/Queue/Pause", self.pause, "Send nothing of this login until it is resumed"),
            operation("POST", "/Queue/Resume", self.resume, "Send again"),
        )

    async def get(self, call: Call) -> Answer:
        status = await self._desk.status_of(call.credential.name, now=self._clock())
        view = QueueView(
            states=States(**{name: status.states.get(name, 0) for name in ("queued", "sending", "in_doubt")}),
            flows=[_flow_view(each) for each in status.flows],
            oldest_at=status.oldest_at or None,
            is_paused=any(hold.holder is Holder.LOGIN for hold in status.holds),
            holds=[hold_view(hold) for hold in status.holds],
        )
        return Answer(result=view, description=FOUND)

    async def pause(self, call: Call) -> Answer:
        hold = Hold(HoldScope.CREDENTIAL, _WHY, NEVER, call.credential.name)
        is_new = await self._desk.hold(hold, now=self._clock(), holder=Holder.LOGIN)
        if not is_new:
            return Answer(code=Code.NOT_CHANGED, description=_WAS_PAUSED)
        journal.held_by_operator(scope=hold.scope, subject=hold.subject, reason=hold.reason)
        return Answer(description=_PAUSED)

    async def resume(self, call: Call) -> Answer:
        """What SES, the operator or the relay itself holds back stays so."""
        scope, name = HoldScope.CREDENTIAL, call.credential.name
        lifted = await self._desk.lift(scope, name, now=self._clock(), holder=Holder.LOGIN)
        if not lifted:
            return Answer(code=Code.NOT_CHANGED, description=_NOT_PAUSED)
        journal.lifted(scope=scope, subject=name, holder=Holder.LOGIN)
        self._wake()
        return Answer(description=_RESUMED)


def _flow_view(status: FlowStatus) -> FlowView:
    flow = status.flow
    return FlowView(
        lane=flow.lane.value,
        sender_domain=flow.identity,
        configuration_set=flow.configuration_set,
        task_id=flow.task,
        open=status.open,
        due=status.due,
    )
