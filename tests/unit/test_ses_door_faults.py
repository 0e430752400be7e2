"""Every refusal of ours has words in both APIs of SES: what the caller must change is 4xx, and what is our fault 5xx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from relay import errors
from relay.sigv4 import BadSignature, Flaw
from relay.web.ses_door.faults import Kind, SesFault, fault
from relay.web.ses_door.v1 import read_form


def below(kind: type[Any]) -> Iterator[type[Any]]:
    for each in kind.__subclasses__():
        yield each
        yield from below(each)


@pytest.mark.parametrize("kind", sorted(below(errors.RefusedForGood), key=repr))
def test_what_is_refused_for_good_is_the_callers_to_change(kind: type[errors.RefusedForGood]) -> None:
    found = fault(kind("subject", "reason"), most=1).kind
    assert found in (Kind.REJECTED, Kind.INVALID)
    assert found.value.status == found.value.v2_status == 400


@pytest.mark.parametrize("kind", sorted(below(errors.RefusedForNow), key=repr))
def test_what_is_refused_for_now_may_be_tried_again(kind: type[errors.RefusedForNow]) -> None:
    found = fault(kind("minute"), most=1).kind
    expected = Kind.TOO_FAST if kind is errors.TooManyMessages else Kind.AWAY
    assert found is expected


def test_a_secret_that_cannot_be_opened_is_our_fault() -> None:
    assert fault(errors.Unsealable("key 1 is gone"), most=1).is_ours
    assert "key 1" not in fault(errors.Unsealable("key 1 is gone"), most=1).text


@pytest.mark.parametrize("flaw", Flaw)
def test_each_flaw_of_a_signature_has_words_of_its_own(flaw: Flaw) -> None:
    found = fault(BadSignature(flaw, "text"), most=1)
    assert (found.text, found.is_ours) == ("text", False)
    assert found.kind.value.v2_status == 403


def test_a_fault_cannot_write_headers_or_lines() -> None:
    assert fault(errors.Malformed("a\r\nb\0\ud800"), most=1).text == "Malformed message: a??b??"


def test_a_day_that_is_over_is_said_so() -> None:
    assert fault(errors.TooManyMessages("day"), most=1).text == "Daily message quota exceeded."
    assert fault(errors.TooManyMessages("minute"), most=1).text == "Maximum sending rate exceeded."


def test_a_form_is_read_as_browsers_and_sdks_write_it() -> None:
    assert read_form(b"a=b+c%2B%C3%A9&d=&e") == {"a": "b c+é", "d": "", "e": ""}


@pytest.mark.parametrize("body", [b"a=%ff", b"a=1&a=2", b"a=1&%61=2", b"&".join(b"%d=" % number for number in range(1001))])
def test_a_form_that_means_nothing_certain_is_refused(body: bytes) -> None:
    with pytest.raises(SesFault):
        read_form(body)
