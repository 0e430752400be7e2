"""Mail goes out and nothing comes back."""

from __future__ import annotations

from relay.silence import Silence

MINUTE = 60.0


def silence(*, sent: int = 100, minutes: int = 30) -> Silence:
    return Silence(after_sent=sent, after_seconds=minutes * MINUTE, now=0.0)


def looks(watched: Silence, sent: dict[int, int], *, until: int) -> list[int]:
    """The minutes in which it is silent; `sent` holds how much in all from some minutes on. Nothing is heard."""
    found, total = [], 0
    for minute in range(until):
        total = sent.get(minute, total)
        if watched.look(total, minute * MINUTE, first=0):
            found.append(minute)
    return found


def test_it_rings_when_enough_was_sent_for_long_enough() -> None:
    assert looks(silence(), {0: 7, 5: 107}, until=40) == [35, 36, 37, 38, 39]


def test_too_little_mail_is_no_silence_however_long_it_lasts() -> None:
    assert looks(silence(), {0: 7, 5: 106}, until=600) == []


def test_a_burst_after_a_quiet_night_has_its_time_for_events() -> None:
    assert looks(silence(), {0: 0, 600: 5000}, until=635) == [630, 631, 632, 633, 634]


def test_an_event_begins_it_all_anew() -> None:
    watched = silence()
    assert looks(watched, {0: 0, 1: 200}, until=40)
    watched.hear(17, 40 * MINUTE)
    assert watched.since == 40 * MINUTE
    assert not watched.look(200, 40 * MINUTE, first=0)
    assert not watched.look(299, 80 * MINUTE, first=0)
    assert not watched.look(300, 81 * MINUTE, first=0)
    assert watched.look(300, 111 * MINUTE, first=0)
    assert watched.sent == 100


def test_sums_that_begin_earlier_from_some_time_on_have_no_more_sent_in_them() -> None:
    watched = silence()
    assert not watched.look(900, 0.0, first=3600)
    assert not watched.look(950, 60 * MINUTE, first=3600)
    assert [watched.look(5950, minute * MINUTE, first=0) for minute in (61, 91, 121)] == [False] * 3
    assert watched.sent == 50
    assert not watched.look(6000, 130 * MINUTE, first=0)
    assert watched.look(6000, 160 * MINUTE, first=0)


def test_the_newest_event_told_again_is_nothing_heard_and_nor_is_one_that_was_removed() -> None:
    watched = silence()
    watched.hear(17, 0.0)
    assert looks(watched, {0: 0, 1: 200}, until=32) == [31]
    for newest in (17, 3):
        watched.hear(newest, 32 * MINUTE)
        assert watched.look(200, 33 * MINUTE, first=0)


def test_either_number_turns_it_off() -> None:
    assert looks(silence(sent=0), {0: 0, 1: 5000}, until=90) == []
    assert looks(silence(minutes=0), {0: 0, 1: 5000}, until=90) == []
