"""The address book: /Contacts, and with it the groups and imports of contacts, and /Unsubscribed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from relay.contact import Contact
from relay.mailing import Task, TaskState
from relay.ports.clock import Chance, Clock
from relay.ports.contacts import Contacts
from relay.ports.tasks import Tasks
from relay.suppression import Suppression
from relay.web.api.calls import Answer, Call, Operation, listed
from relay.web.api.codes import FOUND, FOUND_THEM, MISSING, NO_TASK, NOT_YOURS, WRONG, Code, Fault, Text
from relay.web.api.contact_fields import MOST_ID, ContactFields, Number, filled, view
from relay.web.api.contact_groups import NO_GROUP, GroupsResource, number, operation
from relay.web.api.contacts_import import ImportsResource
from relay.web.api.models import Moment, Wire

_NO_CONTACT = Text("there is no such contact", "такого контакта нет")
_ADDED = Text("new contact added", "контакт добавлен")
_CHANGED = Text("contact changed", "контакт изменён")
_REMOVED = Text("contact deleted", "контакт удалён")
_STAYS = Text("a contact stays in its group", "контакт не переносится из группы в группу")


class ContactsQuery(Wire):
    """A whole mail address or phone; or a group, for all of its contacts."""

    query: str = ""
    contact_group_id: Number = 0


class UnsubscribedQuery(Wire):
    """A task, for those alone who got its message."""

    task_id: Annotated[int, Field(ge=0, le=MOST_ID)] = 0


class UnsubscribedView(Wire):
    """Somebody who gets no more mailings. Reason says how he has unsubscribed."""

    email: str
    date_time: Moment
    reason: str
    task_id: int | None


class ContactsResource:
    """The operations of the whole address book."""

    def __init__(self, *, contacts: Contacts, tasks: Tasks, clock: Clock, chance: Chance) -> None:
        self._contacts = contacts
        self._tasks = tasks
        self._clock = clock
        self._groups = GroupsResource(contacts=contacts, clock=clock)
        self._imports = ImportsResource(contacts=contacts, clock=clock, chance=chance)

    def operations(self) -> Sequence[Operation]:
        one, many = "/Contacts/{ContactId}", {"is_list": True, "needs_range": True}
        return (
            *self._groups.operations(),
            *self._imports.operations(),
            operation(
                "GET", "/Contacts", self.list, "Find contacts, or list those of a group",
                query=ContactsQuery, result=list[ContactFields], **many,
            ),
            operation("POST", "/Contacts", self.post, "Add a contact", body=ContactFields, result=int, status=201),
            operation("GET", one, self.get, "Show a contact", result=ContactFields),
            operation("PATCH", one, self.patch, "Change some fields of a contact", body=ContactFields),
            operation("DELETE", one, self.delete, "Delete a contact"),
            operation(
                "GET", "/Unsubscribed", self.unsubscribed, "List who has unsubscribed",
                query=UnsubscribedQuery, result=list[UnsubscribedView], **many,
            ),
        )  # fmt: skip

    async def list(self, call: Call) -> Answer:
        query: ContactsQuery = call.query
        owner, text, group_id = call.credential.name, query.query.strip(), query.contact_group_id
        if not text and not group_id:
            raise Fault(Code.EMPTY_VALUE, MISSING, field="Query")
        if text and group_id:
            raise Fault(Code.INVALID_VALUE, WRONG, field="ContactGroupId", why="or Query, and not both")
        page = {"skipped": call.range.skipped, "count": call.range.count}
        if text:
            found, total = await self._contacts.find(owner, text, **page)
        elif await self._contacts.group(owner, group_id):
            found, total = await self._contacts.of_group(owner, group_id, **page)
        else:
            raise Fault(Code.NOT_FOUND, NO_GROUP, id=group_id)
        return listed([view(contact) for contact in found], total, call.range, FOUND_THEM)

    async def post(self, call: Call) -> Answer:
        group_id = call.body.contact_group_id
        if not group_id:
            raise Fault(Code.EMPTY_VALUE, MISSING, field="ContactGroupId")
        id = await self._contacts.add(call.credential.name, filled(call.body, Contact(group_id=group_id)))
        if not id:
            raise Fault(Code.NOT_FOUND, NO_GROUP, id=group_id)
        return Answer(result=id, status=201, description=_ADDED)

    async def get(self, call: Call) -> Answer:
        return Answer(result=view(await self._of(call)), description=FOUND)

    async def patch(self, call: Call) -> Answer:
        """Once more where somebody else has changed it meanwhile: what he has changed stays changed."""
        is_changed = False
        while not is_changed:
            was = await self._of(call)
            if call.body.contact_group_id not in (None, 0, was.group_id):
                raise Fault(Code.NOT_AVAILABLE, _STAYS)
            is_changed = await self._contacts.change(call.credential.name, filled(call.body, was), was=was)
        return Answer(description=_CHANGED)

    async def delete(self, call: Call) -> Answer:
        if not await self._contacts.remove(call.credential.name, number(call.path["ContactId"])):
            raise Fault(Code.NOT_FOUND, _NO_CONTACT)
        return Answer(description=_REMOVED)

    async def unsubscribed(self, call: Call) -> Answer:
        """How many of a task there are is not counted."""
        owner, now, task_id = call.credential.name, self._clock(), call.query.task_id
        if not task_id:
            found, total = await self._contacts.unsubscribed(owner, now=now, skipped=call.range.skipped, count=call.range.count)
            return listed([_left(each) for each in found], total, call.range, FOUND_THEM)
        task = await self._task(call, task_id)
        found = await self._contacts.unsubscribed_of(task.message_id, now=now, last=call.range.last)
        shown = [_left(each, task_id) for each in found[call.range.skipped :]]
        return Answer(result=shown, total=-1, status=206, description=FOUND_THEM)

    async def _of(self, call: Call) -> Contact:
        """Raises Fault."""
        found = await self._contacts.get(call.credential.name, number(call.path["ContactId"]))
        if found is None:
            raise Fault(Code.NOT_FOUND, _NO_CONTACT)
        return found

    async def _task(self, call: Call, task_id: int) -> Task:
        """Raises Fault."""
        task = await self._tasks.get(task_id)
        if task is None or task.state is TaskState.DELETED:
            raise Fault(Code.NOT_FOUND, NO_TASK)
        if task.credential != call.credential.name:
            raise Fault(Code.ACCESS_DENIED, NOT_YOURS, what=f"task {task_id}")
        return task


def _left(entry: Suppression, task_id: int | None = None) -> UnsubscribedView:
    return UnsubscribedView(email=entry.address, date_time=entry.created_at, reason=entry.source, task_id=task_id)
