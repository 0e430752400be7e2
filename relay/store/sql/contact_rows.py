"""Contacts as rows, and what all that changes them does inside a transaction."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from relay import address, documents
from relay.contact import Contact, ContactDetails
from relay.errors import Malformed
from relay.ports.contacts import MOST_FIELDS
from relay.store.sql.session import LOCK, Session

CONTACT = "c.id, c.group_id, c.email, c.phone, c.document"
COLUMNS = "group_id, email, address_key, phone, document, import_id"
Row = tuple[int, str, str, str, str, str]


def contact_of(row: Sequence[Any]) -> Contact:
    """A contact out of the columns of `CONTACT`."""
    details = documents.read(ContactDetails, row[4])
    return Contact(id=row[0], group_id=row[1], email=row[2], phone=row[3], details=details)


def row_of(contact: Contact, import_id: str = "") -> Row:
    """The values of `COLUMNS`."""
    key = address.key(contact.email)
    return contact.group_id, contact.email, key, contact.phone, documents.written(contact.details), import_id


def lock(db: Session, groups: Iterable[int]) -> None:
    """Nobody else changes these or their contacts until the transaction is over."""
    for id in sorted(set(groups)):
        db.execute(LOCK, (f"contacts {id}",))


def has(db: Session, credential: str, group_id: int) -> bool:
    """Whether the login has such a group."""
    return bool(db.execute("SELECT 1 FROM contact_groups WHERE id = ? AND credential = ?", (group_id, credential)).fetchall())


def remember(db: Session, group_id: int, names: Collection[str]) -> None:
    """These are merge fields that contacts of a group that is there have as well. Raises Malformed for too many."""
    if not names:
        return
    ((known,),) = db.execute("SELECT fields FROM contact_groups WHERE id = ?", (group_id,)).fetchall()
    found = set(json.loads(known))
    if found.issuperset(names):
        return
    found.update(names)
    if len(found) > MOST_FIELDS:
        raise Malformed(f"the contacts of a group have at most {MOST_FIELDS} merge fields")
    db.execute("UPDATE contact_groups SET fields = ? WHERE id = ?", (json.dumps(sorted(found)), group_id))


def names_of(contacts: Iterable[Contact]) -> frozenset[str]:
    """The merge fields that any of them has."""
    return frozenset(name for contact in contacts for name, _ in contact.details.fields)
