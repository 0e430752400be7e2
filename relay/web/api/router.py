"""Which operation a path means: in any case, below any of the prefixes, with or without a suffix for the format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import unquote

from relay.web.api.calls import Operation
from relay.web.api.codes import UNKNOWN_FORMAT, UNKNOWN_METHOD, UNKNOWN_RESOURCE, WRONG, Code, Fault

PREFIX = "/email/v1"
PREFIXES = (PREFIX, "/email/v2", "/EmailApi", "/addressbook/v2")
_SUFFIX = re.compile(r"(.+)\.(json|xml|jsv|csv)", re.IGNORECASE)


class Found(NamedTuple):
    """An operation, what its path says, and the suffix of that, without the dot."""

    operation: Operation
    path: Mapping[str, str]
    suffix: str


class Router:
    """The first path that fits, in the order in which the operations were given, is the resource."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.operations = tuple(operations)
        self._patterns = [(_pattern(each.path), each) for each in self.operations]

    def find(self, method: str, raw_path: str) -> Found:
        """`raw_path` as it came, still encoded. Raises Fault."""
        path, suffix = _without_suffix(_below_prefix(raw_path))
        matches = self._matches(path)
        if not matches:
            raise Fault(Code.NOT_FOUND, UNKNOWN_RESOURCE)
        for match, operation in matches:
            if operation.method == method:
                return Found(operation, {name: _part(name, text) for name, text in match.groupdict().items()}, suffix)
        raise Fault(Code.NOT_AVAILABLE, UNKNOWN_METHOD, status=405)

    def methods(self, raw_path: str) -> list[str]:
        """Those that the resource has."""
        path, _ = _without_suffix(_below_prefix(raw_path))
        return sorted({operation.method for _, operation in self._matches(path)})

    def _matches(self, path: str) -> list[tuple[re.Match[str], Operation]]:
        found = [(match, each) for pattern, each in self._patterns if (match := pattern.fullmatch(path))]
        return [(match, each) for match, each in found if each.path == found[0][1].path]


def _part(name: str, text: str) -> str:
    """Raises Fault."""
    found = unquote(text)
    if "\0" in found:
        raise Fault(Code.INVALID_VALUE, WRONG, field=name, why="has U+0000")
    return found


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path)), re.IGNORECASE)


def _below_prefix(raw_path: str) -> str:
    for prefix in PREFIXES:
        if raw_path[: len(prefix)].lower() == prefix.lower() and raw_path[len(prefix) : len(prefix) + 1] == "/":
            return raw_path[len(prefix) :].rstrip("/")
    raise Fault(Code.NOT_FOUND, UNKNOWN_RESOURCE)


def _without_suffix(path: str) -> tuple[str, str]:
    match = _SUFFIX.fullmatch(path)
    return (match[1], match[2].lower()) if match else (path, "")


def format_of(suffix: str, wanted: str, accepted: str) -> str:
    """`json` or `xml`: by the suffix, by `format=`, or by the first of the two in Accept. Raises Fault."""
    said = suffix or wanted.lower()
    if said:
        if said not in ("json", "xml"):
            raise Fault(Code.INVALID_VALUE, UNKNOWN_FORMAT)
        return said
    found = re.search(r"json|xml", accepted.lower())
    return found[0] if found and not accepted.lower().startswith("text/html") else "json"
