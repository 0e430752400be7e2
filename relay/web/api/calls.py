"""One call: who asks, for what, and what he is answered."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from relay.credential import Credential, Scope
from relay.web.api.codes import BEYOND, NO_RANGE, OK, WRONG_RANGE, Code, Fault, Text
from relay.web.api.models import Wire

MOST_ITEMS = 1000
_RANGE = re.compile(r"\s*items\s*=\s*(\d{1,12})\s*-\s*(\d{1,12})\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Range:
    """Items of a list, from the first to the last of these, counted from 1."""

    first: int
    last: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1

    @property
    def skipped(self) -> int:
        return self.first - 1


def range_of(header: str, *, is_needed: bool) -> Range:
    """What the header asks for; the first hundred where it need not be there. Raises Fault."""
    if not header and not is_needed:
        return Range(1, 100)
    if not header:
        raise Fault(Code.INVALID_VALUE, NO_RANGE, status=416)
    match = _RANGE.fullmatch(header)
    if not match or not 1 <= int(match[1]) <= int(match[2]) or int(match[2]) - int(match[1]) >= MOST_ITEMS:
        raise Fault(Code.INVALID_VALUE, WRONG_RANGE, status=416, most=MOST_ITEMS)
    return Range(int(match[1]), int(match[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`body` and `query` are of the models that the operation names; `path` holds the parts of the path in braces."""

    credential: Credential
    peer: str
    path: Mapping[str, str]
    query: Any
    body: Any
    range: Range
    idempotency_key: str = ""
    fingerprint: bytes = b""  # of the request, where there is such a key


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`result` is of models, or None; `total` is of the whole list where the result is a range of it, -1 if not known."""

    result: Any = None
    description: Text = OK
    code: Code = Code.OK
    status: int = 200
    total: int | None = None
    values: Mapping[str, object] = field(default_factory=dict)  # for the description
    is_repeated: bool = False  # what another call with the same Idempotency-Key was answered


def listed(items: list[Any], total: int, range: Range, description: Text = OK) -> Answer:
    """Some of a list. Raises Fault where it ends before them."""
    if total and range.first > total:
        raise Fault(Code.INVALID_VALUE, BEYOND, status=416, total=total)
    return Answer(result=items, total=total, status=206, description=description)


Does = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A method of a resource. In `path` braces hold what differs; `result` is the type of Result, for the reference."""

    method: str
    path: str
    does: Does
    scope: Scope
    summary: str
    body: type[Wire] | None = None
    query: type[Wire] | None = None
    result: Any = None
    status: int = 200
    is_list: bool = False  # its result is some of a list
    needs_range: bool = False
    sends: bool = False  # it takes an Idempotency-Key
    group: str = ""
