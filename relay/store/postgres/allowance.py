"""What the account may send, shared by all nodes: one row, from which each takes before it claims.

Each statement is a transaction of its own, outside those of the writer, which last as long as a sync of the disk; and none of
them waits for one: a crash of the server may give back what was taken in its last moments.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import Any

from relay.errors import StoreUnavailable
from relay.model import Lane
from relay.rate import GENTLER, LEAST, RECENT, REGAIN_PER_SECOND, SHARE, Account, Grant
from relay.store.postgres.pool import PostgresPool
from relay.store.sql.session import Values

_ANSWER_SECONDS = 5.0  # a stop waits for it
_AT_ONCE = "set_config('synchronous_commit', 'off', true) = 'off'"
_NOW = "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"
_QUOTA = f"CASE WHEN EXISTS (SELECT 1 FROM account WHERE abs({_NOW} - at) > {RECENT}) THEN -1 ELSE quota END"
_FOR_BULK = f"quota * {SHARE[Lane.BULK]} - used"
# As in rate.py: tokens flow in at the rate, and one second's worth is kept at most. A clock that is set back gives none.
_TAKE = f"""WITH was AS (
        SELECT rate, factor, tokens, at, {_QUOTA} AS quota, used, {_NOW} AS now FROM allowance WHERE {_AT_ONCE} FOR UPDATE
    ), flowed AS (
        SELECT *, least(1, factor + greatest(0, now - at) * {REGAIN_PER_SECOND}) AS gentle FROM was
    ), full_ AS (
        SELECT *, least(greatest(1, rate), tokens + greatest(0, now - at) * rate * gentle) AS there,
            CASE WHEN quota < 0 THEN :wanted WHEN {_FOR_BULK} >= 1 THEN {_FOR_BULK} ELSE quota - used END AS left_
        FROM flowed
    ), taken AS (
        SELECT *, floor(greatest(0, least(:wanted, there, left_))) AS granted FROM full_
    )
    UPDATE allowance SET tokens = there - granted, factor = gentle, at = now, used = taken.used + granted
    FROM taken RETURNING granted, allowance.tokens, allowance.rate * allowance.factor, taken.quota, taken.used"""
# What was taken before SES was asked is no call that SES has counted.
_GIVE_BACK = f"UPDATE allowance SET tokens = tokens + ?, used = greatest(sent, used - ?) WHERE {_AT_ONCE}"
_SLOW_DOWN = f"UPDATE allowance SET factor = greatest({LEAST}, factor * {GENTLER}), tokens = least(tokens, 0) WHERE {_AT_ONCE}"
_TOLD = "UPDATE allowance SET rate = ?, quota = ?, sent = ?, used = ?"


class SharedAllowance:
    """Implements ports.Allowance."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool
        self._seconds_to_next = 0.0

    async def take(self, wanted: int) -> Grant:
        ((granted, tokens, rate, quota, used),) = await self._changed(_TAKE, {"wanted": wanted})
        self._seconds_to_next = max(0.0, (1.0 - tokens) / rate) if rate else math.inf
        lanes = tuple(lane for lane in Lane if quota < 0 or quota * SHARE[lane] - used >= 1)
        return Grant(int(granted), lanes)

    def take_at_once(self, wanted: int, lane: Lane) -> bool:
        """The others have to be asked: a round does that for many."""
        return False

    async def give_back(self, *, tokens: int, calls: int) -> None:
        if tokens or calls:
            with suppress(StoreUnavailable):  # who is late with it sends a little less for once
                await self._changed(_GIVE_BACK, (tokens, calls))

    async def slow_down(self) -> None:
        with suppress(StoreUnavailable):
            await self._changed(_SLOW_DOWN)

    async def told(self, account: Account) -> None:
        with suppress(StoreUnavailable):  # it is told again
            await self._changed(_TOLD, (max(account.rate, 0.0), account.quota, account.sent, account.sent))

    def seconds_to_next(self) -> float:
        return self._seconds_to_next

    async def _changed(self, query: str, values: Values = ()) -> list[Any]:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await self._pool.changed(query, values)
        except TimeoutError as error:
            raise StoreUnavailable("the allowance is not to be had") from error
