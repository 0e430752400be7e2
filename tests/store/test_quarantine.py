from __future__ import annotations

from dataclasses import replace

import pytest

from relay.ports.event_queues import Quarantined
from relay.store.sql.store import SqlStore
from tests.store.kit import NOW


def found(number: int = 1, *, at: float = NOW) -> Quarantined:
    return Quarantined(
        id=f"sqs-{number}",
        queue="https://sqs.us-east-1.amazonaws.com/123456789012/relay-events",
        sent_at=at - 5,
        received_at=at,
        reason="not JSON",
        body="whatever \ud800 it was\0\n",
    )


async def test_what_is_put_there_is_kept_as_it_came(store: SqlStore) -> None:
    assert await store.quarantine.put(found())
    assert await store.quarantine.get("sqs-1") == found()
    assert await store.quarantine.get("sqs-2") is None


async def test_what_comes_again_is_there_once_with_its_new_reason(store: SqlStore) -> None:
    await store.quarantine.put(found())
    again = replace(found(), reason="the signature does not fit", received_at=NOW + 60)
    assert not await store.quarantine.put(again)
    assert await store.quarantine.newest(limit=10) == (replace(found(), reason="the signature does not fit"),)


async def test_the_newest_are_listed_first_and_all_in_their_order(store: SqlStore) -> None:
    for number in range(1, 6):
        await store.quarantine.put(found(number))
    assert [each.id for each in await store.quarantine.newest(limit=2)] == ["sqs-5", "sqs-4"]
    await store.quarantine.remove("sqs-2")
    assert await store.quarantine.ids() == ("sqs-1", "sqs-3", "sqs-4", "sqs-5")


@pytest.mark.parametrize(("before", "left"), [(NOW, ("sqs-1", "sqs-2")), (NOW + 1, ("sqs-2",)), (NOW + 11, ())])
async def test_what_is_old_goes_with_the_notifications(store: SqlStore, before: float, left: tuple[str, ...]) -> None:
    await store.quarantine.put(found(1))
    await store.quarantine.put(found(2, at=NOW + 10))
    gone = [count async for count in store.retention.notifications(before)]
    assert (sum(gone), await store.quarantine.ids()) == (2 - len(left), left)
