"""/mailings: how far they have come, and all that one does with them from the first draft to the last figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from relay.credential import Credential, Scope
from relay.mailing import AT_WORK, Audience, Mailing, Task, TaskState, may_move
from relay.mailing_rules import EMPTY, MailingRules, way
from relay.model import File
from relay.operators import OperatorRole
from relay.ports.clock import Clock
from relay.ports.contacts import Contacts
from relay.ports.logins import Credentials
from relay.ports.tasks import Progress, Tasks
from relay.ports.templates import Templates
from relay.web.console import unchanged
from relay.web.console.audience_counts import AudienceCounts
from relay.web.console.chores import Chores
from relay.web.console.known_logins import KnownLogins
from relay.web.console.mailing_forms import mailing_of, minute, numbers_of, objecting, typed
from relay.web.console.mailing_report import report
from relay.web.console.visits import Go, NotThere, Objection, Page, Routes, Said, Visit, act, look, whole_number

_LISTED = 50
_NEWEST = 2**62
# What they are called, and how that looks.
STATES = {
    TaskState.NEW: ("draft", ""),
    TaskState.CREATED: ("scheduled", "warn"),
    TaskState.STARTED: ("running", "good"),
    TaskState.STOPPED: ("on pause", "warn"),
    TaskState.CANCELED: ("cancelled", "off"),
    TaskState.FINISHED: ("finished", "good"),
    TaskState.FAILED: ("failed", "bad"),
}


class Row(NamedTuple):
    """One in the list: how many of its deliveries are over, and of how many."""

    task: Task
    progress: Progress
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What mailings are made of."""

    tasks: Tasks
    contacts: Contacts
    templates: Templates
    credentials: Credentials


class MailingPages:
    """Its routes."""

    def __init__(self, *, stores: Stores, logins: KnownLogins, rules: MailingRules, chores: Chores, clock: Clock) -> None:
        self._stores = stores
        self._logins = logins
        self._tasks = stores.tasks
        self._rules = rules
        self._clock = clock
        self._counts = AudienceCounts(tasks=stores.tasks, chores=chores, clock=clock)

    def routes(self) -> Routes:
        operator, one = OperatorRole.OPERATOR, "/mailings/{id}"
        return (
            look("/mailings", self._list),
            look("/mailings/new", self._new, operator),
            act("/mailings", self._add, operator, "mailing added"),
            look(one, self._show),
            look(f"{one}/change", self._edit, operator),
            act(f"{one}/change", self._change, operator, "mailing changed"),
            act(f"{one}/count", self._count, operator, "audience counted"),
            act(f"{one}/start", self._release, operator, "mailing released"),
            act(f"{one}/pause", partial(self._move, TaskState.STOPPED), operator, "mailing paused"),
            act(f"{one}/resume", partial(self._move, TaskState.STARTED), operator, "mailing resumed"),
            act(f"{one}/cancel", partial(self._move, TaskState.CANCELED), operator, "mailing cancelled"),
            act(f"{one}/delete", partial(self._move, TaskState.DELETED), operator, "mailing deleted"),
        )

    async def _list(self, visit: Visit) -> Page:
        before = whole_number(visit.query.get("before", ""), least=1, otherwise=_NEWEST)
        login = visit.query.get("login", "")
        found = await self._tasks.newest(before=before, count=_LISTED + 1, credential=login)
        seen = await self._tasks.progress([task.id for task in found[:_LISTED]])
        rows = [Row(task, seen[task.id], *way(task, seen[task.id])) for task in found[:_LISTED]]
        facts: dict[str, Any] = {
            "rows": rows,
            "states": STATES,
            "older": found[_LISTED - 1].id if len(found) > _LISTED else 0,
            "login": login,
            "logins": [each.name for each in await self._logins.all() if _may_send(each)],
        }
        return Page(template="mailings", facts=facts)

    async def _new(self, visit: Visit) -> Page:
        login = await self.login_of(visit.query.get("login", ""))
        return await self._form(login, None, {"mailing": EMPTY, "audience": Audience(), "start_at": "", "end_at": ""})

    async def _add(self, visit: Visit) -> Page | Go:
        login = await self.login_of(visit.asked("login"))
        try:
            mailing, audience = await self._read(visit, login, EMPTY)
        except Objection as objection:
            return await self._form(login, None, typed(visit), objection)
        task_id = await self._tasks.add(login.name, mailing, audience, at=self._clock())
        self._counts.begin(task_id)
        said = Said("{name} is there, and nothing is sent before you release it.", {"name": mailing.name})
        return Go(path=f"/mailings/{task_id}?watch=on", said=said, subject=str(task_id))

    async def _show(self, visit: Visit) -> Page:
        counting = self._counts.is_under_way(whole_number(visit.path("id")))
        task = await self.task_of(visit)
        progress = (await self._tasks.progress([task.id]))[task.id]
        done, total = way(task, progress)
        is_at_work = counting or (task.state in AT_WORK and not task.ended_at)
        facts: dict[str, Any] = {
            "task": task,
            "state": STATES[task.state],
            "may": {state.value: may_move(task.state, state) for state in TaskState},
            "progress": progress,
            "done": done,
            "total": total,
            "report": report(progress.figures),
            "groups": await self._groups_of(task),
            "files": await self._tasks.file_names(task.id),
            "counting": counting,
            "is_busy": is_at_work,
            "watches": is_at_work and visit.query.get("watch") == "on",
            "now": visit.now,
        }
        return Page(template="mailing", facts=facts)

    async def _edit(self, visit: Visit) -> Page:
        task = await self._draft_of(visit)
        fields: dict[str, Any] = {
            "mailing": task.mailing,
            "audience": await self._tasks.audience(task.id),
            "start_at": minute(task.mailing.start_at),
            "end_at": minute(task.mailing.end_at),
        }
        return await self._form(await self.login_of(task.credential), task, fields)

    async def _form(
        self, login: Credential, task: Task | None, fields: Mapping[str, Any], objection: Objection | None = None
    ) -> Page:
        facts = {
            "task": task,
            "seen": unchanged.mark_of(await self._draft(task)) if task else "",
            "template": "",
            **fields,
            "objection": objection.said if objection else None,
            "login": login.name,
            "templates": await self._stores.templates.names(login.name),
            "groups": await self._stores.contacts.group_names(login.name),
            "senders": [each for each in login.senders if not each.startswith("@")],
        }
        return Page(template="mailing_form", facts=facts, status=400 if objection else 200)

    async def _read(
        self, visit: Visit, login: Credential, before: Mailing, files: Sequence[File] = ()
    ) -> tuple[Mailing, Audience]:
        """What the form says. Raises Objection. `files` are there already."""
        with objecting(visit):
            if before is EMPTY or visit.asked("template"):
                before = await self._rules.from_template(login, visit.asked("template"), before)
            mailing = mailing_of(visit, before)
            await self._rules.check(login, mailing, files=files, peer=visit.request.remote or "")
            return mailing, await self._audience(visit, login)

    async def _change(self, visit: Visit) -> Page | Go:
        task = await self._draft_of(visit)
        login = await self.login_of(task.credential)
        try:
            unchanged.check(visit.form, await self._draft(task), name=task.mailing.name)
            mailing, audience = await self._read(visit, login, task.mailing, await self._tasks.files(task.id))
        except Objection as objection:
            return await self._form(login, task, typed(visit), objection)
        if not await self._tasks.change(task.id, mailing, audience):
            raise Objection("Only a draft can be changed.")
        self._counts.begin(task.id)
        return Go(path=f"/mailings/{task.id}?watch=on", said=Said("It is changed."))

    async def _draft(self, task: Task) -> Mapping[str, str]:
        """All that its form may change."""
        return {"mailing": repr(task.mailing), "audience": repr(await self._tasks.audience(task.id))}

    async def _count(self, visit: Visit) -> Go:
        task = await self.task_of(visit)
        self._counts.begin(task.id)
        return Go(path=f"/mailings/{task.id}?watch=on")

    async def _release(self, visit: Visit) -> Go:
        task = await self.task_of(visit)
        login = await self.login_of(task.credential)
        with objecting(visit):
            await self._rules.release(login, task, peer=visit.request.remote or "")
        return Go(path=f"/mailings/{task.id}?watch=on", detail=task.mailing.name)

    async def _move(self, to: TaskState, visit: Visit) -> Go:
        task = await self.task_of(visit)
        with objecting(visit):
            await self._rules.move(task, to)
        if to is TaskState.DELETED:
            return Go(path="/mailings", said=Said("{name} is deleted.", {"name": task.mailing.name}))
        return Go(path=f"/mailings/{task.id}?watch=on", detail=task.mailing.name)

    async def task_of(self, visit: Visit) -> Task:
        """Raises NotThere."""
        task = await self._tasks.get(whole_number(visit.path("id")))
        if task is None or task.state is TaskState.DELETED:
            raise NotThere
        return task

    async def _draft_of(self, visit: Visit) -> Task:
        """Raises NotThere, or Objection."""
        task = await self.task_of(visit)
        if task.state is not TaskState.NEW:
            raise Objection("Only a draft can be changed.")
        return task

    async def login_of(self, name: str) -> Credential:
        """Raises Objection for one that may not send mailings."""
        found = await self._stores.credentials.get(name)
        if found is None or not _may_send(found):
            raise Objection("The login {name} may not send mailings.", name=name)
        return found

    async def _audience(self, visit: Visit, login: Credential) -> Audience:
        return await self._rules.audience(login, numbers_of(visit, "included"), numbers_of(visit, "excluded"))

    async def _groups_of(self, task: Task) -> Sequence[tuple[str, bool]]:
        """Their names, and whether mail goes to them; a group that is gone has none."""
        audience = await self._tasks.audience(task.id)
        names = await self._stores.contacts.group_names(task.credential)
        groups = [(id, True) for id in audience.groups] + [(id, False) for id in audience.excluded_groups]
        return [(names.get(id, str(id)), is_included) for id, is_included in groups]


def _may_send(login: Credential) -> bool:
    return Scope.TASKS in login.scopes and not login.disabled
