"""Reads back what happened to a message: its deliveries, their shown status, and the timeline."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import groupby
from typing import Any

from relay import status
from relay.holds import why_held
from relay.model import Life, Message, Moment, State
from relay.ports.operators import Line, Standing
from relay.store.sql import holds
from relay.store.sql.records import DELIVERY, DELIVERY_WIDTH, FLOW, MESSAGE, MESSAGE_WIDTH, delivery_of, flow_of, message_of
from relay.store.sql.session import Reader

_QUEUED = f"""SELECT {DELIVERY}, {FLOW} FROM json_each(?) t
    JOIN deliveries d ON d.message_id = substr(t.value, 1, 26) AND d.number = CAST(substr(t.value, 28) AS INTEGER)
    JOIN flows f ON f.id = d.flow WHERE d.state = 'queued'"""

HAS_CONTENT = """EXISTS (SELECT 1 FROM bodies b WHERE b.lasts = m.lasts AND b.message_id = m.id)
    OR EXISTS (SELECT 1 FROM spooled s WHERE s.lasts = m.lasts AND s.message_id = m.id)"""

# Of some deliveries alone: a mailing has millions of them.
_SHOW = f"""SELECT {MESSAGE}, {DELIVERY}, {HAS_CONTENT}, d.ended_at, d.ses_message_id
    FROM messages m JOIN deliveries d ON d.message_id = m.id WHERE m.id = ? AND d.number {{which}} ORDER BY d.number"""
_TOLD = """SELECT a.at, CASE a.attempt WHEN 0 THEN 'sent again' ELSE 'try ' || a.attempt || ': ' || a.state END, d.recipient,
    a.reason FROM attempts a JOIN deliveries d USING (message_id, number) WHERE a.message_id = ? AND a.number {which}
    UNION ALL SELECT at, type || CASE class WHEN 'bot' THEN ' (likely a program)' ELSE '' END, recipient, detail
    FROM events WHERE message_id = ? AND number {which}"""
_NOTIFICATIONS = """SELECT payload FROM notifications WHERE id IN (SELECT notification_id FROM events WHERE message_id = ?)
    ORDER BY received_at"""

_FACTS = """SELECT e.message_id, e.number, e.type, e.class FROM json_each(?) t JOIN events e
    ON e.message_id = substr(t.value, 1, 26) AND e.number = CAST(substr(t.value, 28) AS INTEGER)"""
_STANDING = """SELECT d.message_id, d.number, d.recipient, d.state, d.fields FROM json_each(?) t
    JOIN deliveries d ON d.message_id = substr(t.value, 1, 26) AND d.number = CAST(substr(t.value, 28) AS INTEGER)
    JOIN messages m ON m.id = d.message_id WHERE m.credential = ?"""
_HISTORY = """SELECT d.message_id, d.number, d.recipient, d.state, m.accepted_at, coalesce(d.ended_at, m.accepted_at)
    FROM deliveries d JOIN messages m ON m.id = d.message_id
    WHERE (d.message_id, d.number) > (?, ?) AND d.message_id < ? AND m.credential = ?
    ORDER BY d.message_id, d.number LIMIT ?"""
_ID = re.compile(r"[0-9A-Z]{26}-[0-9]{1,9}")
_MOST_SHOWN, _MOST_LISTED = 500, 20  # deliveries of one message

Facts = defaultdict[tuple[str, int], list[tuple[str, str]]]
"""Message and number of a delivery -> type and our class of each of its events."""

Held = dict[tuple[str, int], str]
"""Message and number of a delivery that is queued -> what keeps it from being sent."""


class SqlMessages:
    """Implements ports.Messages."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def newest(self, *, limit: int) -> tuple[Life, ...]:
        """The newest first, without their timelines."""
        rows = await self._reader.rows(
            f"SELECT {MESSAGE}, {DELIVERY}, {HAS_CONTENT}, d.ended_at, d.ses_message_id FROM"
            " (SELECT id FROM messages ORDER BY id DESC LIMIT ?) newest JOIN messages m ON m.id = newest.id"
            " JOIN deliveries d ON d.message_id = m.id AND d.number <= ? ORDER BY m.id DESC, d.number",
            (limit, _MOST_LISTED),
        )
        facts, held = await facts_of(self._reader, _shown(rows)), await self._held(_shown(rows))
        return tuple(_life_of(list(group), facts, held) for _, group in groupby(rows, key=lambda row: row[0]))

    async def show(self, message_id: str) -> Life | None:
        """`message_id` may be a delivery's as well."""
        id, _, number = message_id.partition("-")
        place = int(number) if number.isdecimal() and len(number) < 10 else 0
        some = [("<= ?", _MOST_SHOWN), *([("= ?", place)] if place > _MOST_SHOWN else [])]
        rows = [row for which, of in some for row in await self._reader.rows(_SHOW.format(which=which), (id, of))]
        if not rows:
            return None
        life = _life_of(rows, await facts_of(self._reader, _shown(rows)), await self._held(_shown(rows)))
        moments = _own_moments(life.message, rows)
        for which, of in some:
            moments += await self._told_moments(id, which, of)
        return replace(life, moments=tuple(sorted(moments, key=lambda moment: moment.at)))

    async def standing(self, wanted: Collection[str], *, credential: str) -> tuple[Standing, ...]:
        asked = {id if "-" in id else f"{id}-1": id for id in wanted}
        rows = await self._reader.rows(_STANDING, (json.dumps([id for id in asked if _ID.fullmatch(id)]), credential))
        facts = await facts_of(self._reader, [f"{id}-{number}" for id, number, *_ in rows])
        return tuple(
            Standing(asked[f"{id}-{number}"], recipient, status.reached_status(State(state), facts[id, number]), fields)
            for id, number, recipient, state, fields in rows
        )

    async def history(self, *, credential: str, after: tuple[str, int], until: str, count: int) -> tuple[Line, ...]:
        rows = await self._reader.rows(_HISTORY, (*after, until, credential, count))
        facts = await facts_of(self._reader, [f"{id}-{number}" for id, number, *_ in rows])
        return tuple(
            Line((id, number), recipient, status.reached_status(State(state), facts[id, number]), created_at, changed_at)
            for id, number, recipient, state, created_at, changed_at in rows
        )

    async def notifications(self, message_id: str) -> tuple[bytes, ...]:
        rows = await self._reader.rows(_NOTIFICATIONS, (message_id.partition("-")[0],))
        return tuple(payload for (payload,) in rows)

    async def _held(self, deliveries: Collection[str]) -> Held:
        """Why they wait, where it is not for their time."""
        records = [holds.record_of(row) for row in await self._reader.rows(holds.STANDING, ())]
        rows = await self._reader.rows(_QUEUED, (json.dumps(list(deliveries)),))
        queued = ((delivery_of(row), flow_of(row[DELIVERY_WIDTH:])) for row in rows)
        return {(each.message_id, each.number): why_held(each, flow, records) for each, flow in queued}

    async def _told_moments(self, message_id: str, which: str, number: int) -> list[Moment]:
        """Tries that did not end in `sent`, and the facts."""
        rows = await self._reader.rows(_TOLD.format(which=which), (message_id, number) * 2)
        return [Moment(at=at, what=what, recipient=recipient, detail=detail) for at, what, recipient, detail in rows]


async def facts_of(reader: Reader, deliveries: Collection[str]) -> Facts:
    """What SES has reported of these, by their ids. Raises StoreUnavailable."""
    facts = Facts(list)
    for message_id, number, kind, our_class in await reader.rows(_FACTS, (json.dumps(list(deliveries)),)):
        facts[message_id, number].append((kind, our_class))
    return facts


def _shown(rows: Iterable[Any]) -> list[str]:
    """The deliveries in rows of a message and a delivery each."""
    return [delivery_of(row[MESSAGE_WIDTH:]).id for row in rows]


def _life_of(rows: list[Any], facts: Facts, held: Held) -> Life:
    deliveries = tuple(delivery_of(row[MESSAGE_WIDTH:]) for row in rows)
    return Life(
        message=message_of(rows[0]),
        deliveries=deliveries,
        statuses=tuple(status.shown_status(d.state, facts[d.message_id, d.number]) for d in deliveries),
        held=tuple(held.get((d.message_id, d.number), "") for d in deliveries),
        has_content=bool(rows[0][-3]),
    )


def _own_moments(message: Message, rows: Iterable[Any]) -> list[Moment]:
    moments = [Moment(at=message.accepted_at, what="accepted", detail=f"{message.size} octets from {message.peer}")]
    for row in rows:
        delivery, ended_at, ses_message_id = delivery_of(row[MESSAGE_WIDTH:]), row[-2], row[-1]
        if delivery.state is State.SENT:
            detail = f"try {delivery.attempt}, SES message {ses_message_id}"
            moments.append(Moment(at=ended_at, what="sent", recipient=delivery.recipient, detail=detail))
        elif delivery.state is State.IGNORED:  # the other ends are facts
            moments.append(Moment(at=ended_at, what=delivery.state, recipient=delivery.recipient, detail=delivery.reason))
    return moments
