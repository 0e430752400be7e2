"""Where the entries of an address come from: our deliveries, what SES said of it, and what is known of SES's own list."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from relay import address
from relay.event import EventType
from relay.ports.suppressions import AtSes, Told
from relay.store.sql.session import Reader

_DELIVERIES = """SELECT ses_message_id, message_id, number FROM deliveries
    WHERE ses_message_id IN (SELECT value FROM json_each(?)) AND ses_message_id IS NOT NULL"""
_COLUMNS = "type, class, at, detail, coalesce(message_id, '') AS message_id, coalesce(number, 0) AS number"
# What may change the standing of an address: of each so many, for one that is mailed every minute has very many of the others.
_TYPES = (EventType.BOUNCE, EventType.COMPLAINT, EventType.REJECT, EventType.DELIVERY, EventType.SUBSCRIPTION)
_TOLD = (
    " UNION ALL ".join(
        f"SELECT * FROM (SELECT {_COLUMNS} FROM events WHERE address_key = :key AND type = '{kind}'"
        f" ORDER BY at DESC LIMIT :count) newest"
        for kind in _TYPES
    )
    + " ORDER BY at DESC LIMIT :count"
)
_SPELLINGS = "SELECT address FROM account_list WHERE address_key = ? ORDER BY address"
_ERRAND = "SELECT reason FROM account_list_errands WHERE address_key = ?"


class SqlProvenance:
    """Implements ports.Provenance."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def deliveries(self, ses_message_ids: Collection[str]) -> Mapping[str, str]:
        rows = await self._reader.rows(_DELIVERIES, (json.dumps(list(ses_message_ids)),))
        return {ses_id: f"{message_id}-{number}" for ses_id, message_id, number in rows}

    async def told(self, wanted: str, *, count: int) -> tuple[Told, ...]:
        rows = await self._reader.rows(_TOLD, {"key": address.key(wanted), "count": count})
        return tuple(
            Told(EventType(kind), found, at, detail, f"{message_id}-{number}" if message_id else "")
            for kind, found, at, detail, message_id, number in rows
        )

    async def at_ses(self, wanted: str) -> AtSes:
        key = address.key(wanted)
        spellings = tuple(row[0] for row in await self._reader.rows(_SPELLINGS, (key,)))
        errands = [row[0] for row in await self._reader.rows(_ERRAND, (key,))]
        return AtSes(spellings, is_to_come=any(errands), is_to_go="" in errands)
