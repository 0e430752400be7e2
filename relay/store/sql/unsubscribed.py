"""Who gets no more mail because he has said so: of a login, and of one message."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from relay.store.sql.entries import ENTRY, VISIBLE, entry_of
from relay.store.sql.session import Reader
from relay.suppression import EVERYWHERE, Suppression, of_credential

_WINDOW = 1000
_ENTRY = ", ".join(f"s.{column}" for column in ENTRY.split(", "))
_STANDS = f"s.reason = 'unsubscribed' AND (s.expires_at = 0 OR s.expires_at > :now) AND s.{VISIBLE}"
_IN_SCOPES = f"FROM suppressions s WHERE s.scope IN (SELECT value FROM json_each(:scopes)) AND {_STANDS}"
_KEYS = f"SELECT DISTINCT s.address_key {_IN_SCOPES} ORDER BY s.address_key LIMIT :count OFFSET :skipped"
_ENTRIES = f"""SELECT s.address_key, {_ENTRY} {_IN_SCOPES} AND s.address_key IN (SELECT value FROM json_each(:keys))
    ORDER BY s.address_key, s.created_at, s.scope, s.import_id"""
_TOTAL = f"SELECT count(DISTINCT s.address_key) {_IN_SCOPES}"
# From one scope to the next, however many entries each has.
_LISTS = """WITH RECURSIVE lists (scope) AS (
        SELECT min(scope) FROM suppressions WHERE reason = 'unsubscribed' AND scope > 'list:' AND scope < 'list;'
        UNION ALL SELECT (SELECT min(s.scope) FROM suppressions s
            WHERE s.reason = 'unsubscribed' AND s.scope > lists.scope AND s.scope < 'list;') FROM lists WHERE scope IS NOT NULL)
    SELECT scope FROM lists WHERE scope IS NOT NULL AND EXISTS
        (SELECT 1 FROM messages m WHERE m.list = substr(scope, 6) AND m.list <> '' AND m.credential = ?)"""
_OF_MESSAGE = f"""SELECT s.address_key, {_ENTRY}
    FROM deliveries d JOIN messages m ON m.id = d.message_id JOIN suppressions s ON s.address_key = lower(d.recipient)
    AND s.scope IN ('', 'credential:' || m.credential, 'list:' || m.list) AND {_STANDS}
    WHERE d.message_id = :message_id AND d.number > :after AND d.number <= :until AND d.sent_at IS NOT NULL
    ORDER BY d.number, s.created_at, s.scope, s.import_id"""


async def of_login(
    reader: Reader, credential: str, *, now: float, skipped: int, count: int
) -> tuple[tuple[Suppression, ...], int]:
    """Some, by address, and how many there are."""
    lists = [scope for (scope,) in await reader.rows(_LISTS, (credential,))]
    values: dict[str, Any] = {"scopes": json.dumps([EVERYWHERE, of_credential(credential), *lists]), "now": now}
    [(total,)] = await reader.rows(_TOTAL, values)
    keys = [key for (key,) in await reader.rows(_KEYS, values | {"skipped": skipped, "count": count})]
    found: dict[str, Suppression] = {}
    _add(found, await reader.rows(_ENTRIES, values | {"keys": json.dumps(keys)}))
    return tuple(found.values()), total


async def of_message(reader: Reader, message_id: str, *, now: float, last: int) -> tuple[Suppression, ...]:
    """As many of those who got it, in the order of its recipients."""
    [(most,)] = await reader.rows("SELECT coalesce(max(number), 0) FROM deliveries WHERE message_id = ?", (message_id,))
    found: dict[str, Suppression] = {}
    for after in range(0, most, _WINDOW):
        values = {"message_id": message_id, "after": after, "until": after + _WINDOW, "now": now}
        _add(found, await reader.rows(_OF_MESSAGE, values))
        if len(found) >= last:
            break
    return tuple(found.values())[:last]


def _add(found: dict[str, Suppression], rows: Sequence[Any]) -> None:
    """Of several entries of an address, by its key, the first."""
    for key, *entry in rows:
        found.setdefault(key, entry_of(entry))
