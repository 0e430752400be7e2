from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import status
from relay.event import EventType
from relay.model import State

# The facts from the one shown before all others to the one shown last, and the word for each.
RANKS: list[tuple[tuple[str, str], str]] = [
    ((EventType.COMPLAINT, "complaint"), "complained"),
    ((EventType.COMPLAINT, "candidate"), "complained"),
    ((EventType.BOUNCE, "hard"), "bounced hard"),
    ((EventType.BOUNCE, "already_suppressed"), "bounced hard"),
    ((EventType.COMPLAINT, "already_suppressed"), "bounced hard"),
    ((EventType.SUBSCRIPTION, "left"), "unsubscribed"),
    ((EventType.BOUNCE, "opt_out"), "unsubscribed"),
    ((EventType.REJECT, ""), "rejected"),
    ((EventType.RENDERING_FAILURE, ""), "rejected"),
    ((EventType.BOUNCE, "soft"), "bounced soft"),
    ((EventType.CLICK, ""), "clicked"),
    ((EventType.OPEN, ""), "opened"),
    ((EventType.DELIVERY, ""), "delivered"),
    ((EventType.CLICK, "bot"), "delivered"),
    ((EventType.OPEN, "bot"), "delivered"),
    ((EventType.BOUNCE, "auto_reply"), "auto-reply"),
    ((EventType.DELIVERY_DELAY, ""), "delayed"),
    ((EventType.SUBSCRIPTION, "came_back"), "sent"),
    ((EventType.SEND, ""), "sent"),
]
OPINIONS = [(EventType.COMPLAINT, "complaint"), (EventType.COMPLAINT, "candidate"), (EventType.SUBSCRIPTION, "left")]
OPTED_OUT = (EventType.BOUNCE, "opt_out")


@pytest.mark.parametrize(("fact", "word"), RANKS)
def test_a_fact_alone_is_shown_by_its_word(fact: tuple[str, str], word: str) -> None:
    assert status.shown_status(State.SENT, [fact]) == word


@pytest.mark.parametrize(("higher", "lower"), list(pairwise(RANKS)))
def test_the_higher_of_two_facts_is_shown_whichever_came_first(
    higher: tuple[tuple[str, str], str], lower: tuple[tuple[str, str], str]
) -> None:
    facts = [higher[0], lower[0]]
    assert status.shown_status(State.SENT, facts) == status.shown_status(State.SENT, facts[::-1]) == higher[1]


@given(st.lists(st.sampled_from([fact for fact, _ in RANKS]), max_size=8), st.randoms())
def test_the_word_shown_does_not_depend_on_the_order_of_arrival(facts: list[tuple[str, str]], random: object) -> None:
    shuffled = list(facts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert status.shown_status(State.SENT, facts) == status.shown_status(State.SENT, shuffled)


def test_who_says_that_it_is_no_spam_has_not_complained() -> None:
    facts = [(EventType.COMPLAINT, "not_spam"), (EventType.OPEN, "")]
    assert status.shown_status(State.SENT, facts) == "opened"


def test_an_automatic_reply_to_a_delivered_message_is_no_bounce() -> None:
    facts = [(EventType.SEND, ""), (EventType.BOUNCE, "auto_reply"), (EventType.DELIVERY, "")]
    assert status.shown_status(State.SENT, facts) == "delivered"
    assert status.shown_status(State.SENT, [*facts, (EventType.OPEN, "")]) == "opened"


def test_a_hard_bounce_of_a_delivered_message_is_a_bounce() -> None:
    assert status.shown_status(State.SENT, [(EventType.DELIVERY, ""), (EventType.BOUNCE, "hard")]) == "bounced hard"


@pytest.mark.parametrize("found", ["undetermined", "unknown"])
def test_a_bounce_of_unclear_kind_is_no_automatic_reply(found: str) -> None:
    # Only Transient/General can be an out-of-office reply; any other bounce may follow a delivery and mean it.
    facts = [(EventType.DELIVERY, ""), (EventType.BOUNCE, found)]
    assert status.shown_status(State.SENT, facts) == "bounced soft"


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (State.QUEUED, "queued"),
        (State.SENDING, "sending"),
        (State.IN_DOUBT, "in doubt"),
        (State.SENT, "sent"),
        (State.SUPPRESSED, "suppressed"),
        (State.IGNORED, "ignored"),
        (State.FAILED, "failed"),
        (State.EXPIRED, "expired"),
        (State.CANCELLED, "cancelled"),
    ],
)
def test_without_facts_the_state_is_shown(state: State, word: str) -> None:
    assert status.shown_status(state, []) == word


def test_a_delivery_is_a_word_beyond_the_state_of_the_queue() -> None:
    assert status.shown_status(State.IN_DOUBT, [(EventType.DELIVERY, "")]) == "delivered"


@pytest.mark.parametrize(("fact", "word"), RANKS)
def test_the_kinds_of_events_that_bring_a_word_about_are_known(fact: tuple[str, str], word: str) -> None:
    is_known = not status.kinds_of(word).isdisjoint({fact, (fact[0], "")})
    assert (is_known, word in status.WORDS) == ((False, False) if word == "sent" else (True, True))


def test_no_event_brings_a_state_about() -> None:
    assert status.kinds_of("queued") == status.kinds_of("") == frozenset()


@pytest.mark.parametrize("came", [(EventType.DELIVERY, ""), (EventType.OPEN, ""), (EventType.CLICK, "")])
@pytest.mark.parametrize("said", OPINIONS)
def test_what_its_reader_says_of_a_message_does_not_hide_how_far_it_came(came: tuple[str, str], said: tuple[str, str]) -> None:
    assert status.reached_status(State.SENT, [came, said]) == status.shown_status(State.SENT, [came])


@pytest.mark.parametrize("less", [(EventType.SEND, ""), (EventType.DELIVERY_DELAY, ""), (EventType.BOUNCE, "auto_reply")])
def test_who_complains_of_a_message_has_it(less: tuple[str, str]) -> None:
    assert status.reached_status(State.SENT, [less, (EventType.COMPLAINT, "complaint")]) == "delivered"


def test_whom_ses_sends_nothing_since_he_has_left_a_list_has_not_got_it() -> None:
    assert status.reached_status(State.SENT, [(EventType.SEND, ""), OPTED_OUT]) == "bounced hard"


@given(st.lists(st.sampled_from([fact for fact, _ in RANKS if fact not in (*OPINIONS, OPTED_OUT)]), max_size=8))
def test_how_far_it_came_is_else_the_word_that_is_shown(facts: list[tuple[str, str]]) -> None:
    assert status.reached_status(State.SENT, facts) == status.shown_status(State.SENT, facts)
