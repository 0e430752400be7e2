"""The newest of the suppression list, a part at a time: what came by itself, by its time; behind it what came with lists.

However long the list is and however few of it fit, a part is found in a moment: so many entries are looked at, by what an index
says of them, and no more.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, NamedTuple

from relay.lifecycle import NEVER
from relay.ports.suppressions import Newest, Spot
from relay.store.sql.entries import ENTRY, VISIBLE, entry_of
from relay.store.sql.session import Reader
from relay.suppression import Sought

_LOOKED_AT = 25_000
_WIDTH = len(ENTRY.split(", "))
_FITS = f"""(CAST(:reason AS TEXT) IS NULL OR reason = :reason) AND (CAST(:scope AS TEXT) IS NULL OR scope = :scope)
    AND (:scopes = '' OR substr(scope, 1, length(:scopes)) = :scopes) AND (:text = '' OR instr(address_key, :text) > 0)
    AND {VISIBLE}"""
_LAST_FINISHED = "SELECT max(id) FROM imports WHERE finished_at IS NOT NULL"  # what is coming in is passed over


class _Part(NamedTuple):
    """Two statements: what fits of those that are looked at, and the last of these, if there are as many."""

    found: str
    last: str


def _part(which: str, first: str) -> _Part:
    """Those with such an `import_id`, by that column and then by their key. The inner order is that of the index."""
    order = f"{first}, address_key, scope, reason"
    downwards = order.replace(",", " DESC,") + " DESC"
    seen = f"""FROM suppressions WHERE import_id {which} AND ({order}) < (:{first}, :key, :after_scope, :after_reason)
        ORDER BY {downwards} LIMIT"""
    columns = ", ".join(dict.fromkeys(("import_id", *order.split(", "))))
    wanted = ", ".join(f"s.{column}" for column in ENTRY.split(", "))
    found = f"""SELECT {wanted}, s.import_id, s.address_key
        FROM (SELECT * FROM (SELECT {columns} {seen} :looked_at) looked WHERE {_FITS} LIMIT :count) newest
        JOIN suppressions s ON s.address_key = newest.address_key AND s.scope = newest.scope AND s.reason = newest.reason
            AND s.import_id = newest.import_id
        ORDER BY {", ".join(f"newest.{column} DESC" for column in order.split(", "))}"""
    return _Part(found, f"SELECT {columns} {seen} 1 OFFSET :looked_at - 1")


_OWN, _IMPORTED = _part("= 0", "created_at"), _part("> 0", "import_id")


async def found(reader: Reader, wanted: Sought, behind: Spot | None, count: int) -> Newest:
    """As ports.Suppressions has it."""
    spot = behind or Spot(0, NEVER, "", "", "")
    if spot.import_id:
        return await _look(reader, _IMPORTED, wanted, spot, count)
    own = await _look(reader, _OWN, wanted, spot, count)
    if own.rest:
        return own
    [(last,)] = await reader.rows(_LAST_FINISHED)
    begin = Spot((last or 0) + 1, 0.0, "", "", "")
    if len(own.entries) == count:
        return Newest(own.entries, begin if last else None)
    imported = await _look(reader, _IMPORTED, wanted, begin, count - len(own.entries))
    return Newest(own.entries + imported.entries, imported.rest)


async def _look(reader: Reader, part: _Part, wanted: Sought, spot: Spot, count: int) -> Newest:
    values = asdict(wanted) | {"text": wanted.text.lower()} | _behind(spot)
    rows = await reader.rows(part.found, values | {"count": count + 1})
    entries = tuple(entry_of(row) for row in rows[:count])
    if len(rows) > count:
        return Newest(entries, _spot_of(rows[count - 1]))
    last = await reader.rows(part.last, _behind(spot))
    return Newest(entries, _spot_seen(last[0], part) if last else None)


def _behind(spot: Spot) -> dict[str, Any]:
    return {
        "import_id": spot.import_id,
        "created_at": spot.created_at,
        "key": spot.key,
        "after_scope": spot.scope,
        "after_reason": spot.reason,
        "looked_at": _LOOKED_AT,
    }


def _spot_of(row: Any) -> Spot:
    entry, (import_id, key) = entry_of(row), row[_WIDTH:]
    return Spot(import_id, entry.created_at, key, entry.scope, entry.reason)


def _spot_seen(row: Any, part: _Part) -> Spot:
    return Spot(0, *row[1:]) if part is _OWN else Spot(row[0], 0.0, *row[1:])
