"""/feedback: by which ways events come, what came of the last posts, and what nobody could use."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from relay.alarms import Alarms
from relay.dead_letters import DeadLetterWatch
from relay.event import Replayed
from relay.operators import OperatorRole
from relay.ports.event_queues import Quarantine, Redriven, SecondTry
from relay.ports.feedback import FeedbackLog
from relay.ports.operators import Counters
from relay.web.callbacks.refusals import RefusedPosts
from relay.web.console.chores import Chores
from relay.web.console.visits import Go, NotThere, Page, Routes, Said, Visit, act, look, whole_number

_POSTS = 50
_LINES = 100
_NEWEST = 2**62
REPLAY, REDRIVE, RETRY = "replay", "redrive", "retry"
_NAMES = {
    REPLAY: "Going over all that SES has reported",
    REDRIVE: "Taking dead letters",
    RETRY: "Trying what is in quarantine",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """By which events come: the topics that are listened to, and the webhook's URL, empty where nothing says what it is."""

    topics: Sequence[str]
    webhook: str


class FeedbackPages:
    """Its routes. `replay` goes over all facts once more."""

    def __init__(
        self,
        *,
        ways: Ways,
        log: FeedbackLog,
        counters: Counters,
        quarantine: Quarantine,
        refused: RefusedPosts,
        queues: DeadLetterWatch,
        alarms: Alarms,
        second_try: SecondTry,
        replay: Callable[[], Awaitable[Replayed]],
        chores: Chores,
    ) -> None:
        self._ways = ways
        self._log = log
        self._counters = counters
        self._quarantine = quarantine
        self._refused = refused
        self._queues = queues
        self._alarms = alarms
        self._second_try = second_try
        self._replay = replay
        self._chores = chores

    def routes(self) -> Routes:
        operator = OperatorRole.OPERATOR
        return (
            look("/feedback", self._show),
            look("/feedback/posts/{number}", self._post),
            look("/feedback/refused", self._list_refused),
            look("/feedback/strangers", self._list_strangers),
            look("/feedback/quarantine", self._list_quarantine),
            look("/feedback/quarantine/{id}", self._quarantined),
            act("/feedback/queues/look", self._look_at_queues, operator, "queues looked at"),
            act("/feedback/redrive", self._begin_redrive, operator, "dead letters taken"),
            act("/feedback/replay", self._begin_replay, operator, "all reports gone over"),
            act("/feedback/quarantine/retry", self._begin_retry, operator, "quarantine tried again"),
            act("/feedback/quarantine/{id}/retry", self._retry_one, operator, "message of the quarantine tried again"),
        )

    async def _show(self, visit: Visit) -> Page:
        under_way, before = self._under_way(visit), _before(visit)
        posts = await self._log.posts(before=before, count=_POSTS + 1)
        facts: dict[str, Any] = {
            "ways": self._ways,
            "queues": self._queues.seen,
            "hearing": self._alarms.hearing,
            "heard_at": await self._counters.newest_event_at(),
            "refused": self._refused.count,
            "posts": posts[:_POSTS],
            "older": posts[_POSTS - 1].number if len(posts) > _POSTS else 0,
            "is_first": before == _NEWEST,
            "now": visit.now,
            **under_way,
        }
        return Page(template="feedback", facts=facts)

    async def _post(self, visit: Visit) -> Page:
        post = await self._log.post(whole_number(visit.path("number"), most=2**53))
        if post is None:
            raise NotThere
        return Page(template="feedback_post", facts={"post": post, "payload": _indented(post.payload)})

    async def _list_refused(self, visit: Visit) -> Page:
        return Page(template="feedback_refused", facts={"refused": self._refused.newest(), "count": self._refused.count})

    async def _list_strangers(self, visit: Visit) -> Page:
        found = await self._log.strangers(before=_before(visit), count=_LINES + 1)
        older = found[_LINES - 1].number if len(found) > _LINES else 0
        return Page(template="feedback_strangers", facts={"strangers": found[:_LINES], "older": older})

    async def _list_quarantine(self, visit: Visit) -> Page:
        under_way = self._under_way(visit)
        found = await self._quarantine.listed(before=_before(visit), count=_LINES + 1)
        older = found[_LINES - 1].number if len(found) > _LINES else 0
        facts = {"put_aside": found[:_LINES], "older": older, **under_way}
        return Page(template="feedback_quarantine", facts=facts)

    async def _quarantined(self, visit: Visit) -> Page:
        found = await self._quarantine.get(visit.path("id"))
        if found is None:
            raise NotThere
        return Page(template="feedback_quarantined", facts={"found": found, "body": _indented(found.body)})

    async def _look_at_queues(self, visit: Visit) -> Go:
        await self._queues.look()
        return Go(path="/feedback")

    async def _begin_redrive(self, visit: Visit) -> Go:
        self._chores.begin(REDRIVE, self._redrive)
        return Go(path="/feedback?watch=on")

    async def _redrive(self) -> Said:
        done = await self._second_try.redrive()
        await self._queues.look()
        return _told(done)

    async def _begin_replay(self, visit: Visit) -> Go:
        self._chores.begin(REPLAY, self._go_over)
        return Go(path="/feedback?watch=on")

    async def _go_over(self) -> Said:
        done = await self._replay()
        return Said(
            "{added} events that had not been understood, {changed} with another class; {suppressed} addresses suppressed,"
            " {released} not any more.",
            {"added": done.added, "changed": done.changed, "suppressed": done.suppressed, "released": done.released},
        )

    async def _begin_retry(self, visit: Visit) -> Go:
        self._chores.begin(RETRY, self._retry_all)
        return Go(path="/feedback/quarantine?watch=on")

    async def _retry_all(self) -> Said:
        return _told(await self._second_try.retry(()))

    async def _retry_one(self, visit: Visit) -> Go:
        id = visit.path("id")
        if await self._quarantine.get(id) is None:
            raise NotThere
        done = await self._second_try.retry([id])
        if done.put_aside:
            return Go(path=f"/feedback/quarantine/{quote(id, safe='')}", said=Said("It still cannot be used."))
        return Go(path="/feedback/quarantine", said=Said("It is recorded now."))

    def _under_way(self, visit: Visit) -> dict[str, Any]:
        """What takes long; whoever wants to watch it gets the page anew by itself."""
        chores = [(name, chore) for key, name in _NAMES.items() if (chore := self._chores.of(key))]
        is_busy = self._chores.is_under_way(*_NAMES)
        return {"chores": chores, "is_busy": is_busy, "watches": is_busy and visit.query.get("watch") == "on"}


def _told(done: Redriven) -> Said:
    return Said("{taken} recorded, {put_aside} could not be used.", {"taken": done.taken, "put_aside": done.put_aside})


def _before(visit: Visit) -> int:
    """What is older than this is shown."""
    return whole_number(visit.query.get("before", ""), least=1, most=_NEWEST, otherwise=_NEWEST)


def _indented(text: str) -> str:
    """JSON as people read it; what is no JSON as it is. What UTF-8 cannot hold is replaced."""
    with suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()
