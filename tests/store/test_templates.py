"""Texts that are used again and again: of one login each, and by one name each."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from relay.errors import StoreRefuses
from relay.ports.templates import Template
from relay.store.sql.store import SqlStore
from tests.store.kit import Opener

WELCOME = Template(
    name="Welcome",
    user_id="welcome",
    sender="shop@example.com",
    sender_name='The "Shop"',
    subject="Привет",
    html="<p>[Unsubscribe]</p>",
    text="hello",
)


async def test_a_template_is_read_as_it_was_written(store: SqlStore) -> None:
    id = await store.templates.add("app", WELCOME)
    assert id > 0
    assert await store.templates.find("app", str(id)) == replace(WELCOME, id=id)
    assert await store.templates.find("app", "welcome") == replace(WELCOME, id=id)


@pytest.mark.parametrize("id", ["", "0", "-1", "other", "9" * 30, "\u0661"])
async def test_what_there_is_not_is_not_found(store: SqlStore, id: str) -> None:
    await store.templates.add("app", replace(WELCOME, user_id=""))
    assert await store.templates.find("app", id) is None


async def test_what_its_owner_calls_it_comes_before_a_number(store: SqlStore) -> None:
    first = await store.templates.add("app", replace(WELCOME, user_id=""))
    second = await store.templates.add("app", replace(WELCOME, user_id=str(first)))
    found = await store.templates.find("app", str(first))
    assert found is not None
    assert found.id == second


async def test_two_of_a_login_have_no_name_in_common(store: SqlStore) -> None:
    first = await store.templates.add("app", WELCOME)
    with pytest.raises(StoreRefuses):
        await store.templates.add("app", replace(WELCOME, name="another"))
    other = await store.templates.add("app", replace(WELCOME, user_id="other"))
    with pytest.raises(StoreRefuses):
        await store.templates.put("app", replace(WELCOME, id=other))
    assert await store.templates.put("app", replace(WELCOME, id=first, name="the same name again"))
    nameless = [await store.templates.add("app", replace(WELCOME, user_id="")) for _ in range(2)]
    assert len({first, other, *nameless, await store.templates.add("news", WELCOME)}) == 5


async def test_of_two_that_come_at_the_same_time_one_gets_the_name(store: SqlStore, another: Opener, engine: str) -> None:
    other = await another() if engine == "postgres" else store
    asked = [each.templates.add("app", WELCOME) for each in (store, other, store, other)]
    came = await asyncio.gather(*asked, return_exceptions=True)
    assert sorted(type(each).__name__ for each in came) == ["StoreRefuses"] * 3 + ["int"]
    assert (await store.templates.of("app", skipped=0, count=9))[1] == 1


async def test_another_login_finds_and_changes_nothing(store: SqlStore) -> None:
    id = await store.templates.add("app", WELCOME)
    assert await store.templates.find("news", str(id)) is None
    assert not await store.templates.put("news", replace(WELCOME, id=id, name="stolen"))
    assert not await store.templates.remove("news", id)
    assert await store.templates.of("news", skipped=0, count=9) == ((), 0)
    assert await store.templates.find("app", "welcome") == replace(WELCOME, id=id)


async def test_it_is_replaced_as_a_whole_and_removed(store: SqlStore) -> None:
    id = await store.templates.add("app", WELCOME)
    changed = Template(id=id, name="changed", html="x")
    assert await store.templates.put("app", changed)
    assert await store.templates.find("app", str(id)) == changed
    assert await store.templates.find("app", "welcome") is None
    assert await store.templates.remove("app", id)
    assert not await store.templates.remove("app", id)
    assert not await store.templates.put("app", changed)
    assert await store.templates.find("app", str(id)) is None


async def test_some_are_listed_in_the_order_in_which_they_were_added(store: SqlStore) -> None:
    for number in range(5):
        await store.templates.add("app", Template(name=f"{number}", html="x"))
    await store.templates.add("news", Template(name="of another", html="x"))
    found, total = await store.templates.of("app", skipped=1, count=3)
    assert ([each.name for each in found], total) == (["1", "2", "3"], 5)
    assert await store.templates.of("app", skipped=5, count=3) == ((), 5)
