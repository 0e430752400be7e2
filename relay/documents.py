"""Our own frozen values as JSON documents, and back: for the store and the control socket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def written(value: Any) -> str:
    """A dataclass of texts, numbers, enums, tuples and sets of them, and dataclasses alike."""
    return json.dumps(asdict(value), default=sorted)


def read(kind: type[T], text: str | bytes) -> T:
    """What `written` wrote. A field that was not known then has its default; one that is not known now is left out."""
    return of_parts(kind, json.loads(text))


def of_parts(kind: type[T], parts: Mapping[str, Any]) -> T:
    """The same of a document that was parsed."""
    made: T = _built(kind, parts)
    return made


def _built(kind: Any, value: Any) -> Any:
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: _built(hints[name], part) for name, part in value.items() if name in hints})
    if (collection := get_origin(kind)) in (tuple, frozenset):
        return collection(_built(get_args(kind)[0], part) for part in value)
    return kind(value) if isinstance(kind, type) and issubclass(kind, StrEnum) else value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
