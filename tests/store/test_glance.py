"""The queue at a glance: what `status` says, of some flows, and counted so far as it is quick."""

from __future__ import annotations

import pytest

from relay.model import State
from relay.outcome import Hold, HoldScope
from relay.rate import Account
from relay.store.sql import desk
from relay.store.sql.store import SqlStore
from tests.store.kit import NOW, claim, enqueue


async def test_a_glance_says_what_the_status_says(store: SqlStore) -> None:
    assert await store.desk.glance(now=NOW, flows=10) == (await store.desk.status(now=NOW), 0)
    for number in range(1, 5):
        await enqueue(store, number, credential="app" if number < 3 else "crm", due_at=NOW + 60 * (number == 1))
    await claim(store, limit=1)
    await store.desk.hold(Hold(HoldScope.ACCOUNT, "maintenance", 60.0), now=NOW)
    await store.account.put(Account(rate=14.0, quota=-1.0, sent=0.0, at=NOW))
    found, flows = await store.desk.glance(now=NOW, flows=10)
    assert (found, flows) == (await store.desk.status(now=NOW), 2)
    assert found.states == {State.QUEUED: 3, State.SENDING: 1}


async def test_of_many_flows_the_first_are_shown_and_the_others_counted(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "_DUE_OF", desk._DUE_OF.replace("LIMIT 100", "LIMIT 2"))
    for number in range(1, 7):
        await enqueue(store, number, credential="many" if number < 4 else f"app{number}")
    found, flows = await store.desk.glance(now=NOW, flows=2)
    assert flows == 4
    assert [(each.open, each.due) for each in found.flows] == [(3, 2), (1, 1)]
    assert found.flows[0].flow.credential == "many"
    assert (await store.desk.status(now=NOW)).flows[0].due == 3
