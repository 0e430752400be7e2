"""Imports of contacts, and the removal of what they have brought twice: both in small steps."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from relay import address
from relay.contact import Contact
from relay.ports.contacts import Duplicates, DuplicatesIn, Repeated
from relay.store.sql.contact_rows import COLUMNS, CONTACT, Row, contact_of, has, lock, names_of, remember, row_of
from relay.store.sql.rows import insert
from relay.store.sql.session import Session, beside_others
from relay.store.sql.writer import Writer

_STEP = 320
_SWEPT = 500
_BEGIN = """INSERT INTO contact_imports (id, credential, group_id, uploaded, processed, at) VALUES (?,?,?,?,?,?)
    ON CONFLICT (id) DO UPDATE SET uploaded = contact_imports.uploaded + excluded.uploaded,
    processed = contact_imports.processed + excluded.processed
    WHERE contact_imports.credential = excluded.credential AND contact_imports.group_id = excluded.group_id"""
_GO_ON = "UPDATE contact_imports SET processed = processed + ? WHERE id = ?"
_IS_THERE = "SELECT 1 FROM contact_imports WHERE id = ? AND credential = ? AND group_id = ?"

_THERE = "EXISTS (SELECT 1 FROM contacts x WHERE x.{key} = c.{key} AND x.{key} <> '' AND "
_IN_GROUP = _THERE + "x.group_id = :group_id AND x.import_id <> :import_id)"
_IN_OTHERS = (
    _THERE
    + """x.group_id <> :group_id AND x.group_id IN (SELECT id FROM contact_groups WHERE credential = :credential
    AND id IN (SELECT CAST(value AS BIGINT) FROM json_each(:groups))))"""
)
_IN_IMPORT = _THERE + "x.group_id = :group_id AND x.import_id = :import_id AND x.id < c.id)"
_SWEEP = f"""SELECT CASE {{cases}} ELSE '' END, {CONTACT} FROM contacts c
    WHERE c.import_id = :import_id AND c.import_id <> '' AND c.group_id = :group_id AND c.id > :after
    ORDER BY c.id LIMIT {_SWEPT}"""
_CASES = {
    DuplicatesIn.GROUPS: f"WHEN {_IN_GROUP} THEN 'group' WHEN {_IN_OTHERS} THEN 'others'",
    DuplicatesIn.IMPORT: f"WHEN {_IN_IMPORT} THEN 'import'",
}


class Import(NamedTuple):
    """What of whom, and where to."""

    credential: str
    group_id: int
    id: str


class _Beginning(NamedTuple):
    """Contacts that came with it and that it refuses, and the merge fields of the others."""

    of: Import
    uploaded: int
    refused: int
    names: Collection[str]
    at: float


class _Part(NamedTuple):
    of: Import
    rows: Sequence[Row]


class Sweep(NamedTuple):
    """Where duplicates are looked for, and behind which contact."""

    of: Import
    by_phone: bool
    where: DuplicatesIn
    groups: tuple[int, ...]
    after: int = 0


class _Swept(NamedTuple):
    """Where a duplicate was found and what it was, and the last contact that was looked at; 0 where there are no more."""

    found: Sequence[tuple[str, Contact]]
    last: int


async def take(writer: Writer, of: Import, contacts: Sequence[Contact], *, uploaded: int, at: float) -> bool:
    """Only the last step waits for the disk, which has them all then."""
    beginning = _Beginning(of, uploaded, uploaded - len(contacts), names_of(contacts), at)
    is_taken = await writer.run(_begin_all, beginning, lazily=bool(contacts))
    for first in range(0, len(contacts) if is_taken else 0, _STEP):
        rows = [row_of(contact, of.id) for contact in contacts[first : first + _STEP]]
        is_taken = await writer.run(_store_all, _Part(of, rows), lazily=first + _STEP < len(contacts))
        if not is_taken:
            break
    return is_taken


@beside_others
def _begin_all(db: Session, items: Sequence[_Beginning]) -> list[bool]:
    lock(db, (item.of.group_id for item in items))
    return [_begin(db, item) for item in items]


def _begin(db: Session, new: _Beginning) -> bool:
    credential, group_id, id = new.of
    if not has(db, credential, group_id):
        return False
    if not db.execute(_BEGIN, (id, credential, group_id, new.uploaded, new.refused, new.at)).rowcount:
        return False
    remember(db, group_id, new.names)
    return True


@beside_others
def _store_all(db: Session, items: Sequence[_Part]) -> list[bool]:
    lock(db, (item.of.group_id for item in items))
    return [_store(db, item) for item in items]


def _store(db: Session, part: _Part) -> bool:
    """The group may be gone by now."""
    if not has(db, part.of.credential, part.of.group_id):
        return False
    insert(db, "contacts", COLUMNS, part.rows)
    db.execute(_GO_ON, (len(part.rows), part.of.id))
    return True


async def remove_duplicates(writer: Writer, sweep: Sweep) -> Duplicates | None:
    """None where there is no such import."""
    counts, repeated = {"group": 0, "others": 0}, dict[str, Repeated]()
    while (swept := await writer.run(_sweep_all, sweep)) and swept.last:
        for where, contact in swept.found:
            if where in counts:
                counts[where] += 1
            else:
                key = contact.phone if sweep.by_phone else address.key(contact.email)
                repeated[key] = Repeated(contact, repeated[key].times + 1 if key in repeated else 1)
        sweep = sweep._replace(after=swept.last)
    return Duplicates(counts["group"], counts["others"], tuple(repeated.values())) if swept else None


@beside_others
def _sweep_all(db: Session, items: Sequence[Sweep]) -> list[_Swept | None]:
    """Locks all that it looks at: two that each find their own with the other would both be removed."""
    lock(db, (id for item in items for id in (item.of.group_id, *item.groups)))
    return [_sweep(db, item) for item in items]


def _sweep(db: Session, sweep: Sweep) -> _Swept | None:
    credential, group_id, id = sweep.of
    if not db.execute(_IS_THERE, (id, credential, group_id)).fetchall():
        return None
    rows = db.execute(_query(sweep), _values(sweep)).fetchall() if sweep.where else []
    found = [(row[0], contact_of(row[1:])) for row in rows if row[0]]
    db.executemany("DELETE FROM contacts WHERE id = ?", [(contact.id,) for _, contact in found])
    return _Swept(found, rows[-1][1] if rows else 0)


def _query(sweep: Sweep) -> str:
    cases = " ".join(text for place, text in _CASES.items() if place in sweep.where)
    return _SWEEP.format(cases=cases.format(key="phone" if sweep.by_phone else "address_key"))


def _values(sweep: Sweep) -> dict[str, Any]:
    return {
        "credential": sweep.of.credential,
        "group_id": sweep.of.group_id,
        "import_id": sweep.of.id,
        "groups": json.dumps(sweep.groups),
        "after": sweep.after,
    }
