"""/ContactGroups: the lists that contacts are in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from relay.contact import ContactGroup
from relay.credential import Scope
from relay.ports.clock import Clock
from relay.ports.contacts import Contacts
from relay.web.api.calls import Answer, Call, Operation
from relay.web.api.codes import FOUND, FOUND_THEM, MISSING, Code, Fault, Text
from relay.web.api.models import Moment, Needed, Wire

NO_GROUP = Text("there is no group {id}", "группы {id} нет")
_ADDED = Text("new contact group added", "группа контактов добавлена")
_CHANGED = Text("contact group changed", "группа контактов изменена")
_REMOVED = Text("contact group deleted", "группа контактов удалена")


class GroupFields(Wire):
    """What a group is called, and what for it is."""

    name: Annotated[Needed, Field(max_length=255)]
    description: Annotated[str, Field(max_length=2000)] | None = None


class GroupView(Wire):
    """A group and how many contacts it has."""

    contact_group_id: int
    name: str
    description: str
    created_date: Moment
    contacts_count: int


def operation(method: str, path: str, does: Any, summary: str, **more: Any) -> Operation:
    """One of the address book."""
    return Operation(group="Address book", method=method, path=path, does=does, scope=Scope.CONTACTS, summary=summary, **more)


def number(text: str) -> int:
    """What a path names by a number; 0 for what can be none."""
    return int(text) if text.isdecimal() and len(text) < 16 else 0


class GroupsResource:
    """Its operations."""

    def __init__(self, *, contacts: Contacts, clock: Clock) -> None:
        self._contacts = contacts
        self._clock = clock

    def operations(self) -> Sequence[Operation]:
        one = "/ContactGroups/{ContactGroupId}"
        return (
            operation("GET", "/ContactGroups", self.list, "List contact groups", result=list[GroupView]),
            operation("POST", "/ContactGroups", self.post, "Add a group", body=GroupFields, result=int, status=201),
            operation("GET", one, self.get, "Show a group", result=GroupView),
            operation("PUT", one, self.put, "Rename a group", body=GroupFields),
            operation("DELETE", one, self.delete, "Delete a group with all of its contacts"),
        )

    async def list(self, call: Call) -> Answer:
        found = await self._contacts.groups(call.credential.name)
        return Answer(result=[_view(group) for group in found], description=FOUND_THEM)

    async def post(self, call: Call) -> Answer:
        name, description = _said(call.body)
        id = await self._contacts.add_group(call.credential.name, name=name, description=description, at=self._clock())
        return Answer(result=id, status=201, description=_ADDED)

    async def get(self, call: Call) -> Answer:
        found = await self._contacts.group(call.credential.name, number(call.path["ContactGroupId"]))
        if found is None:
            raise _none(call)
        return Answer(result=_view(found), description=FOUND)

    async def put(self, call: Call) -> Answer:
        id, (name, description) = number(call.path["ContactGroupId"]), _said(call.body)
        if not await self._contacts.change_group(call.credential.name, id, name=name, description=description):
            raise _none(call)
        return Answer(description=_CHANGED)

    async def delete(self, call: Call) -> Answer:
        if not await self._contacts.remove_group(call.credential.name, number(call.path["ContactGroupId"])):
            raise _none(call)
        return Answer(description=_REMOVED)


def _none(call: Call) -> Fault:
    return Fault(Code.NOT_FOUND, NO_GROUP, id=call.path["ContactGroupId"])


def _said(fields: GroupFields) -> tuple[str, str]:
    """Name and description. Raises Fault."""
    if not fields.name.strip():
        raise Fault(Code.EMPTY_VALUE, MISSING, field="Name")
    return fields.name.strip(), (fields.description or "").strip()


def _view(group: ContactGroup) -> GroupView:
    return GroupView(
        contact_group_id=group.id,
        name=group.name,
        description=group.description,
        created_date=group.created_at,
        contacts_count=group.size,
    )
