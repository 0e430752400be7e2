"""What all requests and results have in common: names in any case, dates in three forms, enumerations by name and by number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from types import NoneType
from typing import Annotated, Any, Self, TypeVar, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_pascal
from pydantic.config import JsonDict, JsonValue
from pydantic_core import PydanticCustomError

from relay import address
from relay.web.api.codes import MISSING, WRONG, Code, Fault
from relay.web.api.wire import Branch
from relay.writing.composing import LONGEST_NAME

M = TypeVar("M", bound=BaseModel)
_SERVICE_STACK = re.compile(r"/Date\((-?\d{1,14})(?:[+-]\d{4})?\)/")
_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]+)?")  # as text: in XML, and in a query
_LARGEST = 2**63 - 1
_LATEST = datetime(9000, 1, 1, tzinfo=UTC).timestamp()


class Wire(BaseModel):
    """A request, a part of one, or a result. On the wire its names are in PascalCase, and read in any case."""

    model_config = ConfigDict(
        alias_generator=to_pascal,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        json_schema_serialization_defaults_required=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _in_any_case(cls, data: Any) -> Any:
        if isinstance(data, Branch):
            data = data.as_object()
        if not isinstance(data, Mapping):
            return data
        names, fields = _names(cls), cls.model_fields
        known = [(names[str(key).lower()], value) for key, value in data.items() if str(key).lower() in names]
        return {
            fields[name].alias or name: _shaped(fields[name].annotation, value)
            for name, value in known
            if value is not None or _may_be_none(fields[name].annotation)
        }

    @model_validator(mode="after")
    def _in_64_bits(self) -> Self:
        """As every database has them."""
        for name, value in self:
            if isinstance(value, int) and not -_LARGEST <= value <= _LARGEST:
                raise PydanticCustomError("invalid_value", "is too large", {"field": to_pascal(name)})
        return self


@cache
def _names(kind: type[Wire]) -> dict[str, str]:
    """What a field may be called, in lower case, and its name here, which will do as well."""
    found = {word.lower(): name for name, field in kind.model_fields.items() for word in (name, field.alias or name)}
    others = {other.lower(): name for name, field in kind.model_fields.items() for other in _others(field.json_schema_extra)}
    return {**others, **found}


def _others(extra: Any) -> list[str]:
    return list(extra.get("x-also", ())) if isinstance(extra, Mapping) else []


def also(*names: str) -> dict[str, Any]:
    """For a field that clients call otherwise as well."""
    return {"x-also": list(names)}


def _shaped(kind: Any, value: Any) -> Any:
    """An element of XML as the field wants it. An empty one is an empty list where that is wanted."""
    wanted = _without_none(kind)
    origin = get_origin(wanted)
    if isinstance(value, Branch):
        return value.as_list() if origin in (list, tuple) else value.as_pairs() if origin is dict else value
    if value == "":
        return [] if origin in (list, tuple) else {} if origin is dict else value
    return value


def _may_be_none(kind: Any) -> bool:
    """Else a field that is null is one that is not there, as many programs write it."""
    return kind is Any or NoneType in get_args(kind)


def _without_none(kind: Any) -> Any:
    if get_origin(kind) is Annotated:
        return _without_none(get_args(kind)[0])
    if get_origin(kind) in (Union, type(int | None)):
        return _without_none(next(each for each in get_args(kind) if each is not NoneType))
    return kind


def read(kind: type[M], data: Any) -> M:
    """Raises Fault, for the first field that cannot be used."""
    try:
        return kind.model_validate({} if data is None else data)
    except ValidationError as error:
        raise _fault(error) from None


def _fault(error: ValidationError) -> Fault:
    first = error.errors(include_url=False, include_input=False)[0]
    within = first.get("ctx", {}).get("field")
    field = ".".join(str(place) for place in (*first["loc"], within) if place is not None) or "body"
    if first["type"] in ("missing", "string_too_short", "too_short"):
        return Fault(Code.EMPTY_VALUE, MISSING, field=field)
    code = Code(first["type"]) if first["type"] in set(Code) else Code.INVALID_VALUE
    return Fault(code, WRONG, field=field, why=first["msg"])


def moment(value: Any) -> Any:
    """Seconds since the epoch out of a date as requests have it, as answers have it, or by ISO 8601; UTC, unless it says. Or
    out of these seconds.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    elif not isinstance(value, str):
        raise PydanticCustomError("invalid_value", "is no date")
    elif match := _SERVICE_STACK.fullmatch(value.strip()):
        seconds = int(match[1]) / 1000
    else:
        seconds = _parsed(value.strip())
    if not 0 <= seconds < _LATEST:
        raise PydanticCustomError("invalid_value", "is no date of ours")
    return float(seconds)


def _parsed(text: str) -> float:
    for form in ("%m/%d/%Y %H:%M:%S", ""):
        with suppress(ValueError, OverflowError):
            found = datetime.strptime(text, form) if form else datetime.fromisoformat(text)
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    if _SECONDS.fullmatch(text):
        return float(text)
    raise PydanticCustomError("invalid_value", "is no date: 08/31/2015 13:30:38 is one, in UTC")


def shown(seconds: float) -> str:
    """As ServiceStack writes dates: milliseconds since the epoch, in UTC."""
    return f"/Date({round(seconds * 1000)}-0000)/"


def mailbox(value: Any) -> str:
    """An address as mail goes to it. Raises PydanticCustomError or NotAscii."""
    try:
        return address.plain(str(value).strip().encode("utf-8"))
    except ValueError as error:
        raise PydanticCustomError("invalid_email", "is no mail address: {why}", {"why": str(error)}) from None


E = TypeVar("E", bound=Enum)


def _member(kind: type[E], value: Any) -> Any:
    """By its name in any case, or by its number as a number or as text."""
    text = str(value).strip()
    for each in kind:
        if text.lower() == each.name.replace("_", "").lower() or text == str(each.value):
            return each
    raise PydanticCustomError("invalid_value", "is none of {names}", {"names": ", ".join(name_of(each) for each in kind)})


def name_of(member: Enum) -> str:
    """As clients read it."""
    return to_pascal(member.name.lower())


def named(kind: type[E]) -> Any:
    """A field of an enumeration of numbers."""
    names: list[JsonValue] = [name_of(each) for each in kind]
    numbers: list[JsonValue] = [each.value for each in kind]
    return Annotated[
        kind,
        BeforeValidator(lambda value: value if isinstance(value, kind) else _member(kind, value)),
        PlainSerializer(name_of, return_type=str),
        WithJsonSchema({"enum": [*dict.fromkeys(names + numbers)]}, mode="validation"),
        WithJsonSchema({"type": "string", "enum": names}, mode="serialization"),
    ]


_DATES: list[JsonValue] = ["08/31/2015 13:30:38", "/Date(1440501564737-0000)/", "2015-08-31T13:30:38Z"]
_READ: JsonDict = {"type": "string", "description": "A date, in UTC unless it says otherwise.", "examples": _DATES}
_SHOWN: JsonDict = {"type": "string", "pattern": r"^/Date\(\d+-0000\)/$", "examples": _DATES[1:2]}
Moment = Annotated[
    float,
    BeforeValidator(moment),
    PlainSerializer(shown, return_type=str),
    WithJsonSchema(_READ, mode="validation"),
    WithJsonSchema(_SHOWN, mode="serialization"),
]
Email = Annotated[str, BeforeValidator(mailbox), Field(json_schema_extra={"format": "email", "examples": ["ann@example.com"]})]
Needed = Annotated[str, Field(min_length=1)]
TextOrNumber = Annotated[str, Field(coerce_numbers_to_str=True)]


def as_written(result: Any) -> Any:
    """A result, of models, as objects and texts."""
    return _ANY.dump_python(result, mode="json", by_alias=True)


_ANY: TypeAdapter[Any] = TypeAdapter(Any)


class EmailAddress(Wire):
    """A mailbox with the name that readers see, as far as a header has it."""

    address: Email
    name: Annotated[str, AfterValidator(lambda name: name.strip()[:LONGEST_NAME])] = ""
