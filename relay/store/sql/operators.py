"""Operators, their sessions, and what they did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relay.operators import IDLE_SECONDS, LONGEST_SECONDS, AuditEntry, Operator, OperatorRole, Session
from relay.store.sql.session import Reader, beside_others
from relay.store.sql.session import Session as Database
from relay.store.sql.writer import Writer

_OPERATOR = "name, password_hash, role, created_at, is_disabled"
_SESSION = "key, operator, began_at, seen_at, peer, agent"
_ENTRY = "id, at, operator, peer, action, subject, detail, outcome"
_ADD = f"INSERT INTO operators ({_OPERATOR}) VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING"
_ADD_FIRST = f"INSERT INTO operators ({_OPERATOR}) SELECT ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM operators)"
_CHANGE = "UPDATE operators SET password_hash = ?, role = ?, is_disabled = ? WHERE name = ?"
_OTHER_ADMIN = "SELECT 1 FROM operators WHERE name <> ? AND role = 'admin' AND is_disabled = 0"
_LIVE = "seen_at > ? AND began_at > ?"


class SqlOperators:
    """Implements ports.Operators. Changes of operators are few, and made one after the other."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def all(self) -> tuple[Operator, ...]:
        return tuple(map(_operator_of, await self._reader.rows(f"SELECT {_OPERATOR} FROM operators ORDER BY name")))

    async def get(self, name: str) -> Operator | None:
        rows = await self._reader.rows(f"SELECT {_OPERATOR} FROM operators WHERE name = ?", (name,))
        return _operator_of(rows[0]) if rows else None

    async def add(self, operator: Operator, *, is_first: bool = False) -> bool:
        return await self._writer.run(_add_all, (operator, is_first))

    async def change(self, operator: Operator) -> bool:
        return await self._writer.run(_change_all, operator)

    async def renew(self, name: str, password_hash: str) -> bool:
        return await self._writer.run(_renew_all, (password_hash, name))

    async def remove(self, name: str) -> bool:
        return await self._writer.run(_remove_all, name)

    async def begin(self, session: Session) -> None:
        await self._writer.run(_begin_all, session)

    async def session(self, key: bytes, *, now: float) -> tuple[Session, Operator] | None:
        columns = ", ".join(f"s.{name}" for name in _SESSION.split(", "))
        rows = await self._reader.rows(
            f"SELECT {columns}, {_OPERATOR} FROM operator_sessions s JOIN operators ON name = operator"
            f" WHERE s.key = ? AND is_disabled = 0 AND {_LIVE}",
            (key, *_since(now)),
        )
        return (_session_of(rows[0]), _operator_of(rows[0][6:])) if rows else None

    async def see(self, session: Session) -> None:
        await self._writer.run(_see_all, session, lazily=True)

    async def end(self, key: bytes) -> bool:
        return await self._writer.run(_end_all, key)

    async def sessions(self, *, now: float) -> tuple[Session, ...]:
        query = f"SELECT {_SESSION} FROM operator_sessions WHERE {_LIVE} ORDER BY seen_at DESC"
        return tuple(map(_session_of, await self._reader.rows(query, _since(now))))

    async def note(self, entry: AuditEntry) -> int:
        return await self._writer.run(_note_all, entry)

    async def conclude(self, entry_id: int, *, subject: str, detail: str, outcome: str) -> None:
        await self._writer.run(_conclude_all, (subject, detail, outcome, entry_id))

    async def audit(self, *, before: int, count: int, operator: str = "") -> tuple[AuditEntry, ...]:
        rows = await self._reader.rows(
            f"SELECT {_ENTRY} FROM audit WHERE id < ? AND (? = '' OR operator = ?) ORDER BY id DESC LIMIT ?",
            (before, operator, operator, count),
        )
        return tuple(map(_entry_of, rows))


def _since(now: float) -> tuple[float, float]:
    return now - IDLE_SECONDS, now - LONGEST_SECONDS


def _operator_of(row: Sequence[Any]) -> Operator:
    return Operator(name=row[0], password_hash=row[1], role=OperatorRole(row[2]), created_at=row[3], is_disabled=bool(row[4]))


def _session_of(row: Sequence[Any]) -> Session:
    return Session(key=bytes(row[0]), operator=row[1], began_at=row[2], seen_at=row[3], peer=row[4], agent=row[5])


def _entry_of(row: Sequence[Any]) -> AuditEntry:
    id, at, operator, peer, action, subject, detail, outcome = row
    return AuditEntry(
        id=id, at=at, operator=operator, peer=peer, action=action, subject=subject, detail=detail, outcome=outcome
    )


def _add_all(db: Database, items: Sequence[tuple[Operator, bool]]) -> list[bool]:
    return [db.execute(_ADD_FIRST if is_first else _ADD, _row(operator)).rowcount == 1 for operator, is_first in items]


def _row(operator: Operator) -> tuple[Any, ...]:
    return operator.name, operator.password_hash, operator.role, operator.created_at, int(operator.is_disabled)


def _change_all(db: Database, items: Sequence[Operator]) -> list[bool]:
    return [_change(db, operator) for operator in items]


def _change(db: Database, operator: Operator) -> bool:
    rows = db.execute(f"SELECT {_OPERATOR} FROM operators WHERE name = ?", (operator.name,)).fetchall()
    stays_admin = operator.role is OperatorRole.ADMIN and not operator.is_disabled
    if not rows or not (stays_admin or _has_other_admin(db, operator.name)):
        return False
    db.execute(_CHANGE, (operator.password_hash, operator.role, int(operator.is_disabled), operator.name))
    if operator.is_disabled or operator.password_hash != _operator_of(rows[0]).password_hash:
        db.execute("DELETE FROM operator_sessions WHERE operator = ?", (operator.name,))
    return True


def _renew_all(db: Database, items: Sequence[tuple[str, str]]) -> list[bool]:
    return [_renew(db, *item) for item in items]


def _renew(db: Database, password_hash: str, name: str) -> bool:
    db.execute("DELETE FROM operator_sessions WHERE operator = ?", (name,))
    return db.execute("UPDATE operators SET password_hash = ? WHERE name = ?", (password_hash, name)).rowcount == 1


def _has_other_admin(db: Database, name: str) -> bool:
    return bool(db.execute(_OTHER_ADMIN, (name,)).fetchall())


def _remove_all(db: Database, items: Sequence[str]) -> list[bool]:
    return [_remove(db, name) for name in items]


def _remove(db: Database, name: str) -> bool:
    if not _has_other_admin(db, name):
        return False
    db.execute("DELETE FROM operator_sessions WHERE operator = ?", (name,))
    return db.execute("DELETE FROM operators WHERE name = ?", (name,)).rowcount == 1


@beside_others
def _begin_all(db: Database, items: Sequence[Session]) -> list[None]:
    """Those that are over make way."""
    for session in items:
        db.execute(f"DELETE FROM operator_sessions WHERE NOT ({_LIVE})", _since(session.began_at))
    rows = [(each.key, each.operator, each.began_at, each.seen_at, each.peer, each.agent) for each in items]
    db.executemany(f"INSERT INTO operator_sessions ({_SESSION}) VALUES (?,?,?,?,?,?)", rows)
    return [None] * len(items)


@beside_others
def _see_all(db: Database, items: Sequence[Session]) -> list[None]:
    rows = [(each.seen_at, each.peer, each.key) for each in items]
    db.executemany("UPDATE operator_sessions SET seen_at = ?, peer = ? WHERE key = ?", rows)
    return [None] * len(items)


@beside_others
def _end_all(db: Database, items: Sequence[bytes]) -> list[bool]:
    return [db.execute("DELETE FROM operator_sessions WHERE key = ?", (key,)).rowcount == 1 for key in items]


@beside_others
def _note_all(db: Database, items: Sequence[AuditEntry]) -> list[int]:
    columns = _ENTRY.removeprefix("id, ")
    add = f"INSERT INTO audit ({columns}) VALUES (?,?,?,?,?,?,?) RETURNING id"
    rows = [(each.at, each.operator, each.peer, each.action, each.subject, each.detail, each.outcome) for each in items]
    return [int(db.execute(add, row).fetchall()[0][0]) for row in rows]


@beside_others
def _conclude_all(db: Database, items: Sequence[tuple[str, str, str, int]]) -> list[None]:
    db.executemany("UPDATE audit SET subject = ?, detail = ?, outcome = ? WHERE id = ?", items)
    return [None] * len(items)
