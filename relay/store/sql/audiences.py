"""The audience of a mailing: whom it reaches, and the steps in which it becomes deliveries.

A step reads the next contacts, makes deliveries of them, and says how far it came, in one transaction: a crash neither skips
nor repeats anybody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from relay import documents
from relay.contact import ContactDetails, merge_values
from relay.mailing import Reach, Task
from relay.model import Delivery, Message, State
from relay.ports.tasks import Member, Pace, Step
from relay.store.sql.enqueuing import store_all
from relay.store.sql.entries import VISIBLE
from relay.store.sql.session import Reader, Session, beside_others
from relay.suppression import EVERYWHERE, of_credential
from relay.writing import composing
from relay.writing.merging import RECIPIENT

_OF_GROUP = """SELECT id, address_key, email, document FROM contacts
    WHERE group_id = ? AND (address_key, id) > (?, ?) AND address_key <> '' ORDER BY address_key, id LIMIT ?"""
_OF_CONTACTS = """SELECT c.id, t.address_key, c.email, c.document FROM task_contacts t JOIN contacts c ON c.id = t.contact_id
    WHERE t.task = ? AND t.included = 1 AND (t.address_key, t.contact_id) > (?, ?) AND c.address_key = t.address_key
    AND t.address_key <> '' ORDER BY t.address_key, t.contact_id LIMIT ?"""
_EXCLUDED = """EXISTS (SELECT 1 FROM task_contacts t WHERE t.task = :task AND t.included = 0 AND t.address_key = {key})
    OR EXISTS (SELECT 1 FROM contacts x JOIN task_groups g ON g.group_id = x.group_id
        WHERE x.address_key = {key} AND g.task = :task AND g.included = 0)"""
_ARE_EXCLUDED = f"SELECT value FROM json_each(:keys) WHERE {_EXCLUDED.format(key='value')}"
_REACH = f"""WITH audience AS (
        SELECT c.id, c.address_key FROM task_groups g JOIN contacts c ON c.group_id = g.group_id
        WHERE g.task = :task AND g.included = 1 AND c.address_key <> ''
        UNION SELECT t.contact_id, t.address_key FROM task_contacts t JOIN contacts c ON c.id = t.contact_id
        WHERE t.task = :task AND t.included = 1 AND t.address_key <> ''),
    once AS (SELECT address_key, count(*) AS times FROM audience GROUP BY address_key),
    judged AS (SELECT address_key, times, {_EXCLUDED.format(key="once.address_key")} AS is_excluded FROM once)
    SELECT coalesce(sum(times), 0), count(*), coalesce(sum(CASE WHEN is_excluded THEN {{weight}} END), 0),
    coalesce(sum(CASE WHEN NOT is_excluded AND EXISTS (SELECT 1 FROM suppressions s WHERE s.address_key = judged.address_key
        AND s.scope IN (:everywhere, :own) AND (s.expires_at = 0 OR s.expires_at > :now) AND {VISIBLE})
        THEN {{weight}} END), 0) FROM judged"""


class _Contact(NamedTuple):
    """Of an audience."""

    id: int
    key: str
    email: str
    document: str


async def reach(reader: Reader, task: Task, now: float) -> Reach:
    """Of its audience as it is now. Raises StoreUnavailable."""
    values = {"task": task.id, "now": now, "everywhere": EVERYWHERE, "own": of_credential(task.credential)}
    weight = "times" if task.mailing.sends_duplicates else "1"
    [(contacts, unique, excluded, unsubscribed)] = await reader.rows(_REACH.format(weight=weight), values)
    duplicates = 0 if task.mailing.sends_duplicates else contacts - unique
    return Reach(contacts=contacts, duplicates=duplicates, excluded=excluded, unsubscribed=unsubscribed)


async def some(reader: Reader, task_id: int, after: tuple[str, int], count: int) -> tuple[Member, ...]:
    """The next of its audience as it is now. Raises StoreUnavailable."""
    groups = await reader.rows("SELECT group_id FROM task_groups WHERE task = ? AND included = 1", (task_id,))
    found = [row for (id,) in groups for row in await reader.rows(_OF_GROUP, (id, *after, count))]
    found += await reader.rows(_OF_CONTACTS, (task_id, *after, count))
    in_order = sorted({_Contact(*row) for row in found}, key=lambda contact: (contact.key, contact.id))[:count]
    keys = json.dumps([contact.key for contact in in_order])
    excluded = {key for (key,) in await reader.rows(_ARE_EXCLUDED, {"task": task_id, "keys": keys})}
    return tuple(map(_member, (contact for contact in in_order if contact.key not in excluded)))


def _member(contact: _Contact) -> Member:
    return Member(contact.key, contact.id, contact.email, documents.read(ContactDetails, contact.document))


@beside_others
def expand_all(db: Session, items: Sequence[tuple[Task, Message, int, Pace]]) -> list[Step]:
    """One result each."""
    return [_expand(db, *item) for item in items]


def _expand(db: Session, task: Task, message: Message, count: int, pace: Pace) -> Step:
    """Fenced by how far the task has come: two that do it at the same time do it once."""
    contacts, last, is_whole = _next(db, task, count)
    deliveries = _deliveries(task, message, contacts, pace)
    is_ours = db.execute(
        "UPDATE tasks SET last_key = ?, last_id = ?, made = ?, is_whole = ?"
        " WHERE id = ? AND state = 'started' AND last_key = ? AND last_id = ? AND made = ?",
        (*last, task.made + len(deliveries), int(is_whole), task.id, *task.last, task.made),
    ).rowcount
    if not is_ours:
        return Step((), None)
    [stored] = store_all(db, [(replace(message, accepted_at=pace.now), deliveries)])
    return Step(stored, replace(task, last=last, made=task.made + len(stored), is_whole=is_whole))


def _next(db: Session, task: Task, count: int) -> tuple[list[_Contact], tuple[str, int], bool]:
    """Some of the audience in the order of their addresses, how far that reaches, and whether it is to the end."""
    groups = db.execute("SELECT group_id FROM task_groups WHERE task = ? AND included = 1", (task.id,)).fetchall()
    found = [row for cursor in db.each(_OF_GROUP, [(id, *task.last, count) for (id,) in groups]) for row in cursor.fetchall()]
    found += db.execute(_OF_CONTACTS, (task.id, *task.last, count)).fetchall()
    in_order = sorted({_Contact(*row) for row in found}, key=lambda contact: (contact.key, contact.id))[:count]
    if not in_order:
        return [], task.last, True
    wanted = in_order if task.mailing.sends_duplicates else _once(in_order, task.last[0])
    values = {"task": task.id, "keys": json.dumps([contact.key for contact in wanted])}
    excluded = {key for (key,) in db.execute(_ARE_EXCLUDED, values)}
    last = in_order[-1]
    return [contact for contact in wanted if contact.key not in excluded], (last.key, last.id), len(in_order) < count


def _once(contacts: Sequence[_Contact], last_key: str) -> list[_Contact]:
    """Of each address the first; of the last one of the step before, none any more."""
    first = {contact.key: contact for contact in reversed(contacts)}
    first.pop(last_key, None)
    return [contact for contact in contacts if first.get(contact.key) is contact]


def _deliveries(task: Task, message: Message, contacts: Sequence[_Contact], pace: Pace) -> list[Delivery]:
    wanted = {name for edit in message.edits for name in edit.fields}
    return [
        Delivery(
            message_id=message.id,
            number=number,
            recipient=pace.playpen or contact.email,
            state=State.QUEUED,
            due_at=(due_at := pace.due_at(number)),
            expires_at=due_at + pace.lifetime,
            fields=_fields(contact, wanted),
        )
        for number, contact in enumerate(contacts, task.made + 1)
    ]


def _fields(contact: _Contact, wanted: set[str]) -> str:
    details = documents.read(ContactDetails, contact.document)
    values: Mapping[str, str] = {
        RECIPIENT: composing.mailbox(contact.email, details.name),
        **merge_values(contact.email, details),
    }
    return json.dumps({name: value for name, value in values.items() if name in wanted}, ensure_ascii=False)
