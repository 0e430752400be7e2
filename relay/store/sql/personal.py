"""All that is kept of an address, kind by kind: where it lies, how it is found, and what it says.

What an index finds is read from there. Of the other tables a range of the key is looked at at a time, for nobody may wait for a
look at all of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from relay import address
from relay.erasure import Mentions
from relay.ports.privacy import Cursor, Record, Some
from relay.store.sql.records import MESSAGE, MESSAGE_WIDTH, message_of
from relay.store.sql.session import Reader

_DELIVERY = """recipient state due_at expires_at attempt failures reason ses_message_id sent_at ended_at fields""".split()
_ATTEMPTS = "SELECT attempt, at, state, reason FROM attempts WHERE message_id = ? AND number = ? ORDER BY attempt, at"
_NOTICES = """SELECT webhook, fact, made_at, due_at, failures FROM notices n WHERE webhook IN (SELECT name FROM webhooks)
    AND message_id = ? AND number = ? ORDER BY id"""


@dataclass(frozen=True, slots=True)
class Place:
    """A table that has data of addresses. `key` is the order in which it is read, `one` what tells its rows apart.

    Rows fit `where`; those with `texts` only if one of these columns names the address. What `stays` is kept without it, or
    with nothing in place of it.
    """

    kind: str
    table: str
    key: str
    columns: str
    where: str = "address_key = :key"
    texts: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()
    one: str = ""
    is_indexed: bool = False
    source: str = ""  # where the columns are not of that table alone
    rows: int = 2000

    @property
    def keys(self) -> list[str]:
        """What the columns of its key are called."""
        return [column.split(".")[-1].strip() for column in self.key.split(",")]

    @property
    def width(self) -> int:
        """Of its key."""
        return len(self.keys)

    @property
    def names(self) -> list[str]:
        """What its columns are called."""
        return [column.split(" AS ")[-1].split(".")[-1].strip() for column in self.columns.split(",")]


def _named(*columns: str) -> str:
    """That a text column may have the address in it: what it has is looked at by itself."""
    domain = "substr(:key, instr(:key, '@') + 1)"
    return " OR ".join(f"instr(lower({column}), {domain}) > 0" for column in columns)


DELIVERIES = Place(
    "deliveries",
    "deliveries",
    "d.message_id, d.number",
    f"{', '.join(f'd.{column}' for column in _DELIVERY)}, {MESSAGE}, b.content",
    "lower(d.recipient) = :key",
    source="""deliveries d JOIN messages m ON m.id = d.message_id
        LEFT JOIN bodies b ON b.lasts = m.lasts AND b.message_id = m.id""",
)
SUPPRESSIONS = Place(
    "suppressions",
    "suppressions",
    "address_key, scope, reason, import_id",
    "address, source, created_at, note, expires_at",
    is_indexed=True,
)
# Payloads are long, and are looked at here.
_NOTIFICATIONS = Place(
    "notifications", "notifications", "number", "id, topic, received_at, payload", "1 = 1", ("payload",), rows=200
)
_QUARANTINE = Place("quarantine", "quarantine", "number", "id, queue, received_at, reason, body", "1 = 1", ("body",), rows=200)
PLACES = (
    DELIVERIES,
    Place(
        "events",
        "events",
        "type, at, id",
        """class, received_at, recipient, message_id, number AS delivery, credential, ses_message_id, detail, document,
        notification_id""",
        one="id",
        is_indexed=True,
    ),
    _NOTIFICATIONS,
    SUPPRESSIONS,
    Place(
        "suppression_history",
        "suppression_history",
        "id",
        "address, scope, at, change, reason, source, note",
        is_indexed=True,
    ),
    Place("ses_account_list", "account_list", "address_key, address", "address AS listed", is_indexed=True),
    Place(
        "ses_account_list_errands",
        "account_list_errands",
        "address_key",
        "address, reason, tries, due_at",
        is_indexed=True,
    ),
    Place(
        "contacts",
        "contacts",
        "c.id",
        "g.credential, g.name AS group_name, c.email, c.phone, c.document",
        "c.address_key = :key",
        is_indexed=True,
        source="contacts c LEFT JOIN contact_groups g ON g.id = c.group_id",
    ),
    Place("mailings", "task_contacts", "task, included, address_key, contact_id", "task AS mailing"),
    # Without its place one that is still being made would begin anew.
    Place(
        "mailings_being_made",
        "tasks",
        "id",
        "credential, last_key",
        "last_key = :key AND (is_whole = 1 OR ended_at IS NOT NULL)",
        stays=("last_key",),
    ),
    Place(
        "links",
        "old_links",
        "message_id, number",
        "recipient, credential, sender, list",
        "lower(recipient) = :key",
    ),
    Place("answers_of_the_api", "receipts", "credential, key", "answer, at", _named("key", "answer"), ("key", "answer")),
    Place(
        "requests_of_webhooks",
        "webhook_requests",
        "id",
        "webhook, at, request, answer, failure",
        _named("request", "answer", "failure"),
        ("request", "answer", "failure"),
        rows=200,
    ),
    _QUARANTINE,
    Place("holds", "holds", "id", "scope, subject, reason, since", _named("reason"), ("reason",), ("reason",)),
    Place(
        "audit",
        "audit",
        "id",
        "at, operator, action, subject, detail, outcome",
        _named("subject", "detail", "outcome"),
        ("subject", "detail", "outcome"),
        ("subject", "detail", "outcome"),
    ),
)

Row = tuple[Any, ...]


class Looked(NamedTuple):
    """Rows of a place, the key first, and the key that it goes on behind; None at its end."""

    rows: Sequence[Row]
    after: Row | None


class SqlPersonal:
    """Implements ports.Personal."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def some(self, wanted: str, after: Cursor) -> Some:
        number, key = after
        place = PLACES[number]
        found = await look(self._reader, place, wanted, key)
        read = self._delivery if place is DELIVERIES else _record
        records = tuple([await read(place, row) for row in found.rows])
        if found.after is not None:
            return Some(records, (number, found.after))
        return Some(records, (number + 1, None) if number + 1 < len(PLACES) else None)

    async def _delivery(self, place: Place, row: Row) -> Record:
        """With its tries, and what webhooks are still to be told of it."""
        key, facts = row[: place.width], dict(zip(_DELIVERY, row[place.width :], strict=False))
        behind = row[place.width + len(_DELIVERY) :]
        facts["attempts"] = [_named_row("attempt at state reason", each) for each in await self._reader.rows(_ATTEMPTS, key)]
        facts["notices"] = [
            _named_row("webhook fact made_at due_at failures", each) for each in await self._reader.rows(_NOTICES, key)
        ]
        return Record(place.kind, {"id": f"{key[0]}-{key[1]}", **facts}, message_of(behind), behind[MESSAGE_WIDTH])


async def _record(place: Place, row: Row) -> Record:
    return Record(place.kind, dict(zip([*place.keys, *place.names], row, strict=True)))


def _named_row(names: str, row: Row) -> dict[str, Any]:
    return dict(zip(names.split(), row, strict=True))


async def look(reader: Reader, place: Place, wanted: str, after: Row | None) -> Looked:
    """The next rows of a place that are about an address. Raises StoreUnavailable."""
    if place.is_indexed:
        return await _by_index(reader, place, wanted, after)
    edges = await reader.rows(*_edge(place, after))
    upto = tuple(edges[0]) if edges else None
    behind, values = _beside(place, after, "after", ">")
    until, more = _beside(place, upto, "upto", "<=")
    rows = await _found(reader, place, wanted, f"{behind} AND {until}", values | more)
    return Looked(rows, upto)


async def _by_index(reader: Reader, place: Place, wanted: str, after: Row | None) -> Looked:
    behind, values = _beside(place, after, "after", ">")
    rows = await _found(reader, place, wanted, behind, values, f"LIMIT {place.rows}")
    return Looked(rows, tuple(rows[-1][: place.width]) if len(rows) == place.rows else None)


async def _found(
    reader: Reader, place: Place, wanted: str, where: str, values: Mapping[str, Any], limit: str = ""
) -> list[Row]:
    query = f"""SELECT {place.key}, {place.columns} FROM {place.source or place.table}
        WHERE {where} AND ({place.where}) ORDER BY {place.key} {limit}"""
    rows = await reader.rows(query, {**values, "key": address.key(wanted)})
    if not place.texts:
        return rows
    mentions, columns = Mentions(wanted), [[*place.keys, *place.names].index(text) for text in place.texts]
    return [row for row in rows if mentions.are_in(*(row[column] for column in columns))]


def _edge(place: Place, after: Row | None) -> tuple[str, Mapping[str, Any]]:
    """What finds the last key that is looked at next."""
    table = place.source.partition(" JOIN")[0] or place.table
    behind, values = _beside(place, after, "after", ">")
    return f"SELECT {place.key} FROM {table} WHERE {behind} ORDER BY {place.key} LIMIT 1 OFFSET {place.rows - 1}", values


def _beside(place: Place, edge: Row | None, name: str, sign: str) -> tuple[str, dict[str, Any]]:
    if edge is None:
        return "1 = 1", {}
    names = [f"{name}_{letter}" for letter in "abcd"[: place.width]]
    return f"({place.key}) {sign} ({', '.join(f':{each}' for each in names)})", dict(zip(names, edge, strict=True))
