"""What the console's pages are given, and what they give: a visit comes in; a page, or the way to one, goes out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiohttp import MultipartReader, web
from multidict import MultiDict, MultiDictProxy

from relay.operators import Operator, OperatorRole

NO_FORM: MultiDictProxy[Any] = MultiDictProxy(MultiDict())


class Said(NamedTuple):
    """A sentence in English, and what is put into its braces: numbers and names, which no language changes."""

    text: str
    words: Mapping[str, str | int] = {}


class Objection(Exception):
    """It cannot be done, and nothing was."""

    def __init__(self, text: str, **words: str | int) -> None:
        super().__init__(text)
        self.said = Said(text, words)


class NotThere(Exception):
    """There is no such thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Somebody looks, or does something. `form` is what he sent, `now` seconds since the epoch."""

    request: web.Request
    operator: Operator
    csrf: str
    language: str
    now: float
    session_key: bytes = b""
    form: MultiDictProxy[Any] = field(default_factory=lambda: NO_FORM)
    upload: MultipartReader | None = None  # the rest of a form with a file, of routes that read such

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query

    def asked(self, name: str) -> str:
        """A field of the form as text; empty where it is not there. No line of it ends with spaces."""
        value = self.form.get(name, "")
        return value.strip() if isinstance(value, str) else ""

    def path(self, name: str) -> str:
        """A part of the path, by its name in the route."""
        return self.request.match_info[name]

    def may(self, role: OperatorRole) -> bool:
        """Whether he may do what this role may."""
        return self.operator.role.may(role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A template, by the name of its file without the ending, and what it shows."""

    template: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """To another page, after something was done: what to say there, and what the audit log keeps of it."""

    path: str
    said: Said | None = None
    subject: str = ""
    detail: str = ""


Answer = Page | Go | web.StreamResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What answers a path. A POST has an `action`: the word for it in the audit log."""

    method: str
    path: str
    does: Callable[[Visit], Awaitable[Answer]]
    needs: OperatorRole = OperatorRole.VIEWER
    action: str = ""
    is_upload: bool = False


def look(path: str, does: Callable[[Visit], Awaitable[Answer]], needs: OperatorRole = OperatorRole.VIEWER) -> Route:
    """A page."""
    return Route(method="GET", path=path, does=does, needs=needs)


def act(path: str, does: Callable[[Visit], Awaitable[Answer]], needs: OperatorRole, action: str) -> Route:
    """Something that changes something."""
    return Route(method="POST", path=path, does=does, needs=needs, action=action)


def whole_number(text: str, *, least: int = 0, most: int = 2**31, otherwise: int = 0) -> int:
    """What a query says, where it is such a number."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 and least <= int(text) <= most else otherwise


Routes = Sequence[Route]
