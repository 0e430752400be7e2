"""Who is there, who leads, and what each node tells the others of what is limited: a row of its own for each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from relay.ports.nodes import Node, Roster, Used
from relay.store.postgres.pool import PostgresPool
from relay.store.sql.session import Session, beside_others
from relay.store.sql.writer import Writer

LEASE = 10.0  # seconds for which a node leads after a sign of life
VANISHED = 20.0  # seconds without one, and it is there no more

_COLUMNS = "id, name, roles, release, started_at, seen_at, hears"
_ALL = f"SELECT {_COLUMNS} FROM nodes ORDER BY name, id"
_FREE_NUMBER = """SELECT min(n) FROM generate_series(1, (SELECT count(*) + 1 FROM nodes)) n
    WHERE n NOT IN (SELECT writer FROM nodes)"""
_JOIN = f"INSERT INTO nodes ({_COLUMNS}, writer) VALUES (?,?,?,?,?,?,?,?)"
_BEAT = "UPDATE nodes SET seen_at = ?, hears = ? WHERE id = ?"
_LEAD = "UPDATE leader SET node = ?, until = ? WHERE node = ? OR until < ? RETURNING node"
_LED_BY = "SELECT node FROM leader WHERE until >= ?"
_SWEEP = f"DELETE FROM nodes WHERE seen_at < ? RETURNING {_COLUMNS}"

_TELL = """INSERT INTO usage (kind, key, period, node, count, changed_at) VALUES (?,?,?,?,?,?)
    ON CONFLICT (kind, key, period, node) DO UPDATE SET count = excluded.count, changed_at = excluded.changed_at"""
_HEARD = "SELECT node, kind, key, period, count FROM usage WHERE changed_at >= ? AND node <> ?"


class PostgresNodes:
    """Implements ports.Nodes."""

    def __init__(self, writer: Writer, pool: PostgresPool, *, count_as: Callable[[int], None]) -> None:
        """`count_as` hears the number of this node."""
        self._writer = writer
        self._pool = pool
        self._count_as = count_as

    async def join(self, node: Node, *, now: float) -> None:
        self._count_as(await self._writer.run(_join_all, (node, now)))

    async def beat(self, node: Node, *, now: float, may_lead: bool) -> Roster:
        roster = await self._writer.run(_beat_all, (node, now, may_lead), lazily=True)
        if roster is None:  # the others think that it is gone, or somebody has emptied the table
            await self.join(node, now=now)
            return await self.roster(now=now)
        return roster

    async def leave(self, node: Node) -> None:
        await self._writer.run(_leave_all, node)

    async def roster(self, *, now: float) -> Roster:
        leader = await self._pool.rows(_LED_BY, (now,))
        return Roster(tuple(map(_node, await self._pool.rows(_ALL))), leader[0][0] if leader else "")


def _join_all(db: Session, items: Sequence[tuple[Node, float]]) -> list[int]:
    return [_join(db, *item) for item in items]


def _join(db: Session, node: Node, now: float) -> int:
    """Alone in the database. The first one of all makes what all share."""
    db.execute("INSERT INTO leader (node, until) SELECT '', 0 WHERE NOT EXISTS (SELECT 1 FROM leader)")
    db.execute(
        "INSERT INTO allowance (rate, factor, tokens, at, quota, sent, used)"
        " SELECT 1, 1, 1, 0, -1, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM allowance)"
    )
    db.execute("DELETE FROM nodes WHERE id = ?", (node.id,))
    (number,) = db.execute(_FREE_NUMBER).fetchone()
    roles = " ".join(node.roles)
    db.execute(_JOIN, (node.id, node.name, roles, node.release, node.started_at, now, int(node.hears), number))
    return int(number)


@beside_others
def _beat_all(db: Session, items: Sequence[tuple[Node, float, bool]]) -> list[Roster | None]:
    return [_beat(db, *item) for item in items]


def _beat(db: Session, node: Node, now: float, may_lead: bool) -> Roster | None:
    """None for a node that is not there."""
    if not db.execute(_BEAT, (now, int(node.hears), node.id)).rowcount:
        return None
    vanished: list[tuple[object, ...]] = []
    if may_lead and db.execute(_LEAD, (node.id, now + LEASE, node.id, now)).fetchone():
        vanished = db.execute(_SWEEP, (now - VANISHED,)).fetchall()
    leader = db.execute(_LED_BY, (now,)).fetchone()
    nodes = map(_node, db.execute(_ALL).fetchall())
    return Roster(tuple(nodes), leader[0] if leader else "", tuple(map(_node, vanished)))


def _leave_all(db: Session, items: Sequence[Node]) -> list[None]:
    for node in items:
        db.execute("DELETE FROM nodes WHERE id = ?", (node.id,))
        db.execute("UPDATE leader SET node = '', until = 0 WHERE node = ?", (node.id,))
    return [None] * len(items)


def _node(row: Sequence[object]) -> Node:
    id, name, roles, release, started_at, seen_at, hears = row
    return Node(
        id=str(id),
        name=str(name),
        roles=tuple(str(roles).split()),
        release=str(release),
        started_at=float(str(started_at)),
        seen_at=float(str(seen_at)),
        hears=bool(hears),
    )


class PostgresUsage:
    """Implements ports.UsageStore. What a crash of the server forgets of it is no loss."""

    def __init__(self, writer: Writer, pool: PostgresPool) -> None:
        self._writer = writer
        self._pool = pool

    async def tell(self, node: str, used: Collection[Used], *, now: float) -> None:
        await self._writer.run(_tell_all, [(*one[:3], node, one.times, now) for one in used], lazily=True)

    async def heard(self, node: str, *, since: float) -> tuple[tuple[str, Used], ...]:
        rows = await self._pool.rows(_HEARD, (since, node))
        return tuple((other, Used(*used)) for other, *used in rows)

    async def forget(self, before: float) -> None:
        await self._writer.run(_forget_all, int(before), lazily=True)


@beside_others
def _tell_all(db: Session, items: Sequence[Sequence[tuple[object, ...]]]) -> list[None]:
    db.executemany(_TELL, [row for rows in items for row in rows])
    return [None] * len(items)


@beside_others
def _forget_all(db: Session, items: Sequence[int]) -> list[None]:
    for before in items:
        db.execute("DELETE FROM usage WHERE period < ?", (before,))
    return [None] * len(items)
