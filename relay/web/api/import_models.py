"""What is said of imports of contacts, and what is shown of them."""

from __future__ import annotations

import uuid
from enum import IntEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WrapValidator
from pydantic_core import PydanticCustomError

from relay.web.api.contact_fields import ContactFields, Number
from relay.web.api.models import Wire, named

MOST_IMPORTED = 10_000


class DuplicatesField(IntEnum):
    """By what two contacts are the same."""

    NO = 0
    PHONE_NUMBER = 1
    EMAIL = 2


class DuplicatesScope(IntEnum):
    """Where the other one is looked for: within the import, in the groups, or in both."""

    NO = 0
    IMPORT = 1
    GROUPS = 2
    IMPORT_GROUPS = 3


def _guid(value: Any) -> Any:
    """In the one form that we write. What .NET has where nothing was said is nothing."""
    if not value:
        return ""
    try:
        found = uuid.UUID(str(value).strip())
    except ValueError:
        raise PydanticCustomError("invalid_value", "is no GUID") from None
    return str(found) if found.int else ""


def _later(value: Any, _: Any) -> Any:
    return value


def _flags(value: Any) -> Any:
    """Several names with commas, as .NET writes them."""
    return value.replace(",", "").replace(" ", "") if isinstance(value, str) else value


Guid = Annotated[str, BeforeValidator(_guid), Field(json_schema_extra={"format": "uuid"})]
Later = Annotated[ContactFields, WrapValidator(_later)]
"""A contact that is not looked at before its turn: one that is wrong is no reason to refuse the others, and all at once would
hold everybody else up."""


class NewImport(Wire):
    """Contacts for a group; more of an import under its ImportId. ConvertDirectPhones and FillGender change nothing."""

    contact_group_id: Number
    import_id: Guid = ""
    convert_direct_phones: bool | None = None
    fill_gender: bool | None = None
    contacts: Annotated[list[Later], Field(min_length=1, max_length=MOST_IMPORTED)]


class RejectedContact(Wire):
    """A contact as it was given, and what is wrong with it by its number: 1 Duplicate, 2 NoPhoneNoEmail, 3 InvalidPhone,
    4 InvalidEmail, 5 InvalidField.
    """

    contact: Any
    error_code: int
    error_description: str
    duplicates_count: int = 0


class Imported(Wire):
    """How many of the contacts are stored, and each of the others."""

    import_id: str
    valid_contacts: int
    rejected_contacts: list[RejectedContact]
    invalid_phone_numbers: list[str]
    invalid_emails: list[str]


class ImportProgress(Wire):
    """Contacts that came, and contacts that are stored or rejected."""

    uploaded: int
    processed: int


class DuplicatesWanted(Wire):
    """Which contacts of an import are deleted: those that the group had, that one of the other Groups has, or that the import
    had before.
    """

    contact_group_id: Number
    import_id: Guid = ""
    field: named(DuplicatesField) = DuplicatesField.NO  # type: ignore[valid-type]
    scope: Annotated[named(DuplicatesScope), BeforeValidator(_flags)] = DuplicatesScope.NO  # type: ignore[valid-type]
    groups: Annotated[list[Number], Field(max_length=1000)] = []


class DuplicatesFound(Wire):
    """How many were deleted because the group, or else another one, has them; and the first 10,000 of those that the import had
    before.
    """

    in_current_group: int
    in_other_groups: int
    in_current_import: list[RejectedContact]
