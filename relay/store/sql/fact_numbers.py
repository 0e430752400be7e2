"""The numbers of facts, by which they are read one after the other, so that who does that misses none.

On SQLite facts become visible in the order of their numbers. On PostgreSQL a transaction draws numbers and may commit after
another that drew later ones: who has read those would never look back. So each transaction that draws numbers holds, from
before that until its end, an advisory lock whose key is the number that was the last one then: all of its own are larger. A
reader asks for the last number, then for the smallest of those keys, and only then for facts: up to the smaller of both there
is none that he cannot see, and that will be there later. Locks are let go after what was committed can be seen; a node that
hangs is cut off by the server after ten seconds, and until then nothing newer is shown.
"""

from __future__ import annotations

from typing import NamedTuple

from relay.store.sql.session import Reader, Session

# These three are otherwise on PostgreSQL.
DRAW = "SELECT 'numbers of facts'"
LAST = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'"
DRAWN_BEHIND = "SELECT NULL"


def draw(db: Session) -> None:
    """To be called in a transaction before it draws any."""
    db.execute(DRAW).fetchall()


class Drawn(NamedTuple):
    """The last that was drawn, and the one up to which whatever will ever be visible is."""

    last: int
    settled: int


async def drawn(reader: Reader) -> Drawn:
    """To be asked before facts are read. Raises StoreUnavailable."""
    ((last,),) = await reader.rows(LAST)
    ((behind,),) = await reader.rows(DRAWN_BEHIND)
    return Drawn(last, last if behind is None else min(last, behind))
