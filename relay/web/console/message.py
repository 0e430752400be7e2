"""/messages/…: one message, what became of it for each of its recipients, and what can be done about it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from relay import lifecycle
from relay.lifecycle import Cause
from relay.model import Delivery, Life, State
from relay.operators import OperatorRole
from relay.ports.operators import Admin, Messages
from relay.ports.search import Search
from relay.queueing import Selection
from relay.web.console import queries, statuses, timeline
from relay.web.console.message_contents import PARTS, MessageContents
from relay.web.console.visits import Go, NotThere, Objection, Page, Routes, Said, Visit, act, look

_SHOWN = 20  # recipients on one page
_REPORTS = 300
_DONE = {
    Cause.RETRIED: "It goes out as soon as it may.",
    Cause.HELD_BACK: "It waits until it is retried.",
    Cause.CANCELLED: "It is cancelled.",
}
_NOT_AGAIN = "It cannot be sent again: it is not over, its content is gone, its time is over, or its mailing still goes on."


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One of them, and how his delivery stands."""

    delivery: Delivery
    status: str
    held: str

    @property
    def is_over(self) -> bool:
        return self.delivery.state not in lifecycle.OPEN

    @property
    def is_in_doubt(self) -> bool:
        return self.delivery.state is State.IN_DOUBT

    @property
    def is_movable(self) -> bool:
        """Whether it waits."""
        return self.delivery.state in lifecycle.sources(Cause.CANCELLED)

    @property
    def is_suppressed(self) -> bool:
        return self.delivery.state is State.SUPPRESSED

    @property
    def is_sent(self) -> bool:
        return self.delivery.state is State.SENT


class MessagePages:
    """Its routes, but for those to what is inside."""

    def __init__(self, *, messages: Messages, search: Search, contents: MessageContents, admin: Admin) -> None:
        self._messages = messages
        self._search = search
        self._contents = contents
        self._admin = admin

    def routes(self) -> Routes:
        operator = OperatorRole.OPERATOR
        return (
            look("/messages/{id}", self._show),
            act("/messages/{id}/retry", partial(self._move, Cause.RETRIED), operator, "message retried"),
            act("/messages/{id}/hold", partial(self._move, Cause.HELD_BACK), operator, "message held back"),
            act("/messages/{id}/cancel", partial(self._move, Cause.CANCELLED), operator, "message cancelled"),
            act("/messages/{id}/resend", self._resend, operator, "message sent again"),
        )

    async def _show(self, visit: Visit) -> Page:
        """With all of its recipients where they are few."""
        life, recipients = await self._found(visit)
        shown = recipients[:_SHOWN]
        ids = [each.delivery.id for each in shown]
        reports = await self._search.reports(ids, count=_REPORTS)
        part = visit.query.get("part", PARTS[0])
        content = await self._contents.shown(ids[0], part) if life.has_content and part in PARTS else None
        facts: dict[str, Any] = {
            "message": life.message,
            "id": visit.path("id").upper(),
            "recipients": shown,
            "is_one_of_many": len(recipients) == 1 < len(life.deliveries),
            "are_more": len(recipients) > _SHOWN,
            "waiting": sum(each.is_movable for each in recipients),
            "badge": statuses.badge,
            "lines": list(timeline.of(life.moments, reports, [each.delivery.recipient for each in shown])),
            "has_content": life.has_content,
            "parts": PARTS,
            "part": part,
            "first": ids[0],
            "content": content,
            "trouble": content if isinstance(content, Said) else None,
        }
        return Page(template="message", facts=facts)

    async def _found(self, visit: Visit) -> tuple[Life, list[Recipient]]:
        """Of a delivery only its own recipient. Raises NotThere."""
        id = queries.id_of(visit.path("id"))
        life = await self._messages.show(id) if id else None
        if life is None:
            raise NotThere
        everybody = zip(life.deliveries, life.statuses, life.held, strict=True)
        found = [Recipient(delivery=delivery, status=status, held=held) for delivery, status, held in everybody]
        wanted = [each for each in found if id in (life.message.id, each.delivery.id)]
        if not wanted:
            raise NotThere
        return life, wanted

    async def _move(self, cause: Cause, visit: Visit) -> Go:
        life, _ = await self._found(visit)
        id = visit.path("id").upper()
        if life.message.task and id == life.message.id:  # it may have millions, and others are still to be made
            raise Objection("It is a mailing's: pause that one, or cancel it.")
        tally = await self._admin.move(cause, Selection(ids=(id,)))
        if not tally.deliveries:
            raise Objection("Nothing of it waits.")
        return Go(path=f"/messages/{id}", said=Said(_DONE[cause]))

    async def _resend(self, visit: Visit) -> Go:
        _, [each, *others] = await self._found(visit)
        if others:
            raise NotThere
        made = await self._admin.resend(each.delivery.id)
        if made is None:
            raise Objection(_NOT_AGAIN)
        said = Said("It goes out once more, to {recipient}.", {"recipient": made.recipient})
        if made.state is State.SUPPRESSED:
            said = Said("{recipient} is suppressed: nothing is sent.", {"recipient": made.recipient})
        return Go(path=f"/messages/{made.id}", said=said, detail=f"{each.delivery.recipient} {made.id}")
