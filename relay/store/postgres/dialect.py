"""The statements of the store as PostgreSQL has them: its own places for values, and a few that are told otherwise."""

from __future__ import annotations

import re
from functools import lru_cache

from relay.store.sql import claims, fact_numbers, facts, moves
from relay.store.sql.records import FLOW
from relay.store.sql.session import LOCK

# What stands in quotes is left alone; `::` is a cast.
_PLACE = re.compile(r"('[^']*')|\?|(?<!:):([a-z_]+)")

_FACT_NUMBERS = 17750 << 48  # these locks are told apart from all others by that
_LAST_FACT = "last_value - CASE WHEN is_called THEN 0 ELSE 1 END"

_OTHERWISE = {
    LOCK: "SELECT pg_advisory_xact_lock(hashtextextended(?, 0))",
    fact_numbers.DRAW: f"SELECT pg_advisory_xact_lock_shared({_FACT_NUMBERS} + {_LAST_FACT}) FROM events_id_seq",
    fact_numbers.LAST: f"SELECT {_LAST_FACT} FROM events_id_seq",
    fact_numbers.DRAWN_BEHIND: f"""SELECT min(((classid::bigint << 32) | objid::bigint) - {_FACT_NUMBERS}) FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 1 AND classid::bigint >> 16 = {_FACT_NUMBERS >> 48}
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())""",
    # What is read here is changed next.
    **{query: f"{query} FOR UPDATE OF d" for query in (moves.STANDING, facts.OF_TAG, facts.OF_SES_ID)},
    # Rows that another node has just claimed are passed over.
    claims.DUE: f"{claims.DUE} FOR UPDATE OF d SKIP LOCKED",
    claims.DUE_FLOWS: claims.DUE_FLOWS.replace(
        f"json_group_array(json_array({FLOW}))", f"coalesce(json_agg(json_build_array({FLOW}) ORDER BY f.id), '[]')::text"
    ),
}


@lru_cache(4096)
def translated(query: str) -> str:
    """With `%s` and `%(name)s` for values."""
    return _PLACE.sub(_place, _OTHERWISE.get(query, query).replace("%", "%%"))


def _place(match: re.Match[str]) -> str:
    if match[1]:
        return match[1]
    return f"%({match[2]})s" if match[2] else "%s"
