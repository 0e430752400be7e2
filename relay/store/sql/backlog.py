"""Counts what waits."""

from __future__ import annotations

from relay.ports.queue import Waiting
from relay.store.sql.flows import MAY_BE_OPEN
from relay.store.sql.session import Reader

_LOAD = "SELECT coalesce(sum(open), 0), coalesce(sum(octets), 0) FROM loads"
# What is due first in a flow has waited longest of it. What one sender's or one set's hold stops is no backlog of the relay.
_DUE_FIRST = "SELECT min(due_at) FROM deliveries d WHERE d.flow = f.id AND d.state = 'queued'"
_OLDEST = f"""SELECT min(due_at) FROM (SELECT ({_DUE_FIRST}) due_at FROM flows f
    WHERE {MAY_BE_OPEN} AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.ended_at IS NULL AND (
        (h.scope = 'identity' AND h.subject = f.identity) OR (h.scope = 'credential' AND h.subject = f.credential)
        OR (h.scope = 'credential_bulk' AND f.lane = 'bulk' AND h.subject = f.credential)
        OR (h.scope = 'configuration_set' AND h.subject = f.configuration_set)
        OR (h.scope = 'task' AND h.subject = CAST(f.task AS TEXT))))) firsts WHERE due_at <= ?"""


class SqlBacklog:
    """Implements ports.BacklogStore."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def waiting(self, *, now: float) -> Waiting:
        [(rows, octets)] = await self._reader.rows(_LOAD)
        [(oldest,)] = await self._reader.rows(_OLDEST, (now,))
        return Waiting(rows, octets, oldest)
