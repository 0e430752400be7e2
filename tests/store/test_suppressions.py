from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from relay.errors import StoreUnavailable
from relay.model import Labels, State
from relay.store.sql.store import SqlStore
from relay.suppression import EVERYWHERE, Change, Filter, Reason, of_credential, of_list
from tests.store.kit import NOW, Opener, claims, enqueue, release, suppressed, suppression


async def test_what_was_added_is_found_by_the_address_as_given(store: SqlStore) -> None:
    added = suppression("Reader@Example.net")
    assert await store.suppressions.add(added)
    found = await suppressed(store, "READER@example.net", "other@example.net")
    assert found == {"READER@example.net": added}


async def test_two_spellings_in_one_question_are_both_answered(store: SqlStore) -> None:
    await store.suppressions.add(suppression("a@example.net"))
    assert set(await suppressed(store, "a@example.net", "A@example.net")) == {"a@example.net", "A@example.net"}


@pytest.mark.parametrize("order", [("hard_bounce", "complaint", "manual"), ("complaint", "manual", "hard_bounce")])
async def test_the_gravest_reason_stands_whichever_came_first(store: SqlStore, order: tuple[str, ...]) -> None:
    for reason in (*order, "soft_bounces"):
        assert await store.suppressions.add(suppression(reason=reason))
        assert not await store.suppressions.add(suppression("READER@example.net", reason=reason))
    found = await suppressed(store, "reader@example.net")
    assert found["reader@example.net"].reason is Reason.COMPLAINT


async def test_removed_is_gone_and_may_come_back(store: SqlStore) -> None:
    await store.suppressions.add(suppression())
    assert await store.suppressions.remove(release("READER@example.net"))
    assert await suppressed(store, "reader@example.net") == {}
    assert not await store.suppressions.remove(release("reader@example.net"))
    assert await store.suppressions.add(suppression())


async def test_a_removal_where_nothing_is_keeps_what_happened_before_away(store: SqlStore) -> None:
    assert not await store.suppressions.remove(release(at=NOW + 100))
    [past] = await store.suppressions.history("reader@example.net")
    assert (past.change, past.reason, past.source) == (Change.REMOVED, None, "cli")


@pytest.mark.parametrize(("first", "second"), [(60.0, 0.0), (60.0, 120.0)])
async def test_of_one_reason_the_entry_that_ends_later_stands(store: SqlStore, first: float, second: float) -> None:
    early, late = (replace(suppression(), expires_at=NOW + end if end else 0.0) for end in (first, second))
    assert await store.suppressions.add(early)
    assert await store.suppressions.add(late)
    assert not await store.suppressions.add(early)
    assert await suppressed(store, "reader@example.net", now=NOW + 61)


async def test_a_graver_reason_for_a_time_leaves_the_lesser_one_that_has_no_end(store: SqlStore) -> None:
    await store.suppressions.add(suppression(reason="unsubscribed"))
    await store.suppressions.add(replace(suppression(reason="complaint"), expires_at=NOW + 60))
    assert (await suppressed(store, "reader@example.net"))["reader@example.net"].reason is Reason.COMPLAINT
    later = await suppressed(store, "reader@example.net", now=NOW + 61)
    assert later["reader@example.net"].reason is Reason.UNSUBSCRIBED


async def test_nobody_is_asked_for_and_nobody_found(store: SqlStore) -> None:
    assert (
        await suppressed(
            store,
        )
        == {}
    )


async def test_many_questions_at_once_each_get_their_own_answer(store: SqlStore) -> None:
    for number in range(0, 100, 2):
        await store.suppressions.add(suppression(f"reader{number}@example.net"))
    asked = [f"reader{number}@example.net" for number in range(100)]
    answers = await asyncio.gather(*(suppressed(store, each) for each in asked))
    assert [bool(answer) for answer in answers] == [number % 2 == 0 for number in range(100)]


async def test_one_who_stops_waiting_leaves_the_others_their_answers(store: SqlStore) -> None:
    await store.suppressions.add(suppression())
    leaving = asyncio.ensure_future(suppressed(store, "reader@example.net"))
    staying = asyncio.ensure_future(suppressed(store, "reader@example.net"))
    await asyncio.sleep(0)
    leaving.cancel()
    assert list(await staying) == ["reader@example.net"]
    assert leaving.cancelled()


async def test_a_list_that_cannot_be_read_is_told_to_everyone_and_nobody_waits_for_ever(store: SqlStore) -> None:
    await store.close()
    async with asyncio.timeout(5):
        questions = [suppressed(store, f"reader{number}@example.net") for number in range(5)]
        answers = await asyncio.gather(*questions, return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 5


async def test_the_newest_come_first_of_one_reason_or_of_all(store: SqlStore) -> None:
    for number, reason in enumerate(("manual", "complaint", "manual")):
        each = suppression(f"reader{number}@example.net", reason=reason)
        await store.suppressions.add(replace(each, created_at=1000.0 + number))
    every = await store.suppressions.listed(Filter(), limit=10)
    assert [each.address for each in every] == [f"reader{number}@example.net" for number in (2, 1, 0)]
    assert await store.suppressions.listed(Filter(), limit=1) == every[:1]
    assert await store.suppressions.listed(Filter(reason=Reason.COMPLAINT), limit=10) == (every[1],)


async def test_a_store_opened_to_read_finds_and_does_not_write(store: SqlStore, another_to_read: Opener) -> None:
    await store.suppressions.add(suppression())
    reading = await another_to_read()
    assert list(await suppressed(reading, "reader@example.net")) == ["reader@example.net"]
    with pytest.raises(StoreUnavailable):
        await reading.suppressions.remove(release("reader@example.net"))


# For some mail only, and for some time.


async def test_an_entry_for_one_login_or_list_stops_no_other_mail(store: SqlStore) -> None:
    await store.suppressions.add(replace(suppression(), scope=of_credential("crm")))
    await store.suppressions.add(replace(suppression(), scope=of_list("news")))
    assert await suppressed(store, "reader@example.net") == {}
    assert (await enqueue(store, 1, credential="crm")).state is State.SUPPRESSED
    assert (await enqueue(store, 2, labels=Labels(list="news"))).state is State.SUPPRESSED
    assert (await enqueue(store, 3, labels=Labels(list="offers"))).state is State.QUEUED
    assert await store.suppressions.remove(release(scope=of_credential("crm")))
    assert (await enqueue(store, 4, credential="crm")).state is State.QUEUED


async def test_of_several_the_gravest_is_told(store: SqlStore) -> None:
    await store.suppressions.add(suppression())
    await store.suppressions.add(replace(suppression(reason="complaint"), scope=of_credential("app")))
    assert (await enqueue(store)).reason.startswith("complaint since")


async def test_what_waits_is_stopped_by_an_entry_for_its_list_too(store: SqlStore) -> None:
    waiting = await enqueue(store, labels=Labels(list="news"))
    await store.suppressions.add(replace(suppression(), scope=of_list("news")))
    assert [ended.id for ended in (await claims(store)).ended] == [waiting.id]


async def test_an_entry_whose_time_is_over_stops_nothing_and_goes(store: SqlStore) -> None:
    await store.suppressions.add(replace(suppression(), expires_at=NOW + 60))
    assert "reader@example.net" in await suppressed(store, "reader@example.net", now=NOW + 59)
    assert await suppressed(store, "reader@example.net", now=NOW + 60) == {}
    assert (await store.suppressions.find(["reader@example.net"])).entries("reader@example.net")
    assert [count async for count in store.retention.suppressions(NOW + 59)] == []
    assert [count async for count in store.retention.suppressions(NOW + 60)] == [1]
    assert not (await store.suppressions.find(["reader@example.net"])).entries("reader@example.net")
    assert [past.change for past in await store.suppressions.history("reader@example.net")] == [Change.ADDED, Change.EXPIRED]


async def test_an_entry_whose_time_is_over_makes_room_for_a_lesser_one(store: SqlStore) -> None:
    await store.suppressions.add(replace(suppression(reason="complaint"), expires_at=NOW + 60))
    assert await store.suppressions.add(replace(suppression(), created_at=NOW + 61))
    assert (await suppressed(store, "reader@example.net", now=NOW + 61))["reader@example.net"].reason is Reason.MANUAL


async def test_the_history_has_every_change_with_who_made_it(store: SqlStore) -> None:
    await store.suppressions.add(suppression())
    await store.suppressions.add(replace(suppression(reason="hard_bounce"), source="ses-1"))
    await store.suppressions.remove(release("Reader@example.net"))
    told = [(past.change, past.reason, past.source) for past in await store.suppressions.history("READER@example.net")]
    assert told == [
        (Change.ADDED, Reason.MANUAL, "cli"),
        (Change.ADDED, Reason.HARD_BOUNCE, "ses-1"),
        (Change.REMOVED, Reason.HARD_BOUNCE, "cli"),
        (Change.REMOVED, Reason.MANUAL, "cli"),
    ]
    assert await store.suppressions.history("other@example.net") == ()


async def test_a_list_is_filtered_by_scope_text_and_time(store: SqlStore) -> None:
    for number, scope in enumerate((EVERYWHERE, of_list("news"), of_list("news"))):
        each = replace(suppression(f"reader{number}@example.net"), scope=scope, created_at=NOW + number)
        await store.suppressions.add(each)

    async def listed(wanted: Filter) -> list[str]:
        return [found.address.partition("@")[0] for found in await store.suppressions.listed(wanted, limit=10)]

    assert await listed(Filter(scope=of_list("news"))) == ["reader2", "reader1"]
    assert await listed(Filter(text="READER1@")) == ["reader1"]
    assert await listed(Filter(since=NOW + 1, until=NOW + 2)) == ["reader1"]
