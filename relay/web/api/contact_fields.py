"""A contact as clients write and read it, and what is wrong with one."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer
from pydantic_core import PydanticCustomError

from relay import address
from relay.contact import Contact, ContactDetails
from relay.errors import NotAscii
from relay.web.api.codes import MISSING, WRONG, Code, Fault
from relay.web.api.models import TextOrNumber, Wire, also, shown
from relay.writing import macros
from relay.writing.merging import NAME

LONGEST_NAME = 100
LONGEST_VALUE = 700
MOST_MERGE_FIELDS = 100
MOST_ID = 2**53  # beyond that a number is not the same for all who read JSON
_PHONE = re.compile(r"\+?([0-9]{8,15})")
_SERVICE_STACK = re.compile(r"/Date\((-?\d{1,14})(?:([+-])(\d\d)(\d\d))?\)/")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OURS = frozenset((macros.UNSUBSCRIBE, macros.UNSUBSCRIBE_TOKEN, macros.WEB_VERSION))
_UNKNOWN = 3
_GENDERS = {"1": 1, "male": 1, "m": 1, "2": 2, "female": 2, "f": 2}


class ValidationCode(IntEnum):
    """What is wrong with a contact, as imports tell it."""

    OK = 0
    DUPLICATE = 1
    NO_PHONE_NO_EMAIL = 2
    INVALID_PHONE = 3
    INVALID_EMAIL = 4
    INVALID_FIELD = 5


class Unfit(Fault):
    """A contact that cannot be stored."""

    def __init__(self, validation: ValidationCode, field: str, why: str) -> None:
        code = Code.INVALID_EMAIL if validation is ValidationCode.INVALID_EMAIL else Code.INVALID_VALUE
        if validation is ValidationCode.NO_PHONE_NO_EMAIL:
            super().__init__(Code.EMPTY_VALUE, MISSING, field=field)
        else:
            super().__init__(code, WRONG, field=field, why=why)
        self.validation = validation


def _gender(value: Any) -> Any:
    """Whatever else is said is unknown."""
    return None if value is None else _GENDERS.get(str(value).strip().lower(), _UNKNOWN)


def _born(value: Any) -> Any:
    """The day as it was written, wherever that was. The first day of all is how .NET writes that there is none."""
    if value is None or value == "":
        return value
    with suppress(ValueError, OverflowError):
        day = _day(value)
        return "" if day == date.min else day.isoformat()
    raise PydanticCustomError("invalid_value", "is no date: 1980-08-31 is one")


def _day(value: Any) -> date:
    """Raises ValueError or OverflowError."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (_EPOCH + timedelta(seconds=value)).date()
    text = str(value).strip()
    if match := _SERVICE_STACK.fullmatch(text):
        zone = timedelta(hours=int(match[3] or 0), minutes=int(match[4] or 0))
        there = timedelta(milliseconds=int(match[1])) + (-zone if match[2] == "-" else zone)
        return (_EPOCH + there).date()
    for form in ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y"):
        with suppress(ValueError):
            return datetime.strptime(text, form).date()
    return datetime.fromisoformat(text).date()


def _shown(day: str) -> str:
    return shown((datetime.fromisoformat(day).replace(tzinfo=UTC) - _EPOCH).total_seconds())


Number = Annotated[int, Field(ge=0, le=MOST_ID)]
Birthday = Annotated[
    str,
    BeforeValidator(_born),
    PlainSerializer(_shown, return_type=str),
    Field(json_schema_extra={"type": "string", "examples": ["1980-08-31", "08/31/1980 00:00:00", "/Date(336528000000-0000)/"]}),
]
Gender = Annotated[int, BeforeValidator(_gender), Field(json_schema_extra={"type": "integer", "enum": [1, 2, 3]})]


class ContactFields(Wire):
    """One contact: a mail address, a phone of 8 to 15 digits, or both. Gender is 1 for men, 2 for women, 3 for unknown. In the
    texts of mailings [Key] is MergeFields[Key].
    """

    contact_id: Number | None = None
    phone_number: Annotated[TextOrNumber, Field(json_schema_extra=also("Phone"))] | None = None
    email: TextOrNumber | None = None
    first_name: TextOrNumber | None = None
    middle_name: TextOrNumber | None = None
    last_name: TextOrNumber | None = None
    gender: Gender | None = None
    date_of_birth: Birthday | None = None
    extra_field1: TextOrNumber | None = None
    extra_field2: TextOrNumber | None = None
    merge_fields: dict[str, TextOrNumber | None] | None = None
    contact_group_id: Number | None = None


def filled(fields: ContactFields, was: Contact) -> Contact:
    """A contact with what is said of it, and the rest as it was. Raises Unfit."""
    email = was.email if fields.email is None else _email(fields.email.strip())
    phone = was.phone if fields.phone_number is None else _phone(fields.phone_number.strip())
    if not email and not phone:
        raise Unfit(ValidationCode.NO_PHONE_NO_EMAIL, "PhoneNumber or Email", "")
    return Contact(id=was.id, group_id=was.group_id, email=email, phone=phone, details=_details(fields, was.details))


def _details(fields: ContactFields, was: ContactDetails) -> ContactDetails:
    return ContactDetails(
        first_name=_text("FirstName", fields.first_name, was.first_name, LONGEST_NAME),
        middle_name=_text("MiddleName", fields.middle_name, was.middle_name, LONGEST_NAME),
        last_name=_text("LastName", fields.last_name, was.last_name, LONGEST_NAME),
        gender=fields.gender or was.gender,
        born=was.born if fields.date_of_birth is None else fields.date_of_birth,
        extra_1=_text("ExtraField1", fields.extra_field1, was.extra_1, LONGEST_VALUE),
        extra_2=_text("ExtraField2", fields.extra_field2, was.extra_2, LONGEST_VALUE),
        fields=was.fields if fields.merge_fields is None else _merge_fields(fields.merge_fields),
    )


def _email(text: str) -> str:
    try:
        return address.plain(text.encode()) if text else ""
    except (ValueError, NotAscii):
        raise Unfit(ValidationCode.INVALID_EMAIL, "Email", "is no mail address") from None


def _phone(text: str) -> str:
    """Its digits."""
    match = _PHONE.fullmatch(text)
    if text and not match:
        raise Unfit(ValidationCode.INVALID_PHONE, "PhoneNumber", "is not 8 to 15 digits, with or without a + before them")
    return match[1] if match else ""


def _text(field: str, given: str | None, was: str, most: int) -> str:
    if given is None:
        return was
    if len(given.strip()) > most:
        raise Unfit(ValidationCode.INVALID_FIELD, field, f"has more than {most} characters")
    return given.strip()


def _merge_fields(given: dict[str, str | None]) -> tuple[tuple[str, str], ...]:
    if len(given) > MOST_MERGE_FIELDS:
        raise Unfit(ValidationCode.INVALID_FIELD, "MergeFields", f"are more than {MOST_MERGE_FIELDS}")
    for name in given:
        if not NAME.fullmatch(name) or name in _OURS:
            raise Unfit(ValidationCode.INVALID_FIELD, f"MergeFields.{name[:100]}", "cannot be the name of a field")
    return tuple((name, _text(f"MergeFields.{name}", value or "", "", LONGEST_VALUE)) for name, value in given.items())


def view(contact: Contact) -> ContactFields:
    """As it is stored."""
    details = contact.details
    return ContactFields(
        contact_id=contact.id,
        phone_number=contact.phone,
        email=contact.email,
        first_name=details.first_name,
        middle_name=details.middle_name,
        last_name=details.last_name,
        gender=details.gender,
        date_of_birth=details.born or None,
        extra_field1=details.extra_1,
        extra_field2=details.extra_2,
        merge_fields=dict(details.fields),
        contact_group_id=contact.group_id,
    )
