"""Access keys of our own: each as it was issued, disabled, or gone, on every node."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from relay.access_keys import IssuedKey
from relay.credential import LastUse
from relay.store.sql.store import SqlStore
from tests.store.kit import NOW, Opener

KEY = IssuedKey(id="AKIAEXAMPLEEXAMPLE22", credential="Zoë", secret="1:c2VhbGVk", smtp_hash="$argon2id$", created_at=NOW)
OTHER = replace(KEY, id="AKIAEXAMPLEEXAMPLE33", smtp_hash="", created_at=NOW + 1, disabled=True)


async def test_a_key_is_read_as_it_was_issued(store: SqlStore) -> None:
    assert await store.access_keys.add(KEY)
    assert await store.access_keys.add(OTHER)
    assert await store.access_keys.get(KEY.id) == KEY
    assert await store.access_keys.get(OTHER.id) == OTHER
    assert await store.access_keys.get("AKIAEXAMPLEEXAMPLE44") is None


async def test_all_are_listed_by_login_the_oldest_first(store: SqlStore) -> None:
    of_another = replace(KEY, id="AKIAEXAMPLEEXAMPLE44", credential="Anna")
    for key in (OTHER, KEY, of_another):
        await store.access_keys.add(key)
    assert await store.access_keys.all() == (of_another, KEY, OTHER)


async def test_an_id_is_given_once(store: SqlStore) -> None:
    assert await store.access_keys.add(KEY)
    assert not await store.access_keys.add(replace(KEY, credential="thief"))
    assert await store.access_keys.get(KEY.id) == KEY


async def test_of_many_that_are_added_at_once_each_hears_of_its_own(store: SqlStore) -> None:
    keys = [replace(KEY, id=f"AKIAEXAMPLEEXAMPL{number:03}") for number in (1, 2, 1, 3)]
    assert await asyncio.gather(*map(store.access_keys.add, keys)) == [True, True, False, True]


async def test_a_key_that_was_changed_or_removed_is_so_for_others_too(store: SqlStore, another_to_read: Opener) -> None:
    await store.access_keys.add(KEY)
    await store.access_keys.add(OTHER)
    assert await store.access_keys.change(replace(KEY, disabled=True, credential="thief"))
    there = (await another_to_read()).access_keys
    assert await there.get(KEY.id) == replace(KEY, disabled=True)
    assert await store.access_keys.remove(KEY.id)
    assert await there.get(KEY.id) is None
    assert await there.all() == (OTHER,)


async def test_what_is_not_there_is_neither_changed_nor_removed(store: SqlStore) -> None:
    assert not await store.access_keys.change(KEY)
    assert not await store.access_keys.remove(KEY.id)
    assert await store.access_keys.all() == ()


async def test_with_a_key_goes_what_is_known_of_its_use(store: SqlStore) -> None:
    for name in (KEY.id, OTHER.id):
        await store.access_keys.add(replace(KEY, id=name))
        await store.credentials.note_use(LastUse(name=name, password_hash="", at=NOW, peer="127.0.0.1", helo="Boto3"))
    await store.access_keys.remove(KEY.id)
    assert [use.name for use in await store.credentials.last_uses()] == [OTHER.id]
