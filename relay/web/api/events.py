"""/Events: what SES reported about a login's messages, one fact after the other, for who wants to miss none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from relay.bounces import BOT, LEFT, BounceClass, ComplaintClass
from relay.credential import Scope
from relay.event import EventType
from relay.ports.events import Fact, Facts
from relay.web.api.calls import Answer, Call, Operation
from relay.web.api.codes import FOUND_THEM, WRONG, Code, Fault
from relay.web.api.models import Moment, Wire

MOST_EVENTS = 1000
_BOUNCED = "BOUNCED"

# (type of event, our class of it, None for all of the others) -> its word. What has none is not shown.
WORDS: dict[tuple[EventType, str | None], str] = {
    (EventType.SEND, None): "SENT",
    (EventType.DELIVERY, None): "DELIVERED",
    (EventType.DELIVERY_DELAY, None): "DELAYED",
    (EventType.OPEN, None): "OPENED",
    (EventType.CLICK, None): "CLICKED",
    (EventType.BOUNCE, None): _BOUNCED,
    (EventType.REJECT, None): "REJECTED",
    (EventType.RENDERING_FAILURE, None): "REJECTED",
    (EventType.COMPLAINT, ComplaintClass.COMPLAINT): "COMPLAINED",
    (EventType.COMPLAINT, ComplaintClass.CANDIDATE): "COMPLAINED",
    (EventType.COMPLAINT, ComplaintClass.ALREADY_SUPPRESSED): _BOUNCED,
    (EventType.SUBSCRIPTION, LEFT): "UNSUBSCRIBED",
    (EventType.SUBSCRIPTION, None): "SUBSCRIBED",
}
# Our class of what bounced -> Devino's reason; `other` for the rest.
REASONS = {
    BounceClass.HARD.value: "bad-mailbox",
    BounceClass.ALREADY_SUPPRESSED.value: "bad-mailbox",
    BounceClass.OPT_OUT.value: "already_unsubscribed",
    BounceClass.MAILBOX_FULL.value: "quota-issues",
    BounceClass.TOO_LARGE.value: "policy-related",
    BounceClass.TIMED_OUT.value: "message-expired",
    BounceClass.CONTENT.value: "content-related",
}
_FOR_GOOD = (BounceClass.HARD, BounceClass.ALREADY_SUPPRESSED)


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
        events = [_view(fact, word) for fact in found if (word := word_for(fact))]
        return Answer(result=EventPage(events=events, next=found[-1].cursor if found else query.after), description=FOUND_THEM)


def word_for(fact: Fact) -> str:
    """Empty for what has none."""
    kind = fact.event.type
    return WORDS.get((kind, fact.found)) or WORDS.get((kind, None), "")


def _view(fact: Fact, word: str) -> EventView:
    event, is_bounce = fact.event, word == _BOUNCED
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
        is_hardbounce=fact.found in _FOR_GOOD if is_bounce else None,
        reason=REASONS.get(fact.found, "other") if is_bounce else None,
        url=event.link or None,
        user_agent=event.user_agent if is_read and event.user_agent else None,
        is_bot=fact.found == BOT if is_read else None,
        detail=event.detail,
    )
