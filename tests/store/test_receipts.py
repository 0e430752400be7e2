"""What was asked once, under the one or two keys that it may come again with."""

from __future__ import annotations

import pytest

from relay.errors import StoreRefuses
from relay.model import Receipt
from relay.once import Done, KeyReused, once
from relay.store.sql.store import SqlStore
from tests.store.kit import CONTENT, delivery, message

BOTH = Receipt("signature 1", b"request", "call 1")


async def keep(store: SqlStore, receipt: Receipt, number: int = 1) -> str:
    made = message(number)
    await store.queue.enqueue(made, CONTENT, (delivery(made),), receipt=receipt)
    return made.id


async def test_a_receipt_is_found_under_either_key(store: SqlStore) -> None:
    id = await keep(store, BOTH)
    for key in ("signature 1", "call 1"):
        assert await store.receipts.find("app", key) == (b"request", id)
        assert await store.receipts.find("another", key) is None
    await keep(store, Receipt("signature 2", b"request"), 2)
    assert await store.receipts.find("app", "") is None


@pytest.mark.parametrize(
    "receipt", [Receipt("signature 1", b"request", "call 2"), Receipt("signature 2", b"request", "call 1")]
)
async def test_a_message_under_a_key_that_was_used_is_not_kept(store: SqlStore, receipt: Receipt) -> None:
    await keep(store, BOTH)
    with pytest.raises(StoreRefuses):
        await keep(store, receipt, 2)
    assert len(await store.messages.newest(limit=10)) == 1
    assert await store.receipts.find("app", "signature 2") is None


async def test_what_was_done_under_either_key_is_not_done_again(store: SqlStore) -> None:
    async def never() -> str:
        raise AssertionError("done again")

    id = await keep(store, BOTH)
    for receipt in (Receipt("signature 1", b"request", "call 2"), Receipt("signature 2", b"request", "call 1")):
        assert await once(store.receipts, "app", receipt, never) == Done(id, is_repeated=True)
    with pytest.raises(KeyReused):
        await once(store.receipts, "app", Receipt("signature 2", b"another", "call 1"), never)


async def test_of_two_at_the_same_time_one_is_done(store: SqlStore) -> None:
    async def late() -> str:
        await keep(store, BOTH)
        return await keep(store, Receipt("signature 2", b"request", "call 1"), 2)

    assert await once(store.receipts, "app", Receipt("signature 2", b"request", "call 1"), late) == Done(
        message(1).id, is_repeated=True
    )
