"""/Statistics: how far the messages of a task have come, or of a time; and each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from relay import ids
from relay.credential import Scope
from relay.mailing import TaskState
from relay.ports.clock import Clock
from relay.ports.operators import Counters, Line, Messages
from relay.ports.tasks import Tasks
from relay.statistics import ACCEPTED, DELIVERED, SENT, Figures, Wanted
from relay.web.api.calls import Answer, Call, Operation
from relay.web.api.codes import FOUND, FOUND_THEM, MISSING, NO_TASK, NOT_YOURS, WRONG, Code, Fault
from relay.web.api.message_models import REJECTED, STATES
from relay.web.api.models import Moment, Wire

_AT_ONCE = 1000
_ENDED_UNSENT = ("suppressed", "failed", "expired", "cancelled", "ignored")


class Period(Wire):
    """A task, or a time; both without a time means all of it."""

    login: str = ""
    task_id: Annotated[int, Field(ge=0)] = 0
    start_date_time: Moment | None = None
    end_date_time: Moment | None = None


class MessagesQuery(Period):
    """The same, of one state where it is given."""

    state: str = ""


class Numbers(Wire):
    """Each message counts once, for the farthest that it came; all together are Total."""

    not_sent: int
    sent: int
    delivered: int
    read: int
    clicked: int
    bounced: int
    rejected: int
    total: int


class MessageLine(Wire):
    """One message, and how far it has come."""

    id: str
    destination_email: str
    state: str
    price: float = 0
    created_date_utc: Moment
    last_update_utc: Moment


class StatisticsResource:
    """Its operations."""

    def __init__(self, *, counters: Counters, messages: Messages, tasks: Tasks, clock: Clock) -> None:
        self._counters = counters
        self._messages = messages
        self._tasks = tasks
        self._clock = clock

    def operations(self) -> Sequence[Operation]:
        return (
            Operation(
                group="Statistics",
                method="GET",
                path="/Statistics",
                does=self.numbers,
                scope=Scope.STATISTICS,
                summary="How far the messages of a task or of a time have come",
                query=Period,
                result=Numbers,
            ),
            Operation(
                group="Statistics",
                method="GET",
                path="/Statistics/Messages",
                does=self.messages,
                scope=Scope.STATISTICS,
                summary="Each of these messages",
                query=MessagesQuery,
                result=list[MessageLine],
                is_list=True,
                needs_range=True,
            ),
        )

    async def numbers(self, call: Call) -> Answer:
        period = await self._checked(call)
        if period.task_id:
            figures = await self._tasks.figures(period.task_id)
        else:
            since, until = self._times(period)
            sums = await self._counters.sums(Wanted(since=since, until=until, credential=call.credential.name))
            figures = sums.get("", Figures({}))
        return Answer(result=numbers(figures), description=FOUND)

    async def messages(self, call: Call) -> Answer:
        """In the order in which they were accepted. How many there are is not counted."""
        query: MessagesQuery = await self._checked(call)
        if query.state and query.state.lower() not in _BY_NAME:
            raise Fault(Code.INVALID_VALUE, WRONG, field="State", why=f"is none of {', '.join(sorted(set(_BY_NAME.values())))}")
        after, until = await self._bounds(query)
        lines: list[MessageLine] = []
        skipped = call.range.skipped
        while len(lines) < call.range.count:
            found = await self._messages.history(credential=call.credential.name, after=after, until=until, count=_AT_ONCE)
            wanted = [line for line in found if not query.state or _state(line) == _BY_NAME[query.state.lower()]]
            lines += map(_line, wanted[skipped:])
            skipped = max(0, skipped - len(wanted))
            if len(found) < _AT_ONCE:
                break
            after = found[-1].key
        return Answer(result=lines[: call.range.count], total=-1, status=206, description=FOUND_THEM)

    async def _bounds(self, period: Period) -> tuple[tuple[str, int], str]:
        """Behind which delivery, and before which message."""
        if period.task_id:
            task = await self._tasks.get(period.task_id)
            message_id = task.message_id if task else ""
            return (message_id, 0), message_id + "~" if message_id else ""
        since, until = self._times(period)
        return (ids.ulid(since, bytes(10)), 0), ids.ulid(until + 0.001, bytes(10))

    async def _checked(self, call: Call) -> Any:
        """Raises Fault for what is another login's, and where nothing is chosen."""
        period = call.query
        if period.login and period.login != call.credential.name:
            raise Fault(Code.ACCESS_DENIED, NOT_YOURS, what=f"Login {period.login}")
        if period.task_id:
            task = await self._tasks.get(period.task_id)
            if task is None or task.state is TaskState.DELETED:
                raise Fault(Code.NOT_FOUND, NO_TASK)
            if task.credential != call.credential.name:
                raise Fault(Code.ACCESS_DENIED, NOT_YOURS, what=f"task {task.id}")
        elif period.start_date_time is None:
            raise Fault(Code.EMPTY_VALUE, MISSING, field="TaskId or StartDateTime")
        return period

    def _times(self, period: Period) -> tuple[float, float]:
        now = self._clock()
        return period.start_date_time or 0.0, now if period.end_date_time is None else period.end_date_time


_BY_NAME = {name.lower(): name for name in (*STATES.values(), REJECTED)}


def _state(line: Line) -> str:
    return STATES.get(line.status, REJECTED)


def _line(line: Line) -> MessageLine:
    return MessageLine(
        id=f"{line.key[0]}-{line.key[1]}",
        destination_email=line.recipient,
        state=_state(line),
        created_date_utc=line.created_at,
        last_update_utc=line.changed_at,
    )


def numbers(figures: Figures) -> Numbers:
    """Out of sums of what has ever happened: who has clicked has read, what was read was delivered, and what SES rejected it
    had taken before.
    """
    total = figures.of(ACCEPTED)
    clicked = figures.of("clicked_unique")
    read = max(figures.of("opened_unique"), clicked)
    delivered = max(figures.of(DELIVERED), read)
    bounced, rejected = figures.bounced, figures.of("rejected")
    sent = max(figures.of(SENT), delivered + bounced + rejected)
    unsent = sum(figures.of(name) for name in _ENDED_UNSENT)
    return Numbers(
        not_sent=max(0, total - sent - unsent),
        sent=sent - delivered - bounced - rejected,
        delivered=delivered - read,
        read=read - clicked,
        clicked=clicked,
        bounced=bounced,
        rejected=unsent + rejected,
        total=max(total, sent + unsent),
    )
