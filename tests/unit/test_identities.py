from __future__ import annotations

from dataclasses import replace
from timeit import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import policy
from relay.errors import SenderNotVerified
from relay.identities import Identities, Identity, IdentityState, KnownIdentities, detailed, merged, why_not

NOW = 1_763_720_000.0  # 2025-11-21
PENDING = "verification at SES is pending since 2025-11-21"
PAUSED = "SES has paused sending for it"
NOT_THERE = "not verified at SES"


def known(**states: str) -> KnownIdentities:
    """By name, with `_at_` for @ and `_` for a dot."""
    names = {name.replace("_at_", "@").replace("_", "."): state for name, state in states.items()}
    return KnownIdentities(
        at=NOW, identities=tuple(Identity(name=n, state=IdentityState(state), since=NOW) for n, state in names.items())
    )


def identities(**states: str) -> Identities:
    made = Identities()
    made.learn(known(**states))
    return made


def test_an_identity_is_the_same_in_whatever_case_ses_writes_it() -> None:
    made = Identities()
    names = ("Example.COM", "Anna@Example.ORG")
    made.learn(KnownIdentities(at=NOW, identities=tuple(Identity(name=n, state=IdentityState.VERIFIED) for n in names)))
    assert made.why_not("shop@example.com") == made.why_not("anna@example.org") == ""


def test_until_ses_was_asked_nobody_is_refused() -> None:
    assert Identities().why_not("anyone@example.com") == ""


@pytest.mark.parametrize(
    ("sender", "why"),
    [
        ("shop@example.com", ""),
        ("Shop@Example.COM", ""),
        ("shop@mail.example.com", ""),
        ("shop@a.b.c.example.com", ""),
        ("anna@example.org", ""),
        ("ANNA@example.org", ""),
        ("anna+orders@example.org", ""),
        ("Anna+a+b@Example.org", ""),
        ("bert+anna@example.org", NOT_THERE),
        ("+anna@example.org", NOT_THERE),
        ("anna+@mail.example.org", NOT_THERE),
        ("bert@example.org", NOT_THERE),
        ("anna@mail.example.org", NOT_THERE),
        ("shop@xexample.com", NOT_THERE),
        ("shop@example.com.evil.example", NOT_THERE),
        ("shop@com", NOT_THERE),
        ("nobody@example.net", NOT_THERE),
    ],
)
def test_a_verified_domain_stands_for_all_below_it_and_an_address_for_itself(sender: str, why: str) -> None:
    assert identities(example_com="verified", anna_at_example_org="verified").why_not(sender) == why


@pytest.mark.parametrize(
    ("states", "sender", "why"),
    [
        ({"example_com": "pending"}, "shop@example.com", PENDING),
        ({"example_com": "pending"}, "shop@mail.example.com", PENDING),
        ({"example_com": "paused"}, "shop@example.com", PAUSED),
        ({"example_com": "failed"}, "shop@example.com", "verification at SES has failed"),
        ({"example_com": "not_started"}, "shop@example.com", "verification at SES was not started"),
        ({"example_com": "unknown"}, "shop@example.com", "SES cannot tell whether it is verified"),
        # Any identity that is verified is enough, and the nearest one says why none is.
        ({"shop_at_example_com": "pending", "example_com": "verified"}, "shop@example.com", ""),
        ({"mail_example_com": "failed", "example_com": "verified"}, "shop@mail.example.com", ""),
        ({"shop_at_example_com": "verified", "example_com": "paused"}, "shop@example.com", ""),
        ({"shop_at_example_com": "paused", "example_com": "pending"}, "shop@example.com", PAUSED),
        ({"mail_example_com": "paused", "example_com": "pending"}, "shop@mail.example.com", PAUSED),
        ({"example_com": "pending", "anna_at_example_com": "paused"}, "shop@example.com", PENDING),
    ],
)
def test_the_nearest_identity_says_why_not(states: dict[str, str], sender: str, why: str) -> None:
    assert identities(**states).why_not(sender) == why


def test_an_account_without_identities_may_send_as_nobody() -> None:
    assert identities().why_not("shop@example.com") == NOT_THERE


def test_the_last_answer_takes_the_place_of_the_one_before() -> None:
    found = identities(example_com="verified")
    found.learn(known(example_org="verified"))
    assert (found.why_not("a@example.com"), found.why_not("a@example.org")) == (NOT_THERE, "")


def test_every_state_but_one_has_its_words() -> None:
    silent = [state for state in IdentityState if not why_not(Identity(name="example.com", state=state))]
    assert silent == [IdentityState.VERIFIED]


def test_since_when_is_said_where_it_is_known() -> None:
    just_listed = Identity(name="example.com", state=IdentityState.PENDING)
    assert why_not(just_listed) == "verification at SES is pending"
    assert why_not(replace(just_listed, since=NOW)) == PENDING


def test_the_first_sender_that_is_not_verified_is_refused_with_the_reason() -> None:
    book = identities(example_com="verified", example_org="paused")
    policy.verified(["shop@example.com", "anna@mail.example.com"], book)
    with pytest.raises(SenderNotVerified) as refused:
        policy.verified(["shop@example.com", "Anna@example.org", "bert@example.net"], book)
    assert (refused.value.subject, refused.value.reason) == ("Anna@example.org", PAUSED)


# What a new answer makes of what was known.


def test_what_is_seen_for_the_first_time_is_so_since_now() -> None:
    [found] = merged([Identity(name="example.com", state=IdentityState.PENDING)], None, at=NOW).identities
    assert (found.state, found.since) == (IdentityState.PENDING, NOW)


def test_what_is_as_it_was_is_so_since_it_was_seen_first_and_keeps_what_was_found_out() -> None:
    before = Identity(name="example.com", state=IdentityState.PENDING, since=NOW, dkim="pending", looked_at=NOW)
    again = Identity(name="example.com", state=IdentityState.PENDING)
    [found] = merged([again], KnownIdentities(at=NOW, identities=(before,)), at=NOW + 900).identities
    assert found == before
    [changed] = merged(
        [replace(again, state=IdentityState.VERIFIED)], KnownIdentities(at=NOW, identities=(before,)), at=NOW + 900
    ).identities
    assert changed == replace(before, state=IdentityState.VERIFIED, since=NOW + 900)


def test_what_is_gone_is_forgotten() -> None:
    assert merged([], known(example_com="verified"), at=NOW + 900) == KnownIdentities(at=NOW + 900, identities=())


@pytest.mark.parametrize("state", list(IdentityState))
def test_that_ses_cannot_tell_takes_nothing_from_what_was_verified(state: IdentityState) -> None:
    seen = [Identity(name="example.com", state=IdentityState.UNKNOWN)]
    [found] = merged(seen, known(example_com=state), at=NOW + 900).identities
    assert found.state is (IdentityState.VERIFIED if state is IdentityState.VERIFIED else IdentityState.UNKNOWN)


NAMES = st.sampled_from(["com", "example.com", "mail.example.com", "a@example.com", "a@mail.example.com", "example.org"])


@given(st.dictionaries(NAMES, st.sampled_from(list(IdentityState))), NAMES.filter(lambda name: "@" in name))
def test_mail_may_be_sent_if_and_only_if_something_that_covers_it_is_verified(
    states: dict[str, IdentityState], sender: str
) -> None:
    book = Identities()
    book.learn(KnownIdentities(at=NOW, identities=tuple(Identity(name=n, state=s) for n, s in states.items())))
    labels = sender.partition("@")[2].split(".")
    covering = {sender, *(".".join(labels[n:]) for n in range(len(labels)))}
    expected = any(states.get(name) is IdentityState.VERIFIED for name in covering)
    assert (book.why_not(sender) == "") is expected


def test_the_question_costs_nothing_that_a_message_would_feel() -> None:
    many = {f"d{number}_example": "verified" for number in range(10_000)}
    book = identities(example_com="verified", **many)
    times = [timeit(lambda: book.why_not("Shop@Example.com"), number=1000) for _ in range(5)]
    assert min(times) / 1000 < 5e-6  # seconds; some 0.4 µs on a quiet machine


def test_details_leave_states_as_they_are_and_give_way_to_newer_ones() -> None:
    listed = [Identity(name=name, state=IdentityState.PENDING, since=5.0, looked_at=7.0) for name in ("a.example", "b.example")]
    found = {each.name: replace(each, state=IdentityState.VERIFIED, since=1.0, dkim="success") for each in listed}
    looked = {"a.example": found["a.example"], "b.example": replace(found["b.example"], looked_at=6.0)}
    found_out = detailed(KnownIdentities(at=9.0, identities=tuple(listed)), looked)
    assert found_out == KnownIdentities(at=9.0, identities=(replace(listed[0], dkim="success"), listed[1]))
