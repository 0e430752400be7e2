"""/Events: what became of a login's messages, one fact after the other, for who wants to miss none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from relay.bounces import BOT
from relay.credential import Scope
from relay.event import EventType, Fact
from relay.event_words import BOUNCED, is_for_good, reason_for, word_for
from relay.ports.events import Facts
from relay.web.api.calls import Answer, Call, Operation
from relay.web.api.codes import FOUND_THEM, WRONG, Code, Fault
from relay.web.api.models import Moment, Wire

MOST_EVENTS = 1000


class EventsQuery(Wire):
    """After is the Next of the call before; 0 is the beginning."""

    after: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Annotated[int, Field(ge=1, le=MOST_EVENTS)] = 100


class EventView(Wire):
    """A fact. MessageId is of the message and its recipient. IsBot: SES takes the opening or the click for a program's. Detail
    is for people.
    """

    cursor: int
    message_id: str
    user_message_id: str
    user_campaign_id: str
    task_id: int
    email: str
    event: str
    date_time: Moment
    is_hardbounce: bool | None
    reason: str | None
    url: str | None
    user_agent: str | None
    is_bot: bool | None
    detail: str


class EventPage(Wire):
    """Some facts in their order, and where to go on."""

    events: list[EventView]
    next: int


class EventsResource:
    """Its operations."""

    def __init__(self, *, facts: Facts) -> None:
        self._facts = facts

    def operations(self) -> Sequence[Operation]:
        return (
            Operation(
                group="Events",
                method="GET",
                path="/Events",
                does=self.get,
                scope=Scope.EVENTS,
                summary="What became of messages, fact by fact",
                query=EventsQuery,
                result=EventPage,
            ),
        )

    async def get(self, call: Call) -> Answer:
        """Facts that the relay knew before, and finds out only now to be this login's, come with those of now."""
        query: EventsQuery = call.query
        found = await self._facts.read(call.credential.name, after=query.after, count=query.limit)
        if found is None:
            raise Fault(Code.INVALID_VALUE, WRONG, field="After", why="is no cursor of this relay's database")
        events = [_view(fact, word) for fact in found if (word := word_for(fact.event.type, fact.found))]
        return Answer(result=EventPage(events=events, next=found[-1].cursor if found else query.after), description=FOUND_THEM)


def _view(fact: Fact, word: str) -> EventView:
    event, is_bounce = fact.event, word == BOUNCED
    is_read = event.type in (EventType.OPEN, EventType.CLICK)
    return EventView.model_construct(  # all of it is ours, and there may be a thousand of them
        cursor=fact.cursor,
        message_id=fact.delivery_id,
        user_message_id=fact.label_id,
        user_campaign_id=fact.campaign,
        task_id=fact.task,
        email=event.recipient,
        event=word,
        date_time=event.at,
        is_hardbounce=is_for_good(fact.found) if is_bounce else None,
        reason=reason_for(fact.found) if is_bounce else None,
        url=event.link or None,
        user_agent=event.user_agent if is_read and event.user_agent else None,
        is_bot=fact.found == BOT if is_read else None,
        detail=event.detail,
    )
