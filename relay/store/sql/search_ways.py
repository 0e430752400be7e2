"""Where deliveries are looked for, and what they must be: statements for what is asked.

Recipients have no index: at intake one would be dearer than all else that is written there. What SES has reported of has one
by its addresses, what was not sent has one of its own; what is not over is looked through, as are the newest of all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from relay import address, lifecycle, status
from relay.event import EventType
from relay.model import State
from relay.ports.search import Query
from relay.store.sql.records import CALLED, OPEN

_MOST_OF_ONE = 20  # deliveries of one message among the newest
_AFTER_ALL = "\x7f"

# As the indexes have them.
_UNSENT = (State.SUPPRESSED, State.IGNORED, State.FAILED, State.EXPIRED, State.CANCELLED)
_AMISS = (
    EventType.BOUNCE,
    EventType.COMPLAINT,
    EventType.REJECT,
    EventType.RENDERING_FAILURE,
    EventType.DELIVERY_DELAY,
    EventType.SUBSCRIPTION,
)


def _any(column: str, words: Sequence[str]) -> str:
    return "(" + " OR ".join(f"{column} = '{word}'" for word in words) + ")"


_IS_UNSENT = " AND ".join(f"d.state <> '{state}'" for state in (*lifecycle.OPEN, State.SENT))
_IS_AMISS = f"x.message_id IS NOT NULL AND {_any('x.type', _AMISS)}"
_BEHIND = "({0}.message_id, {0}.number) < (:id, :number) AND {0}.message_id >= :first"


class Way(NamedTuple):
    """Where to look: what follows SELECT, for the deliveries `d` among so many; and for the last of these, `x`."""

    found: str
    last: str


def _way(condition: str = "TRUE", tables: str = "deliveries d", behind: str = _BEHIND.format("d")) -> Way:
    found = f"FROM {tables} WHERE {behind} AND {condition}"
    return Way(found, f"FROM (SELECT d.message_id, d.number {found}) x")


_WALK = _way()
# Of a mailing: SQLite would read all of its millions to put them into an order that its index has.
_OF_MESSAGE = _way("d.message_id = :message_id AND d.number < :below", behind=":message_id >= :first")
_OF_SES_ID = _way("d.ses_message_id = :ses_message_id AND d.ses_message_id IS NOT NULL")
_OF_LABEL = _way("n.label_id = :label_id AND n.label_id <> ''", "messages n JOIN deliveries d ON d.message_id = n.id")
_OPEN = _way(f"d.state IN {OPEN}")
# As words and not as values: so the databases know that the index has them, and PostgreSQL how many they are.
_ENDED = {state: _way(f"d.state = '{state}'") for state in _UNSENT}
_CALLED = {state: _way(f"d.state IN {CALLED} AND d.state = '{state}'") for state in (State.SENDING, State.IN_DOUBT)}
_UNSENT_TO = _way(f"{_IS_UNSENT} AND lower(d.recipient) = :recipient")
_EVENTS_AMISS = f"FROM events x WHERE {_BEHIND.format('x')} AND {_IS_AMISS}"
_REPORTED_AMISS = Way(
    f"""FROM (SELECT DISTINCT message_id AS id, number AS place
        FROM (SELECT x.message_id, x.number, x.type, x.class {_EVENTS_AMISS}
            ORDER BY x.message_id DESC, x.number DESC LIMIT :looked_at) looked
        WHERE type IN (SELECT value FROM json_each(:kinds))
        OR type || ' ' || class IN (SELECT value FROM json_each(:kinds))) looked
    JOIN deliveries d ON d.message_id = looked.id AND d.number = looked.place WHERE TRUE""",
    _EVENTS_AMISS,
)
NAMED = """FROM json_each(:named) t JOIN deliveries d
    ON d.message_id = substr(t.value, 1, 26) AND d.number = CAST(substr(t.value, 28) AS INTEGER) WHERE TRUE"""

_COLUMNS = "message_id, number, recipient, state, accepted_at, sender, subject, credential, reason"
_IN_ORDER = "ORDER BY message_id DESC, number DESC LIMIT"
_EACH = "SELECT d.message_id, d.number, d.recipient, d.state, d.reason, d.flow {way}"
_WITH_MESSAGES = "JOIN messages m ON m.id = message_id AND m.id <= :id AND m.id >= :first"
_LOOK = f"""SELECT {_COLUMNS} FROM ({_EACH} {_IN_ORDER} :looked_at) looked {_WITH_MESSAGES}
    WHERE {{fits}} {_IN_ORDER} :count"""
# What the messages must be is asked behind the limit: PostgreSQL would go through all of them for one that fits.
_LOOK_AT_MESSAGES = f"""SELECT {_COLUMNS} FROM (SELECT {_COLUMNS}, header_from, label_id, flow
    FROM ({_EACH}) every {_WITH_MESSAGES} {_IN_ORDER} :looked_at) looked WHERE {{fits}} {_IN_ORDER} :count"""
LAST = """SELECT message_id, number, (SELECT accepted_at FROM messages WHERE id = message_id) FROM
    (SELECT x.message_id, x.number {way} ORDER BY x.message_id DESC, x.number DESC LIMIT 1 OFFSET :looked_at - 1) looked"""
NEWEST = f"""SELECT {_COLUMNS} FROM (SELECT id FROM messages WHERE id > ? ORDER BY id DESC LIMIT ?) newest
    JOIN messages m ON m.id = newest.id JOIN deliveries d ON d.message_id = m.id AND d.number <= {_MOST_OF_ONE}
    ORDER BY message_id DESC, number"""
REPORTED_TO = " UNION ".join(
    f"""SELECT * FROM (SELECT message_id, number FROM events WHERE address_key = :recipient AND type = '{kind}'
    AND at < :until AND (message_id, number) < (:id, :number) ORDER BY at DESC LIMIT :most) newest"""
    for kind in (EventType.SEND, EventType.DELIVERY, EventType.BOUNCE, EventType.REJECT)
)
REPORTED_TO_ANY = """SELECT message_id, number FROM events WHERE address_key >= :beginning AND address_key < :end
    AND message_id IS NOT NULL LIMIT :most"""
UNSENT_TO_ANY = f"""SELECT d.message_id, d.number FROM deliveries d
    WHERE {_IS_UNSENT} AND lower(d.recipient) >= :beginning AND lower(d.recipient) < :end LIMIT :most"""

# What a query may say, each with its condition. Subjects are compared in Python: SQLite's lower() knows no Cyrillic.
_FITS = {
    "message_id": "message_id = :message_id",
    "credential": "flow IN (SELECT id FROM flows WHERE credential = :credential)",
    "state": "state = :state",
    "recipient": "lower(recipient) = :recipient",
    "beginning": "substr(lower(recipient), 1, length(:beginning)) = :beginning",
    "domain": "substr(lower(recipient), length(recipient) - length(:domain) + 1) = :domain",
}
_FITS_MESSAGE = {
    "label_id": "label_id = :label_id",
    "sender": "(lower(sender) = :sender OR lower(header_from) = :sender)",
    "sender_domain": """(substr(lower(sender), length(sender) - length(:sender_domain) + 1) = :sender_domain
        OR substr(lower(header_from), length(header_from) - length(:sender_domain) + 1) = :sender_domain)""",
}


def of(query: Query) -> list[Way]:
    """Where what is meant may be. Whoever finds enough on the last one needs no other."""
    if query.message_id:
        return [_OF_MESSAGE]
    if query.ses_message_id:
        return [_OF_SES_ID]
    if query.label_id:
        return [_OF_LABEL]
    said = values(query)
    if "recipient" in said:
        return [_UNSENT_TO, _OPEN, _WALK]
    if "beginning" in said:
        return [_OPEN, _WALK]
    if state := said.get("state"):
        return [(_ENDED | _CALLED).get(state, _OPEN if state == State.QUEUED else _WALK)]
    is_amiss = query.statuses and all(_is_amiss(word) for word in query.statuses)
    return [_REPORTED_AMISS if is_amiss else _WALK]


def look(found: str, query: Query) -> str:
    """The statement for what fits there, but for the subject, and the status where SES's reports bring it about."""
    said = values(query)
    fits = [condition for name, condition in (_FITS | _FITS_MESSAGE).items() if name in said]
    statement = _LOOK if said.keys().isdisjoint(_FITS_MESSAGE) else _LOOK_AT_MESSAGES
    return statement.format(way=found, fits=" AND ".join(["TRUE", *fits]))


def values(query: Query) -> dict[str, Any]:
    """Of all statements; only what the query says."""
    recipient, sender = address.key(query.recipient.removesuffix("*")), query.sender.lower()
    is_beginning, kinds = query.recipient.endswith("*"), _kinds(query)
    said = {
        "message_id": query.message_id,
        "ses_message_id": query.ses_message_id,
        "label_id": query.label_id,
        "credential": query.credential,
        "state": _state(query),
        "domain" if recipient.startswith("@") else "beginning" if is_beginning else "recipient": recipient,
        "end": recipient + _AFTER_ALL if recipient else "",
        "sender_domain" if sender.startswith("@") else "sender": sender,
        "kinds": json.dumps([f"{kind} {found}".strip() for kind, found in kinds]),
    }
    return {name: value for name, value in said.items() if value}


def _state(query: Query) -> str:
    """The one in which what is meant must be; empty for another word, or several."""
    state = query.statuses[0].replace(" ", "_") if len(query.statuses) == 1 else ""
    return state if state in set(State) else ""


def _kinds(query: Query) -> set[tuple[str, str]]:
    """Types of events that bring it about, and our classes of them."""
    return {kind for word in query.statuses for kind in status.kinds_of(word)}


def _is_amiss(word: str) -> bool:
    """Whether events bring it about, all of which are among those few."""
    kinds = status.kinds_of(word)
    return bool(kinds) and all(kind in _AMISS for kind, _ in kinds)
