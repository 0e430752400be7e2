"""Operators in the store: who there is, from which browsers, and what they did."""

from __future__ import annotations

from dataclasses import replace

import pytest

from relay.operators import DAY, HOUR, AuditEntry, Operator, OperatorRole, Session
from relay.store.sql.store import SqlStore

NOW = 1_800_000_000.0
ANNA = Operator(name="anna", password_hash="hash", role=OperatorRole.ADMIN, created_at=NOW)
BORIS = replace(ANNA, name="boris", role=OperatorRole.VIEWER)
SESSION = Session(key=b"k" * 32, operator="anna", began_at=NOW, seen_at=NOW, peer="127.0.0.1", agent="Browser")


async def test_the_first_is_one(store: SqlStore) -> None:
    assert await store.operators.add(ANNA, is_first=True)
    assert not await store.operators.add(BORIS, is_first=True)
    assert await store.operators.add(BORIS)
    assert not await store.operators.add(replace(BORIS, role=OperatorRole.ADMIN))
    assert await store.operators.all() == (ANNA, BORIS)
    assert await store.operators.get("boris") == BORIS
    assert await store.operators.get("carla") is None


@pytest.mark.parametrize("change", [{"role": OperatorRole.OPERATOR}, {"is_disabled": True}])
async def test_somebody_is_left_who_may_admit_others(store: SqlStore, change: dict[str, object]) -> None:
    await store.operators.add(ANNA)
    await store.operators.add(BORIS)
    assert not await store.operators.change(replace(ANNA, **change))  # type: ignore[arg-type]
    assert not await store.operators.remove("anna")
    assert await store.operators.change(replace(BORIS, role=OperatorRole.ADMIN))
    assert await store.operators.change(replace(ANNA, **change))  # type: ignore[arg-type]
    assert not await store.operators.remove("boris")
    assert await store.operators.remove("anna")
    assert not await store.operators.change(ANNA)


async def test_a_session_ends_by_itself(store: SqlStore) -> None:
    await store.operators.add(ANNA)
    await store.operators.begin(SESSION)
    assert await store.operators.session(SESSION.key, now=NOW + HOUR) == (SESSION, ANNA)
    assert await store.operators.session(b"x" * 32, now=NOW) is None
    assert await store.operators.session(SESSION.key, now=NOW + 12 * HOUR) is None
    await store.operators.see(seen := replace(SESSION, seen_at=NOW + 11 * HOUR))
    assert await store.operators.session(SESSION.key, now=NOW + 12 * HOUR) == (seen, ANNA)
    await store.operators.see(replace(SESSION, seen_at=NOW + 7 * DAY - 1))
    assert await store.operators.session(SESSION.key, now=NOW + 7 * DAY) is None
    assert await store.operators.sessions(now=NOW + 7 * DAY) == ()


async def test_sessions_end_with_what_they_stand_on(store: SqlStore) -> None:
    await store.operators.add(ANNA)
    await store.operators.add(replace(BORIS, role=OperatorRole.ADMIN))
    for change in (replace(ANNA, password_hash="other"), replace(ANNA, is_disabled=True)):
        await store.operators.change(ANNA)
        await store.operators.begin(SESSION)
        assert await store.operators.change(change)
        assert await store.operators.session(SESSION.key, now=NOW) is None
    await store.operators.change(ANNA)
    await store.operators.begin(SESSION)
    await store.operators.change(replace(ANNA, role=OperatorRole.VIEWER))
    found = await store.operators.session(SESSION.key, now=NOW)
    assert found
    assert found[1].role is OperatorRole.VIEWER
    assert await store.operators.end(SESSION.key)
    assert not await store.operators.end(SESSION.key)
    await store.operators.begin(SESSION)
    await store.operators.remove("anna")
    assert await store.operators.sessions(now=NOW) == ()


async def test_what_they_did(store: SqlStore) -> None:
    entry = AuditEntry(at=NOW, operator="anna", peer="127.0.0.1", action="role changed", subject="boris", detail="{}")
    first = await store.operators.note(entry)
    second = await store.operators.note(replace(entry, operator="boris"))
    await store.operators.conclude(first, subject="carla", detail="", outcome="done")
    changed = replace(entry, id=first, subject="carla", detail="", outcome="done")
    other = replace(entry, id=second, operator="boris")
    assert await store.operators.audit(before=2**53, count=10) == (other, changed)
    assert await store.operators.audit(before=second, count=10) == (changed,)
    assert await store.operators.audit(before=2**53, count=10, operator="boris") == (other,)
    assert await store.operators.audit(before=2**53, count=1) == (other,)


def test_a_role_may_what_those_before_it_may() -> None:
    may = {(role, needed) for role in OperatorRole for needed in OperatorRole if role.may(needed)}
    viewer, operator, admin = OperatorRole
    assert may == {(viewer, viewer), (operator, viewer), (operator, operator), *((admin, each) for each in OperatorRole)}
