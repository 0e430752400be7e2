"""What the console knows of logins is what the store has, after every change."""

from __future__ import annotations

from dataclasses import replace

from relay.store.sql.store import SqlStore
from relay.web.console.known_logins import KnownLogins
from tests.harness import APPLICATION


async def test_all_are_known_in_order_and_as_they_are_now(store: SqlStore) -> None:
    logins = KnownLogins(store.credentials)
    assert await logins.all() == []
    for name in ("b", "Zoë", "a/b", "a"):
        await store.credentials.put(replace(APPLICATION, name=name))
    assert [login.name for login in await logins.all()] == ["Zoë", "a", "a/b", "b"]
    await store.credentials.put(replace(APPLICATION, name="a", disabled=True))
    await store.credentials.put(replace(APPLICATION, name="ab"))
    assert await logins.all() == list(await store.credentials.all())
    assert [login.disabled for login in await logins.all()] == [False, True, False, False, False]
    assert await KnownLogins(store.credentials).all() == await logins.all()
