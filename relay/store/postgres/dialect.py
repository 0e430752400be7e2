"""The statements of the store as PostgreSQL has them: its own places for values, and a few that are told otherwise."""

from __future__ import annotations

import re
from functools import lru_cache

from relay.store.sql import claims, facts, moves
from relay.store.sql.records import FLOW
from relay.store.sql.session import LOCK

# What stands in quotes is left alone; `::` is a cast.
_PLACE = re.compile(r"('[^']*')|\?|(?<!:):([a-z_]+)")

_OTHERWISE = {
    LOCK: "SELECT pg_advisory_xact_lock(hashtextextended(?, 0))",
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
