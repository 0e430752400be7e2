"""The sync, step by step, over a real store: SES is a value that says what it is told to."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from time import monotonic

import pytest

from relay.errors import SesUnavailable, StoreUnavailable
from relay.identities import Identity, IdentityState, KnownIdentities
from relay.senders import IdentitySync
from relay.store.sql.store import SqlStore
from tests.store.kit import NOW


class Account:
    """Implements ports.SesIdentities. `answers` is how often it tells of one before it throttles."""

    def __init__(self, *names: str, answers: int = 1000) -> None:
        self.listed = tuple(Identity(name=name, state=IdentityState.VERIFIED) for name in names)
        self.answers = answers
        self.now = NOW
        self.looked: list[str] = []
        self.asked_at: list[float] = []

    async def all(self) -> tuple[Identity, ...]:
        self.asked_at.append(monotonic())
        return self.listed

    async def look(self, identity: Identity) -> Identity:
        self.asked_at.append(monotonic())
        if len(self.looked) >= self.answers:
            raise SesUnavailable("TooManyRequestsException", "slower")
        self.looked.append(identity.name)
        self.now += 1
        return replace(identity, dkim="success", looked_at=self.now)


def syncing(account: Account, store: SqlStore, *, pause: float = 0.0) -> IdentitySync:
    return IdentitySync(ses=account, store=store.identities, clock=lambda: account.now, pause=pause)


async def test_what_is_listed_is_known_and_kept(store: SqlStore) -> None:
    sync = syncing(Account("example.com", "anna@example.org"), store)
    known = await sync.once()
    assert [(found.name, found.dkim, found.since) for found in known.identities] == [
        ("example.com", "success", NOW),
        ("anna@example.org", "success", NOW),
    ]
    assert sync.identities.known == known
    kept = await store.identities.known()
    assert kept
    assert set(kept.identities) == set(known.identities)


async def test_what_was_kept_is_known_after_a_restart(store: SqlStore) -> None:
    await syncing(Account("example.com"), store).once()
    sync = syncing(Account(), store)
    assert sync.identities.why_not("shop@example.org") == ""
    await sync.restore()
    assert (sync.identities.why_not("shop@example.com"), bool(sync.identities.why_not("shop@example.org"))) == ("", True)


async def test_a_ses_that_throttles_is_asked_for_the_rest_the_next_time(store: SqlStore) -> None:
    names = [f"d{number}.example" for number in range(7)]
    account = Account(*names, answers=3)
    sync = syncing(account, store)
    known = await sync.once()
    assert [found.dkim for found in known.identities] == ["success"] * 3 + [""] * 4
    assert [sync.identities.why_not(f"shop@{name}") for name in names] == [""] * 7
    for answers, looked in ((6, names[:6]), (9, [*names, *names[:2]])):
        account.answers = answers
        known = await sync.once()
        assert account.looked == looked
    assert [found.dkim for found in known.identities] == ["success"] * 7


async def test_there_is_a_pause_between_any_two_questions(store: SqlStore) -> None:
    account = Account("example.com", "example.org")
    await syncing(account, store, pause=0.05).once()
    whole, account.asked_at = account.asked_at, []
    await syncing(account, store, pause=0.05).look("example.org")
    assert [later - sooner >= 0.05 for asked in (whole, account.asked_at) for sooner, later in pairwise(asked)] == [True] * 3


async def test_an_account_with_very_many_is_looked_through_bit_by_bit(store: SqlStore) -> None:
    account = Account(*(f"d{number:03}.example" for number in range(120)))
    sync = syncing(account, store)
    assert [len(set(account.looked)) for _ in range(3) if await sync.once()] == [50, 100, 120]


async def test_one_is_looked_at_without_the_others_and_while_they_are(store: SqlStore) -> None:
    account = Account("example.com", "example.org")
    sync = syncing(account, store)
    found = await sync.look("Example.ORG")
    assert found
    assert (found.name, found.dkim, account.looked) == ("example.org", "success", ["example.org"])
    assert [each.dkim for each in (sync.identities.known or KnownIdentities(at=0, identities=())).identities] == ["", "success"]
    assert await store.identities.known() == sync.identities.known
    assert await sync.look("example.net") is None


async def test_what_is_found_out_of_one_is_not_lost_to_what_began_before(store: SqlStore) -> None:
    class Slow(Account):
        async def look(self, identity: Identity) -> Identity:
            if identity.name == "d1.example" and not meanwhile:
                meanwhile.append(identity)
                self.listed = (*self.listed, Identity(name="new.example", state=IdentityState.PENDING))
                assert await sync.look("new.example")
            return await super().look(identity)

    meanwhile: list[Identity] = []
    sync = syncing(Slow("d0.example", "d1.example", "d2.example"), store)
    known = await sync.once()
    states = [(each.name, each.state, each.dkim) for each in known.identities]
    verified = [(f"d{number}.example", IdentityState.VERIFIED, "success") for number in range(3)]
    assert states == [*verified, ("new.example", IdentityState.PENDING, "success")]
    kept = await store.identities.known()
    assert kept
    assert set(kept.identities) == set(known.identities)


async def test_a_ses_that_does_not_answer_changes_nothing(store: SqlStore) -> None:
    class Broken(Account):
        async def all(self) -> tuple[Identity, ...]:
            raise SesUnavailable("ServiceUnavailableException", "later")

    known = await syncing(Account("example.com"), store).once()
    sync = syncing(Broken(), store)
    await sync.restore()
    with pytest.raises(SesUnavailable):
        await sync.once()
    assert sync.identities.known == await store.identities.known() == known


async def test_a_store_that_cannot_keep_it_does_not_stop_it_from_being_obeyed(store: SqlStore) -> None:
    class Full:
        async def known(self) -> KnownIdentities | None:
            return await store.identities.known()

        async def mark(self) -> object:
            return await store.identities.mark()

        async def put(self, known: KnownIdentities) -> None:
            raise StoreUnavailable("disk full")

    sync = IdentitySync(ses=Account("example.com"), store=Full(), clock=lambda: NOW, pause=0.0)
    with pytest.raises(StoreUnavailable):
        await sync.once()
    assert sync.identities.why_not("shop@example.org") == "not verified at SES"
