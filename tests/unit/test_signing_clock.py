"""AWS's clock counts where it refuses signatures for their time, and only there."""

from __future__ import annotations

import pytest

from relay.aws.clock import SigningClock

NOW = 1763719200.0  # 2025-11-21 10:00 UTC
THEIRS = "Fri, 21 Nov 2025 10:20:00 GMT"
LATE = "Signature expired: 20251121T100000Z is now earlier than 20251121T101500Z (20251121T102000Z - 5 min.)"
EARLY = "Signature not yet current: 20251121T100000Z is still later than 20251121T092500Z (20251121T092000Z + 5 min.)"

ABOUT_TIME = [
    ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
    ("RequestExpired", "Request has expired."),
    ("RequestExpiredException:http://internal.amazon.com/", ""),
    ("InvalidSignatureException", LATE),
    ("InvalidSignatureException", EARLY),
]
ABOUT_OTHER_THINGS = [
    ("InvalidSignatureException", "The request signature we calculated does not match the signature you provided."),
    ("SignatureDoesNotMatchException", LATE),
    ("ExpiredTokenException", "The security token included in the request is expired"),
    ("TooManyRequestsException", "Maximum sending rate exceeded."),
    ("", ""),
]


@pytest.mark.parametrize(("code", "text"), ABOUT_TIME)
def test_a_signature_refused_for_its_time_sets_the_clock(code: str, text: str) -> None:
    clock = SigningClock(lambda: NOW)
    clock.heed(code, text, THEIRS)
    assert clock() == NOW + 1200
    assert clock.ahead == 1200


@pytest.mark.parametrize(("code", "text"), ABOUT_OTHER_THINGS)
def test_no_other_error_sets_it(code: str, text: str) -> None:
    clock = SigningClock(lambda: NOW)
    clock.heed(code, text, THEIRS)
    assert clock() == NOW


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 99 Nov 2025 10:20:00 GMT", "Fri, 21 Nov 2025", "\0"])
def test_a_date_that_is_none_sets_nothing(date: str) -> None:
    clock = SigningClock(lambda: NOW)
    clock.heed("RequestExpired", "", date)
    assert clock() == NOW


def test_the_clock_goes_on_from_there_and_back_once_ours_was_put_right() -> None:
    now = [NOW]
    clock = SigningClock(lambda: now[0])
    clock.heed("RequestExpired", "", THEIRS)
    now[0] += 60
    assert clock() == NOW + 1260
    now[0] += 1200  # by NTP
    clock.heed("RequestExpired", "", "Fri, 21 Nov 2025 10:21:02 GMT")
    assert clock() == NOW + 1262


def test_answers_to_calls_that_were_open_meanwhile_say_nothing_new() -> None:
    clock = SigningClock(lambda: NOW)
    clock.heed("RequestExpired", "", THEIRS)
    clock.heed("RequestExpired", "", "Fri, 21 Nov 2025 10:20:03 GMT")
    assert clock() == NOW + 1200
