"""Finds deliveries: by an index where one leads to them, and else among so many, from the newest to older ones."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from relay import ids, lifecycle, status
from relay.model import State
from relay.ports.search import TOP, Found, Hit, Place, Query, Report
from relay.store.sql import search_ways as ways
from relay.store.sql.messages import facts_of
from relay.store.sql.search_ways import Way
from relay.store.sql.session import Reader

T = TypeVar("T")

# Deliveries that are looked at on a way, in steps: mostly the first is enough.
_STEPS = (500, 4_500, 10_000)
_STEPS_BY_WORDS = (500, 4_500)
_STEPS_BY_STATUS = (500, 1_500)
_AT_ONCE = 250
_ANY_NUMBER = 2**31 - 1  # is below that
_ALIKE = 500  # events of all addresses that begin so; and what was not sent to such
_REPORTED_TO_ONE = 200  # of each type, where more is said of what is meant
_LATEST_REPORT = 7 * lifecycle.DAY  # behind the time at which a message was accepted
_REPORTS = """SELECT message_id, number, at, type, class, recipient, detail,
    (SELECT payload FROM notifications n WHERE n.id = newest.notification_id) FROM
    (SELECT e.* FROM json_each(?) t JOIN events e
        ON e.message_id = substr(t.value, 1, 26) AND e.number = CAST(substr(t.value, 28) AS INTEGER)
        ORDER BY e.id DESC LIMIT ?) newest ORDER BY at, id"""


class _Look(NamedTuple):
    """What was found on a way, and after so many deliveries that did not fit, where it was left: nowhere at its end."""

    hits: Sequence[Hit]
    left: Place | None = None
    left_at: float = 0.0


class SqlSearch:
    """Implements ports.Search."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def find(self, query: Query, *, before: Place = TOP, count: int) -> Found:
        if query.until:
            before = min(before, (ids.ulid(query.until, bytes(10)), 0))
        *others, last = ways.of(query)
        looks = [await self._look(last, query, before, count + 1)]
        if others and len(looks[0].hits) <= count:
            looks += [await self._look(way, query, before, count + 1) for way in others]
            looks.append(await self._reported(query, before, count + 1))
        hits = sorted({hit.place: hit for look in looks for hit in look.hits}.values(), reverse=True)
        left, left_at = max(((look.left, look.left_at) for look in looks if look.left), default=(None, 0.0))
        return Found(tuple(hits[:count]), hits[count - 1].place if len(hits) > count else left, left_at)

    async def newest(self, *, since: float, count: int) -> tuple[Hit, ...]:
        rows = await self._reader.rows(ways.NEWEST, (ids.ulid(since, bytes(10)), count))
        return tuple(await self._fitting(rows, Query(), len(rows)))

    async def reports(self, deliveries: Collection[str], *, count: int) -> tuple[Report, ...]:
        rows = await self._reader.rows(_REPORTS, (json.dumps(list(deliveries)), count))
        return tuple(
            Report(f"{id}-{number}", at, what, found, recipient, detail, bytes(posted or b""))
            for id, number, at, what, found, recipient, detail, posted in rows
        )

    async def _look(self, way: Way, query: Query, before: Place, count: int) -> _Look:
        hits: list[Hit] = []
        left, left_at = before, 0.0
        found = ways.look(way.found, query)
        for step in _STEPS_BY_STATUS if query.statuses else _STEPS_BY_WORDS if query.words else _STEPS:
            values = _values(query, left) | {"looked_at": step}
            wanted = step if query.words or query.statuses else count - len(hits)
            rows = await self._reader.rows(found, values | {"count": wanted})
            hits += await self._fitting(rows, query, count - len(hits))
            if len(hits) == count:
                return _Look(hits)
            last = await self._reader.rows(ways.LAST.format(way=way.last), values)
            if not last:
                return _Look(hits)
            left, left_at = (last[0][0], last[0][1]), last[0][2]
        return _Look(hits, left, left_at)

    async def _reported(self, query: Query, before: Place, count: int) -> _Look:
        """By the addresses of SES's reports, and of what was not sent: nothing of a beginning that too many have."""
        values = _values(query, before)
        is_plain = query == Query(recipient=query.recipient)
        if query.recipient.endswith("*"):
            rows = await self._alike(ways.REPORTED_TO_ANY, values) + await self._alike(ways.UNSENT_TO_ANY, values)
        else:
            until = ids.moment(before[0]) + _LATEST_REPORT if before < TOP else lifecycle.NEVER
            most = count if is_plain else _REPORTED_TO_ONE
            rows = await self._reader.rows(ways.REPORTED_TO, values | {"until": until, "most": most})
        first = values["first"]
        places = sorted({(id, number) for id, number in rows if (id, number) < before and id >= first}, reverse=True)
        return _Look(await self._named(places, query, before, count))

    async def _alike(self, statement: str, values: dict[str, Any]) -> list[Any]:
        rows = await self._reader.rows(statement, values | {"most": _ALIKE})
        return rows if len(rows) < _ALIKE else []

    async def _named(self, places: Sequence[Place], query: Query, before: Place, count: int) -> list[Hit]:
        hits: list[Hit] = []
        found = ways.look(ways.NAMED, query)
        for some in _at_once(places):
            named = json.dumps([f"{id}-{number}" for id, number in some])
            values = _values(query, before) | {"named": named, "looked_at": _AT_ONCE, "count": _AT_ONCE}
            hits += await self._fitting(await self._reader.rows(found, values), query, count - len(hits))
            if len(hits) == count:
                break
        return hits

    async def _fitting(self, rows: Sequence[Any], query: Query, count: int) -> list[Hit]:
        """The first so many that fit also in what no statement compares."""
        words = [word.casefold() for word in query.words]
        fitting = [row for row in rows if all(word in row[6].casefold() for word in words)] if words else rows
        hits: list[Hit] = []
        for some in _at_once(fitting if query.statuses else fitting[:count]):
            facts = await facts_of(self._reader, [f"{row[0]}-{row[1]}" for row in some])
            shown = (_hit_of(row, status.shown_status(State(row[3]), facts[row[0], row[1]])) for row in some)
            hits += [hit for hit in shown if not query.statuses or hit.status in query.statuses]
            if len(hits) >= count:
                break
        return hits[:count]


def _values(query: Query, before: Place) -> dict[str, Any]:
    """Of what lies behind that place, and is no older than what is meant."""
    first = ids.ulid(query.since, bytes(10)) if query.since else ""
    id, number = before
    below = number if id == query.message_id else _ANY_NUMBER if id > query.message_id else 0
    return ways.values(query) | {"id": id, "number": number, "first": first, "below": below}


def _hit_of(row: Any, shown: str) -> Hit:
    id, number, recipient, _, accepted_at, sender, subject, credential, reason = row
    return Hit((id, number), recipient, shown, accepted_at, sender, subject, credential, reason)


def _at_once(some: Sequence[T]) -> Iterator[Sequence[T]]:
    return (some[first : first + _AT_ONCE] for first in range(0, len(some), _AT_ONCE))
