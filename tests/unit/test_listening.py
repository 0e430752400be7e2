from __future__ import annotations

from relay.listening import Listening

SINCE = 1000.0
WAIT = 900.0
QUEUE, OTHER = "https://sqs/1/events", "https://sqs/1/more"


def of_queues(*queues: str) -> Listening:
    return Listening(SINCE, webhook=False, queues=queues)


def has_caught_up(listening: Listening, seconds: float) -> bool:
    return listening.has_caught_up(SINCE + seconds, wait=WAIT)


def test_the_webhook_has_caught_up_when_sns_has_had_its_time() -> None:
    listening = Listening(SINCE)
    assert [has_caught_up(listening, seconds) for seconds in (0, 899, 900)] == [False, False, True]


def test_without_a_queue_and_without_a_webhook_the_webhook_s_rule_holds() -> None:
    listening = Listening(SINCE, webhook=False)
    assert [has_caught_up(listening, seconds) for seconds in (899, 900)] == [False, True]


def test_a_queue_has_caught_up_after_two_empty_polls_and_a_minute() -> None:
    listening = of_queues(QUEUE)
    listening.polled_empty(QUEUE)
    assert not has_caught_up(listening, 60)
    listening.polled_empty(QUEUE)
    assert [has_caught_up(listening, seconds) for seconds in (59, 60)] == [False, True]


def test_every_queue_must_have() -> None:
    listening = of_queues(QUEUE, OTHER)
    for _ in range(2):
        listening.polled_empty(QUEUE)
    assert not has_caught_up(listening, 60)
    for _ in range(2):
        listening.polled_empty(OTHER)
    assert has_caught_up(listening, 60)


def test_where_both_doors_are_open_both_must_have() -> None:
    listening = Listening(SINCE, queues=[QUEUE])
    for _ in range(2):
        listening.polled_empty(QUEUE)
    assert [has_caught_up(listening, seconds) for seconds in (60, 899, 900)] == [False, False, True]


def test_something_of_before_begins_the_count_of_empty_polls_anew() -> None:
    listening = of_queues(QUEUE)
    listening.polled_empty(QUEUE)
    listening.polled(QUEUE, oldest=SINCE - 1, now=SINCE + 20)
    listening.polled_empty(QUEUE)
    assert not has_caught_up(listening, 60)
    listening.polled_empty(QUEUE)
    assert has_caught_up(listening, 60)


def test_what_was_put_in_since_then_changes_nothing() -> None:
    listening = of_queues(QUEUE)
    listening.polled_empty(QUEUE)
    listening.polled(QUEUE, oldest=SINCE + 10, now=SINCE + 20)
    listening.polled_empty(QUEUE)
    assert has_caught_up(listening, 60)


def test_a_queue_that_is_never_empty_has_caught_up_when_nothing_of_before_came_for_long() -> None:
    listening = of_queues(QUEUE)
    listening.polled(QUEUE, oldest=SINCE - 100, now=SINCE + 50)
    for seconds in range(60, 1000, 10):
        listening.polled(QUEUE, oldest=SINCE + seconds - 1, now=SINCE + seconds)
    assert [has_caught_up(listening, seconds) for seconds in (900, 949, 950)] == [False, False, True]


def test_what_could_not_be_kept_begins_everything_anew() -> None:
    listening = of_queues(QUEUE)
    for _ in range(2):
        listening.polled_empty(QUEUE)
    listening.begin_anew(SINCE + 100)
    assert not has_caught_up(listening, 100 + 899)
    for _ in range(2):
        listening.polled_empty(QUEUE)
    assert [has_caught_up(listening, 100 + seconds) for seconds in (59, 60)] == [False, True]


def test_a_queue_of_dead_letters_says_nothing_of_the_others() -> None:
    listening = of_queues(QUEUE)
    for _ in range(2):
        listening.polled_empty(OTHER)
    assert not has_caught_up(listening, 60)
    for _ in range(2):
        listening.polled_empty(QUEUE)
    listening.polled(OTHER, oldest=SINCE - 1, now=SINCE + 30)
    assert has_caught_up(listening, 60)
