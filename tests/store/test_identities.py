from __future__ import annotations

import pytest

from relay.errors import StoreUnavailable
from relay.identities import Identity, IdentityState, KnownIdentities
from relay.store.sqlite.store import SqliteStore
from tests.store.kit import NOW

FULL = Identity(
    name="example.com",
    state=IdentityState.FAILED,
    since=NOW - 5,
    dkim="pending",
    mail_from="failed",
    error="host_not_found",
    looked_at=NOW,
)


async def test_before_the_first_time_nothing_is_known(store: SqliteStore) -> None:
    assert await store.identities.known() is None


async def test_an_account_without_identities_is_known_as_such(store: SqliteStore) -> None:
    await store.identities.put(KnownIdentities(at=NOW, identities=()))
    assert await store.identities.known() == KnownIdentities(at=NOW, identities=())


async def test_all_of_them_are_kept_in_full_and_by_name(store: SqliteStore) -> None:
    others = tuple(Identity(name=f"d{number:03}.example", state=IdentityState.VERIFIED) for number in range(100))
    await store.identities.put(KnownIdentities(at=NOW, identities=(FULL, *reversed(others))))
    assert await store.identities.known() == KnownIdentities(at=NOW, identities=(*others, FULL))


@pytest.mark.parametrize("state", list(IdentityState))
async def test_every_state_is_kept(store: SqliteStore, state: IdentityState) -> None:
    await store.identities.put(KnownIdentities(at=NOW, identities=(Identity(name="example.com", state=state),)))
    found = await store.identities.known()
    assert found
    assert found.identities[0].state is state


async def test_the_last_takes_the_place_of_all_before(store: SqliteStore) -> None:
    await store.identities.put(KnownIdentities(at=NOW, identities=(FULL,)))
    other = KnownIdentities(at=NOW + 1, identities=(Identity(name="example.org", state=IdentityState.VERIFIED),))
    await store.identities.put(other)
    assert await store.identities.known() == other


async def test_who_only_reads_cannot_put(store: SqliteStore, tmp_path: object) -> None:
    await store.identities.put(KnownIdentities(at=NOW, identities=(FULL,)))
    reading = await SqliteStore.open_to_read(tmp_path / "relay.db")  # type: ignore[operator]
    try:
        assert await reading.identities.known() == KnownIdentities(at=NOW, identities=(FULL,))
        with pytest.raises(StoreUnavailable):
            await reading.identities.put(KnownIdentities(at=NOW, identities=()))
    finally:
        await reading.close()
