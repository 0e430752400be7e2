"""Contacts in groups: each login has its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import IntFlag
from typing import NamedTuple, Protocol

from relay.contact import Contact, ContactGroup
from relay.suppression import Suppression

MOST_FIELDS = 1000


class Progress(NamedTuple):
    """Of an import: contacts that came, and contacts that are stored or refused."""

    uploaded: int
    processed: int


class DuplicatesIn(IntFlag):
    """Where the duplicates of an import's contacts are looked for."""

    IMPORT = 1
    GROUPS = 2


class Repeated(NamedTuple):
    """A contact that an import has brought more than once, and how many times it was removed."""

    contact: Contact
    times: int


class Duplicates(NamedTuple):
    """How many contacts of an import were removed because the group had them before, or else other groups have them; and which
    ones because the import had them before.
    """

    in_group: int
    in_other_groups: int
    in_import: tuple[Repeated, ...]


class Contacts(Protocol):
    """All raise StoreUnavailable. Nothing of another login is found or changed.

    A group knows the names of the merge fields that any of its contacts ever had: what would make these more than MOST_FIELDS
    raises Malformed.
    """

    async def groups(self, credential: str) -> tuple[ContactGroup, ...]: ...

    async def group_names(self, credential: str) -> Mapping[int, str]:
        """Of all of its groups, by their numbers, in that order: without counting their contacts."""

    async def known(self, credential: str, group_ids: Collection[int]) -> frozenset[int]:
        """Those of them that the login has."""

    async def group(self, credential: str, group_id: int) -> ContactGroup | None: ...
    async def add_group(self, credential: str, *, name: str, description: str, at: float) -> int: ...
    async def change_group(self, credential: str, group_id: int, *, name: str, description: str) -> bool: ...

    async def remove_group(self, credential: str, group_id: int) -> bool:
        """With all of its contacts, in small steps: the group goes with the last of them."""

    async def find(self, credential: str, text: str, *, skipped: int, count: int) -> tuple[tuple[Contact, ...], int]:
        """Some of those with that mail address, or with that phone, and how many there are."""

    async def of_group(self, credential: str, group_id: int, *, skipped: int, count: int) -> tuple[tuple[Contact, ...], int]:
        """Some of a group, by their addresses, and how many there are."""

    async def get(self, credential: str, contact_id: int) -> Contact | None: ...

    async def add(self, credential: str, contact: Contact) -> int:
        """Its number; 0 where the login has no such group."""

    async def change(self, credential: str, contact: Contact, *, was: Contact) -> bool:
        """All of it but its group. False where it is not any more what it was."""

    async def remove(self, credential: str, contact_id: int) -> bool: ...

    async def take(
        self, credential: str, group_id: int, import_id: str, contacts: Sequence[Contact], *, uploaded: int, at: float
    ) -> bool:
        """An import, or more of it, in small steps; of `uploaded` contacts the others were refused. False where the login has
        no such group, or there is such an import of another login or group.
        """

    async def progress(self, credential: str, import_id: str) -> Progress | None: ...

    async def remove_duplicates(
        self, credential: str, group_id: int, import_id: str, *, by_phone: bool, where: DuplicatesIn, groups: Sequence[int]
    ) -> Duplicates | None:
        """Of an import's contacts in a group those that are there twice, by mail address or by phone, in small steps. GROUPS
        are this group and the other ones that are named. None where there is no such import.
        """

    async def unsubscribed(
        self, credential: str, *, now: float, skipped: int, count: int
    ) -> tuple[tuple[Suppression, ...], int]:
        """Some of those who have unsubscribed from this login, one of its lists, or everything, by address; and how many there
        are.
        """

    async def unsubscribed_of(self, message_id: str, *, now: float, last: int) -> tuple[Suppression, ...]:
        """As many of those who got that message and have unsubscribed from its sender, list, or everything."""
