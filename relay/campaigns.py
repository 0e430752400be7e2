"""Mailings on their way: begun at their time, made into deliveries a little ahead of what is sent, finished, cleared away.

Everything that counts is in rows: whoever leads does the next step from where the last one ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from relay import ids, journal
from relay.contact import STANDARD_FIELDS
from relay.credential import Credential, ListUnsubscribe, Macros, MessageClass, Scope
from relay.errors import DoorClosed, Malformed, RefusedForGood, RefusedForNow, StoreUnavailable
from relay.intake import Intake
from relay.lifecycle import Cause
from relay.mailing import Mailing, Task, TaskState
from relay.model import File, Message
from relay.ports.clock import Clock
from relay.ports.logins import Credentials
from relay.ports.queue import Desk
from relay.ports.tasks import Pace, Step, Tasks
from relay.queueing import Selection
from relay.writing import composing, merging
from relay.writing.composing import Letter

FIRST_NAME_IN_RUSSIAN = "%Имя%"
_STEP = 500
_AHEAD = 5000  # deliveries of a mailing that wait at once: so many are fetched when half of them are gone
_EVENLY_AHEAD = 60.0  # seconds for which deliveries are made ahead, where they are spread over a time
_IDLE = 1.0


def letter(mailing: Mailing, files: Sequence[File]) -> Letter:
    """The message of a mailing, its merge fields not filled."""
    html, text, subject = (
        each.replace(FIRST_NAME_IN_RUSSIAN, "[FirstName]") for each in (mailing.html, mailing.text, mailing.subject)
    )
    campaign = (("X-Relay-Campaign", mailing.campaign),) if mailing.campaign else ()
    return Letter(
        sender=composing.mailbox(mailing.sender, mailing.sender_name),
        recipient=f"[{merging.RECIPIENT}]",
        subject=subject,
        html=html,
        text=text,
        files=files,
        headers=(("X-Relay-Class", MessageClass.MARKETING.value), *campaign),
    )


def to_many(credential: Credential) -> Credential:
    """A login while it sends a mailing: each recipient gets his own link to leave by."""
    adds = ListUnsubscribe.ADD if credential.list_unsubscribe is ListUnsubscribe.OFF else credential.list_unsubscribe
    return replace(credential, list_unsubscribe=adds, macros=Macros.OPTIONAL)


class Campaigns:
    """One of all nodes runs it. `lifetime` are the seconds for which a delivery is tried; a `playpen` gets all mail."""

    def __init__(
        self,
        *,
        tasks: Tasks,
        desk: Desk,
        credentials: Credentials,
        intake: Intake,
        clock: Clock,
        wake: Callable[[], None],
        lifetime: float,
        playpen: str = "",
    ) -> None:
        self._tasks = tasks
        self._desk = desk
        self._credentials = credentials
        self._intake = intake
        self._clock = clock
        self._wake = wake
        self._lifetime = lifetime
        self._playpen = playpen
        self._messages: dict[int, Message] = {}
        self._waits: dict[int, str] = {}  # why some cannot begin yet

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.once()
            except StoreUnavailable as error:
                journal.trouble("mailings cannot go on", error)
            await asyncio.sleep(_IDLE)

    async def once(self) -> None:
        """The next step of each, which no trouble of another keeps from its own. Raises StoreUnavailable."""
        at_work = await self._tasks.at_work(now=self._clock())
        for task in at_work:
            try:
                await _STEPS[task.state](self, task)
            except StoreUnavailable:
                raise
            except Exception:
                journal.bug(f"the mailing {task.id} cannot go on")
        ids = {task.id for task in at_work}
        self._messages = {id: each for id, each in self._messages.items() if id in ids}
        self._waits = {id: why for id, why in self._waits.items() if id in ids}

    async def begin(self, task: Task) -> None:
        """Judges its message as any other, and stores that. What cannot be sent has failed; what cannot be now, later."""
        whole = await self._tasks.get(task.id)
        if whole is None:
            return
        try:
            message = await self._accepted(whole)
        except RefusedForGood as refusal:
            await self._fail(task, f"{refusal.subject} {refusal.reason}".strip() or type(refusal).__name__)
            return
        except RefusedForNow as error:
            self._wait(task, error)
            return
        await self._tasks.reach(task.id, now=self._clock())  # groups may have grown since it was released
        if await self._tasks.begin(task.id, message.id):
            journal.task(id=task.id, credential=task.credential, state=TaskState.STARTED)

    async def expand(self, task: Task) -> None:
        """Fetches the next of its audience, as long as few of it wait; it has finished when none are left and none wait."""
        waiting = await self._tasks.open(task.id)
        if task.is_whole:
            if not waiting and await self._tasks.move(task.id, [TaskState.STARTED], TaskState.FINISHED, at=self._clock()):
                journal.task(id=task.id, credential=task.credential, state=TaskState.FINISHED)
            return
        wanted = self._wanted(task, waiting)
        while wanted > 0 and not task.is_whole:
            step = await self._step(task, min(wanted, _STEP))
            if step.task is None:
                return
            wanted -= len(step.made)
            task = step.task

    async def clear_away(self, task: Task) -> None:
        """What it had waiting is cancelled."""
        if task.message_id:
            moved = self._desk.move(Cause.CANCELLED, Selection(task=task.id), now=self._clock())
            async for _ in moved:
                pass
            if await self._tasks.open(task.id):
                return
        await self._tasks.end(task.id, at=self._clock())

    async def _step(self, task: Task, count: int) -> Step:
        """None is made where there is no room."""
        message = await self._message(task)
        if message is None:
            await self._fail(task, "its message is gone")
            return Step((), None)
        with suppress(DoorClosed), self._intake.admission.taking(count, 0):
            step = await self._tasks.expand(task, message, count=count, pace=self._pace(task))
            self._wake()
            return step
        return Step((), None)

    def _wanted(self, task: Task, waiting: int) -> int:
        """How many may be made now."""
        if waiting > _AHEAD / 2:
            return 0
        room = _AHEAD - waiting
        pace = self._pace(task)
        if not pace.every:
            return room
        return min(room, int((self._clock() + _EVENLY_AHEAD - pace.start_at) / pace.every) + 1 - task.made)

    def _pace(self, task: Task) -> Pace:
        """Evenly from when it begins to its last time, if it has one; what is left then goes at once."""
        mailing, now, every = task.mailing, self._clock(), 0.0
        start_at = max(mailing.start_at, ids.moment(task.message_id))
        if mailing.end_at > max(start_at, now):
            every = (mailing.end_at - start_at) / max(1, task.reach.recipients)
        return Pace(now=now, lifetime=self._lifetime, start_at=start_at, every=every, playpen=self._playpen)

    async def _message(self, task: Task) -> Message | None:
        if task.id not in self._messages and (found := await self._tasks.message(task.message_id)):
            self._messages[task.id] = found
        return self._messages.get(task.id)

    async def _accepted(self, task: Task) -> Message:
        """Raises a refusal."""
        credential = await self._credentials.get(task.credential)
        if credential is None or credential.disabled or Scope.TASKS not in credential.scopes:
            raise Malformed("its login may not send mailings any more")
        merged = STANDARD_FIELDS | await self._tasks.fields(task.id) | {merging.RECIPIENT}
        envelope = self._intake.by_http(to_many(credential), sender=task.mailing.sender, peer="task")
        made = composing.composed(letter(task.mailing, await self._tasks.files(task.id)))
        return await self._intake.accept_pieces(replace(envelope, merged=merged, task=task.id), made, composed=True)

    def _wait(self, task: Task, error: RefusedForNow) -> None:
        """Said once, not with each look."""
        if self._waits.get(task.id) != str(error):
            journal.trouble(f"task {task.id} cannot begin yet", error)
        self._waits[task.id] = str(error)

    async def _fail(self, task: Task, why: str) -> None:
        if await self._tasks.move(task.id, [task.state], TaskState.FAILED, at=self._clock(), reason=why):
            journal.task(id=task.id, credential=task.credential, state=TaskState.FAILED, reason=why)


_STEPS = {
    TaskState.CREATED: Campaigns.begin,
    TaskState.STARTED: Campaigns.expand,
    TaskState.CANCELED: Campaigns.clear_away,
    TaskState.DELETED: Campaigns.clear_away,
}
