"""Texts that are used again and again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """`id` is 0 before it is stored; `user_id` is what its owner calls it, and may be empty."""

    id: int = 0
    name: str
    user_id: str = ""
    sender: str = ""
    sender_name: str = ""
    subject: str = ""
    html: str = ""
    text: str = ""


class Templates(Protocol):
    """Of one login each. All raise StoreUnavailable."""

    async def add(self, credential: str, template: Template) -> int:
        """Its number. Raises StoreRefuses where its owner calls another one so."""

    async def put(self, credential: str, template: Template) -> bool:
        """In place of the one with its number: False if there is none. Raises StoreRefuses as above."""

    async def remove(self, credential: str, template_id: int) -> bool: ...

    async def of(self, credential: str, *, skipped: int, count: int) -> tuple[tuple[Template, ...], int]:
        """Some of a login's, in the order in which they were added, and how many there are."""

    async def names(self, credential: str) -> Mapping[int, str]:
        """Of all of a login's, by their numbers, in that order."""

    async def find(self, credential: str, id: str) -> Template | None:
        """By its number, or by what its owner calls it."""
