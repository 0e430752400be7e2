"""/ContactsImport: many contacts at once, how far they are, and those that are there twice."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from relay.contact import Contact
from relay.ports.clock import Chance, Clock
from relay.ports.contacts import Contacts, Duplicates, DuplicatesIn
from relay.web.api.calls import Answer, Call, Operation
from relay.web.api.codes import FOUND, WRONG, Code, Fault, Text
from relay.web.api.contact_fields import ContactFields, Unfit, ValidationCode, filled, view
from relay.web.api.contact_groups import NO_GROUP, operation
from relay.web.api.import_models import (
    MOST_IMPORTED,
    DuplicatesField,
    DuplicatesFound,
    DuplicatesWanted,
    Imported,
    ImportProgress,
    NewImport,
    RejectedContact,
)
from relay.web.api.models import read
from relay.web.api.wire import Branch

_AT_ONCE = 200
_IMPORTED = Text("contacts imported", "контакты загружены")
_NO_IMPORT = Text("there is no such import", "такой загрузки нет")
_CHECKED = Text("duplicates deleted", "дубликаты удалены")


class _Checked(NamedTuple):
    valid: list[Contact]
    rejected: list[RejectedContact]


class ImportsResource:
    """Its operations."""

    def __init__(self, *, contacts: Contacts, clock: Clock, chance: Chance) -> None:
        self._contacts = contacts
        self._clock = clock
        self._chance = chance

    def operations(self) -> Sequence[Operation]:
        one = "/ContactsImport/{ImportId}"
        return (
            operation("POST", "/ContactsImport", self.post, "Import contacts", body=NewImport, result=Imported, status=201),
            operation("GET", f"{one}/Progress", self.progress, "Show how far an import is", result=ImportProgress),
            operation(
                "DELETE", f"{one}/Duplicates", self.remove_duplicates, "Delete what an import has brought twice",
                body=DuplicatesWanted, result=DuplicatesFound,
            ),
        )  # fmt: skip

    async def post(self, call: Call) -> Answer:
        new: NewImport = call.body
        await self._check_groups(call, [new.contact_group_id])
        checked = await _checked(new.contacts, new.contact_group_id)
        import_id = new.import_id or str(uuid.UUID(bytes=self._chance(16), version=4))
        is_taken = await self._contacts.take(
            call.credential.name, new.contact_group_id, import_id, checked.valid, uploaded=len(new.contacts), at=self._clock()
        )
        if not is_taken:
            await self._check_groups(call, [new.contact_group_id])  # it may be gone by now
            raise Fault(Code.INVALID_VALUE, WRONG, field="ImportId", why="is an import of another group")
        return Answer(result=_imported(import_id, checked), status=201, description=_IMPORTED)

    async def progress(self, call: Call) -> Answer:
        found = await self._contacts.progress(call.credential.name, _id_of(call))
        if found is None:
            raise Fault(Code.NOT_FOUND, _NO_IMPORT)
        return Answer(result=ImportProgress(uploaded=found.uploaded, processed=found.processed), description=FOUND)

    async def remove_duplicates(self, call: Call) -> Answer:
        wanted, import_id = call.body, _id_of(call)
        if wanted.import_id not in ("", import_id):
            raise Fault(Code.INVALID_VALUE, WRONG, field="ImportId", why="is not that of the path")
        await self._check_groups(call, [wanted.contact_group_id, *wanted.groups])
        found = await self._contacts.remove_duplicates(
            call.credential.name,
            wanted.contact_group_id,
            import_id,
            by_phone=wanted.field is DuplicatesField.PHONE_NUMBER,
            where=DuplicatesIn(wanted.scope.value if wanted.field is not DuplicatesField.NO else 0),
            groups=wanted.groups,
        )
        if found is None:
            raise Fault(Code.NOT_FOUND, _NO_IMPORT)
        return Answer(result=_found(found), description=_CHECKED)

    async def _check_groups(self, call: Call, groups: Sequence[int]) -> None:
        """Raises Fault."""
        known = await self._contacts.known(call.credential.name, groups)
        for id in groups:
            if id not in known:
                raise Fault(Code.NOT_FOUND, NO_GROUP, id=id)


def _id_of(call: Call) -> str:
    """Raises Fault."""
    try:
        return str(uuid.UUID(call.path["ImportId"].strip()))
    except ValueError:
        raise Fault(Code.NOT_FOUND, _NO_IMPORT) from None


async def _checked(given: Sequence[Any], group_id: int) -> _Checked:
    """Lets others have their turn."""
    checked = _Checked([], [])
    for index, raw in enumerate(given):
        if index % _AT_ONCE == 0:
            await asyncio.sleep(0)
        try:
            checked.valid.append(filled(read(ContactFields, raw), Contact(group_id=group_id)))
        except Unfit as error:
            checked.rejected.append(_rejected(_as_given(raw), error.validation, str(error)))
        except Fault as error:
            checked.rejected.append(_rejected(_as_given(raw), ValidationCode.INVALID_FIELD, str(error)))
    return checked


def _rejected(contact: Any, code: ValidationCode, why: str, times: int = 0) -> RejectedContact:
    return RejectedContact(contact=contact, error_code=code.value, error_description=why, duplicates_count=times)


def _as_given(raw: Any, *, is_contact: bool = True) -> Any:
    if not isinstance(raw, Branch):
        return raw
    parts = raw.as_object() if is_contact else raw.as_pairs()
    return {name: _as_given(value, is_contact=False) for name, value in parts.items()}


def _imported(import_id: str, checked: _Checked) -> Imported:
    def named(code: ValidationCode, *names: str) -> list[str]:
        return [_value(each.contact, names) for each in checked.rejected if each.error_code == code]

    return Imported(
        import_id=import_id,
        valid_contacts=len(checked.valid),
        rejected_contacts=checked.rejected,
        invalid_phone_numbers=named(ValidationCode.INVALID_PHONE, "phonenumber", "phone"),
        invalid_emails=named(ValidationCode.INVALID_EMAIL, "email"),
    )


def _found(found: Duplicates) -> DuplicatesFound:
    twice = [
        _rejected(view(contact), ValidationCode.DUPLICATE, "is there twice", times)
        for contact, times in found.in_import[:MOST_IMPORTED]
    ]
    return DuplicatesFound(in_current_group=found.in_group, in_other_groups=found.in_other_groups, in_current_import=twice)


def _value(contact: Any, names: Sequence[str]) -> str:
    return next((str(value) for name, value in contact.items() if name.lower() in names), "")
