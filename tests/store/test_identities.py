from __future__ import annotations

import pytest

from relay.errors import StoreUnavailable
from relay.identities import Identity, IdentityState, KnownIdentities
from relay.store.sql.store import SqlStore
from tests.store.kit import NOW, Opener

FULL = Identity(
    name="example.com",
    state=IdentityState.FAILED,
    since=NOW - 5,
    dkim="pending",
    mail_from="failed",
    error="host_not_found",
    dkim_hosts=("one.dkim.amazonses.com", "two.dkim.amazonses.com"),
    looked_at=NOW,
)


async def test_before_the_first_time_nothing_is_known(store: SqlStore) -> None:
    assert await store.identities.known() is None


async def test_an_account_without_identities_is_known_as_such(store: SqlStore) -> None:
    await store.identities.put(KnownIdentities(at=NOW, identities=()))
    assert await store.identities.known() == KnownIdentities(at=NOW, identities=())


async def test_all_of_them_are_kept_in_full_and_by_name(store: SqlStore) -> None:
    others = tuple(Identity(name=f"d{number:03}.example", state=IdentityState.VERIFIED) for number in range(100))
    await store.identities.put(KnownIdentities(at=NOW, identities=(FULL, *reversed(others))))
    assert await store.identities.known() == KnownIdentities(at=NOW, identities=(*others, FULL))


@pytest.mark.parametrize("state", list(IdentityState))
async def test_every_state_is_kept(store: SqlStore, state: IdentityState) -> None:
    await store.identities.put(KnownIdentities(at=NOW, identities=(Identity(name="example.com", state=state),)))
    found = await store.identities.known()
    assert found
    assert found.identities[0].state is state


async def test_the_last_takes_the_place_of_all_before(store: SqlStore) -> None:
    await store.identities.put(KnownIdentities(at=NOW, identities=(FULL,)))
    other = KnownIdentities(at=NOW + 1, identities=(Identity(name="example.org", state=IdentityState.VERIFIED),))
    await store.identities.put(other)
    assert await store.identities.known() == other


async def test_who_only_reads_cannot_put(store: SqlStore, another_to_read: Opener) -> None:
    await store.identities.put(KnownIdentities(at=NOW, identities=(FULL,)))
    reading = await another_to_read()
    assert await reading.identities.known() == KnownIdentities(at=NOW, identities=(FULL,))
    with pytest.raises(StoreUnavailable):
        await reading.identities.put(KnownIdentities(at=NOW, identities=()))
