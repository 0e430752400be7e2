"""Holds: the standing ones, their probes, and the times that are over."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from relay.holds import Holder, HoldRecord
from relay.outcome import Hold, HoldScope
from relay.store.sql.flows import OPEN_SUM
from relay.store.sql.session import LOCK, Session

_WORTH_KEEPING = 60.0  # seconds: a shorter hold made nobody wait
_NEXT_PROBE = 5.0
_RAREST_PROBE = 300.0
COLUMNS = "id, scope, subject, holder, reason, since, until, ended_at"
_OPEN = f"SELECT 1 FROM flows f WHERE {OPEN_SUM} > 0 AND f"
_END_IDLE = f"""UPDATE holds SET ended_at = ? WHERE ended_at IS NULL AND holder = ? AND (
    scope = '{HoldScope.IDENTITY}' AND NOT EXISTS ({_OPEN}.identity = holds.subject)
    OR scope = '{HoldScope.CONFIGURATION_SET}' AND NOT EXISTS ({_OPEN}.configuration_set = holds.subject))"""
STANDING = f"SELECT {COLUMNS} FROM holds WHERE ended_at IS NULL ORDER BY id"


def records(db: Session) -> tuple[HoldRecord, ...]:
    """Those that stand, and those that did."""
    return tuple(record_of(row) for row in db.execute(f"SELECT {COLUMNS} FROM holds ORDER BY id"))


def standing(db: Session) -> tuple[HoldRecord, ...]:
    """Those that stand."""
    return tuple(record_of(row) for row in db.execute(STANDING))


def record_of(row: tuple[Any, ...]) -> HoldRecord:
    """Out of `COLUMNS`."""
    return HoldRecord(
        id=row[0],
        scope=HoldScope(row[1]),
        subject=row[2],
        holder=Holder(row[3]),
        reason=row[4],
        since=row[5],
        until=row[6],
        ended_at=row[7],
    )


def put(db: Session, hold: Hold, *, holder: Holder, at: float) -> bool:
    """False if it stood already; then it stands for longer, the longer it stood, and for what was said last."""
    db.execute(LOCK, (f"hold {hold.scope} {hold.subject}",))
    stands = db.execute(
        "SELECT id, since, until FROM holds WHERE scope = ? AND subject = ? AND holder = ? AND ended_at IS NULL",
        (hold.scope, hold.subject, holder),
    ).fetchone()
    if stands:
        id, since, until = stands
        later = at + max(hold.seconds, min(_RAREST_PROBE, (at - since) / 10))
        db.execute(
            "UPDATE holds SET reason = ?, bounded = ?, until = ?, probe = NULL WHERE id = ?",
            (hold.reason, int(hold.bounded), max(until, later), id),
        )
    else:
        db.execute(
            "INSERT INTO holds (scope, subject, holder, reason, bounded, since, until) VALUES (?,?,?,?,?,?,?)",
            (hold.scope, hold.subject, holder, hold.reason, int(hold.bounded), at, at + hold.seconds),
        )
    return not stands


def lend_probe(db: Session, over: Iterable[HoldRecord], delivery_id: str, until: float) -> None:
    """One call may go out under these holds; nothing else does until it came back, or its time is over."""
    ids = json.dumps([hold.id for hold in over])
    db.execute(
        "UPDATE holds SET probe = ?, until = ? WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(?))",
        (delivery_id, until, ids),
    )


def end_probed(db: Session, answered: Sequence[str], at: float) -> None:
    """SES answered the call of a probe for its own sake: what it probed is over."""
    db.execute(
        "UPDATE holds SET ended_at = ? WHERE ended_at IS NULL AND probe IN (SELECT value FROM json_each(?))",
        (at, json.dumps(answered)),
    )


def take_back_probes(db: Session, failed: Sequence[str], at: float) -> None:
    """The call of a probe came to nothing, and proved nothing: another may go out soon."""
    db.execute(
        "UPDATE holds SET probe = NULL, until = ? WHERE ended_at IS NULL AND probe IN (SELECT value FROM json_each(?))",
        (at + _NEXT_PROBE, json.dumps(failed)),
    )


def lift(db: Session, scope: HoldScope, subject: str, at: float, holder: Holder | None = None) -> tuple[HoldRecord, ...]:
    """Ends what stands there, whoever put it, or what one holder did."""
    ended = db.execute(
        "UPDATE holds SET ended_at = ? WHERE scope = ? AND subject = ? AND ended_at IS NULL"
        f" AND holder IN (SELECT value FROM json_each(?)) RETURNING {COLUMNS}",
        (at, scope, subject, json.dumps([holder] if holder else list(Holder))),
    )
    return tuple(record_of(row) for row in ended.fetchall())


def end_idle(db: Session, at: float) -> None:
    """Those of SES on a sender domain or a configuration set of which nothing is open: no probe is left that could."""
    db.execute(_END_IDLE, (at, Holder.SES))


def forget(db: Session, before: float) -> int:
    """Those that ended before that, and those that were too short to matter; how many those were."""
    return db.execute(
        "DELETE FROM holds WHERE ended_at IS NOT NULL AND (ended_at < ? OR ended_at - since < ?)", (before, _WORTH_KEEPING)
    ).rowcount
