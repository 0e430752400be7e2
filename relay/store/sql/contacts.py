"""Contacts in groups. Whatever changes a group or its contacts locks the group first."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from relay import address
from relay.contact import Contact, ContactGroup
from relay.ports.contacts import Duplicates, DuplicatesIn, Progress
from relay.store.sql import contact_imports, unsubscribed
from relay.store.sql.contact_imports import Import, Sweep
from relay.store.sql.contact_rows import COLUMNS, CONTACT, contact_of, has, lock, names_of, remember, row_of
from relay.store.sql.session import Reader, Session, beside_others
from relay.store.sql.writer import Writer
from relay.suppression import Suppression

_STEP = 500
_GROUPS = """SELECT id, name, description, created_at, (SELECT count(*) FROM contacts c WHERE c.group_id = g.id)
    FROM contact_groups g WHERE credential = ?"""
_KNOWN = """SELECT id FROM contact_groups
    WHERE credential = ? AND id IN (SELECT CAST(value AS BIGINT) FROM json_each(?))"""
_ADD_GROUP = "INSERT INTO contact_groups (credential, name, description, created_at) VALUES (?,?,?,?) RETURNING id"
_CHANGE_GROUP = "UPDATE contact_groups SET name = ?, description = ? WHERE id = ? AND credential = ?"
_EMPTY = f"""DELETE FROM contacts WHERE id IN
    (SELECT id FROM contacts WHERE group_id = ? ORDER BY address_key, id LIMIT {_STEP})"""

_OWN = "FROM contacts c JOIN contact_groups g ON g.id = c.group_id WHERE g.credential = ?"
_BY_ADDRESS = f"{_OWN} AND c.address_key = ? AND c.address_key <> ''"
_BY_PHONE = f"{_OWN} AND c.phone = ? AND c.phone <> ''"
_OF_GROUP = f"{_OWN} AND c.group_id = ?"
_ONE = f"SELECT {CONTACT} {_OWN} AND c.id = ?"
_ADD = f"INSERT INTO contacts ({COLUMNS}) VALUES (?,?,?,?,?,?) RETURNING id"
_CHANGE = "UPDATE contacts SET email = ?, address_key = ?, phone = ?, document = ? WHERE id = ?"


class SqlContacts:
    """Implements ports.Contacts."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def groups(self, credential: str) -> tuple[ContactGroup, ...]:
        return tuple(map(_group_of, await self._reader.rows(f"{_GROUPS} ORDER BY id", (credential,))))

    async def group_names(self, credential: str) -> Mapping[int, str]:
        query = "SELECT id, name FROM contact_groups WHERE credential = ? ORDER BY id"
        return dict(await self._reader.rows(query, (credential,)))

    async def known(self, credential: str, group_ids: Collection[int]) -> frozenset[int]:
        rows = await self._reader.rows(_KNOWN, (credential, json.dumps(list(group_ids))))
        return frozenset(id for (id,) in rows)

    async def group(self, credential: str, group_id: int) -> ContactGroup | None:
        rows = await self._reader.rows(f"{_GROUPS} AND id = ?", (credential, group_id))
        return _group_of(rows[0]) if rows else None

    async def add_group(self, credential: str, *, name: str, description: str, at: float) -> int:
        return await self._writer.run(_add_groups, (credential, name, description, at))

    async def change_group(self, credential: str, group_id: int, *, name: str, description: str) -> bool:
        return await self._writer.run(_change_groups, (name, description, group_id, credential))

    async def remove_group(self, credential: str, group_id: int) -> bool:
        while (is_gone := await self._writer.run(_empty_groups, (credential, group_id))) is False:
            pass
        return is_gone is True

    async def find(self, credential: str, text: str, *, skipped: int, count: int) -> tuple[tuple[Contact, ...], int]:
        if "@" in text:
            return await self._some(_BY_ADDRESS, (credential, address.key(text)), "c.id", skipped, count)
        return await self._some(_BY_PHONE, (credential, text.removeprefix("+")), "c.id", skipped, count)

    async def of_group(self, credential: str, group_id: int, *, skipped: int, count: int) -> tuple[tuple[Contact, ...], int]:
        return await self._some(_OF_GROUP, (credential, group_id), "c.address_key, c.id", skipped, count)

    async def _some(
        self, query: str, values: tuple[Any, ...], order: str, skipped: int, count: int
    ) -> tuple[tuple[Contact, ...], int]:
        [(total,)] = await self._reader.rows(f"SELECT count(*) {query}", values)
        some = f"SELECT {CONTACT} {query} ORDER BY {order} LIMIT ? OFFSET ?"
        rows = await self._reader.rows(some, (*values, count, skipped)) if total > skipped else []
        return tuple(map(contact_of, rows)), total

    async def get(self, credential: str, contact_id: int) -> Contact | None:
        rows = await self._reader.rows(_ONE, (credential, contact_id))
        return contact_of(rows[0]) if rows else None

    async def add(self, credential: str, contact: Contact) -> int:
        return await self._writer.run(_add_all, (credential, contact))

    async def change(self, credential: str, contact: Contact, *, was: Contact) -> bool:
        return await self._writer.run(_change_all, _Change(credential, contact, was))

    async def remove(self, credential: str, contact_id: int) -> bool:
        return await self._writer.run(_remove_all, (credential, contact_id))

    async def take(
        self, credential: str, group_id: int, import_id: str, contacts: Sequence[Contact], *, uploaded: int, at: float
    ) -> bool:
        of = Import(credential, group_id, import_id)
        return await contact_imports.take(self._writer, of, contacts, uploaded=uploaded, at=at)

    async def progress(self, credential: str, import_id: str) -> Progress | None:
        query = "SELECT uploaded, processed FROM contact_imports WHERE id = ? AND credential = ?"
        rows = await self._reader.rows(query, (import_id, credential))
        return Progress(*rows[0]) if rows else None

    async def remove_duplicates(
        self, credential: str, group_id: int, import_id: str, *, by_phone: bool, where: DuplicatesIn, groups: Sequence[int]
    ) -> Duplicates | None:
        sweep = Sweep(Import(credential, group_id, import_id), by_phone, where, tuple(groups))
        return await contact_imports.remove_duplicates(self._writer, sweep)

    async def unsubscribed(
        self, credential: str, *, now: float, skipped: int, count: int
    ) -> tuple[tuple[Suppression, ...], int]:
        return await unsubscribed.of_login(self._reader, credential, now=now, skipped=skipped, count=count)

    async def unsubscribed_of(self, message_id: str, *, now: float, last: int) -> tuple[Suppression, ...]:
        return await unsubscribed.of_message(self._reader, message_id, now=now, last=last)


def _group_of(row: Sequence[Any]) -> ContactGroup:
    return ContactGroup(id=row[0], name=row[1], description=row[2], created_at=row[3], size=row[4])


@beside_others
def _add_groups(db: Session, items: Sequence[tuple[str, str, str, float]]) -> list[int]:
    return [int(db.execute(_ADD_GROUP, item).fetchall()[0][0]) for item in items]


@beside_others
def _change_groups(db: Session, items: Sequence[tuple[str, str, int, str]]) -> list[bool]:
    lock(db, (group_id for _, _, group_id, _ in items))
    return [db.execute(_CHANGE_GROUP, item).rowcount == 1 for item in items]


@beside_others
def _empty_groups(db: Session, items: Sequence[tuple[str, int]]) -> list[bool | None]:
    lock(db, (group_id for _, group_id in items))
    return [_empty(db, *item) for item in items]


def _empty(db: Session, credential: str, group_id: int) -> bool | None:
    """Whether the group is gone with its last contacts; None where there is no such group."""
    if not has(db, credential, group_id):
        return None
    if db.execute(_EMPTY, (group_id,)).rowcount >= _STEP:
        return False
    db.execute("DELETE FROM contact_groups WHERE id = ?", (group_id,))
    return True


@beside_others
def _add_all(db: Session, items: Sequence[tuple[str, Contact]]) -> list[int]:
    lock(db, (contact.group_id for _, contact in items))
    return [_add(db, *item) for item in items]


def _add(db: Session, credential: str, contact: Contact) -> int:
    if not has(db, credential, contact.group_id):
        return 0
    remember(db, contact.group_id, names_of([contact]))
    return int(db.execute(_ADD, row_of(contact)).fetchall()[0][0])


class _Change(NamedTuple):
    credential: str
    contact: Contact
    was: Contact


@beside_others
def _change_all(db: Session, items: Sequence[_Change]) -> list[bool]:
    lock(db, (item.was.group_id for item in items))
    return [_change(db, *item) for item in items]


def _change(db: Session, credential: str, contact: Contact, was: Contact) -> bool:
    rows = db.execute(_ONE, (credential, was.id)).fetchall()
    if not rows or contact_of(rows[0]) != was:
        return False
    remember(db, was.group_id, names_of([contact]))
    _, *changed, _ = row_of(contact)
    return db.execute(_CHANGE, (*changed, was.id)).rowcount == 1


@beside_others
def _remove_all(db: Session, items: Sequence[tuple[str, int]]) -> list[bool]:
    remove = "DELETE FROM contacts WHERE id = ? AND group_id IN (SELECT id FROM contact_groups WHERE credential = ?)"
    return [db.execute(remove, (id, credential)).rowcount == 1 for credential, id in items]
