"""Answers in HTTP/1.1: whole however they are cut, and refused where nobody can be sure what was said."""

from __future__ import annotations

import pytest

from relay.aws.http_answers import MAX_ANSWER, Answer, AnswerReader

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

WHOLE = {
    "with a length": (OK + b"Content-Length: 5\r\n\r\nhello", 200, b"hello", True),
    "with nothing in it": (OK + b"Content-Length: 0\r\n\r\n", 200, b"", True),
    "without a reason": (b"HTTP/1.1 429\r\nContent-Length: 0\r\n\r\n", 429, b"", True),
    "of HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", False),
    "that closes": (OK + b"Connection: Close\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", False),
    "without a body": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    "after 100 Continue": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nhi", 200, b"hi", True),
    "after two interim ones": (
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 C\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nhi",
        200,
        b"hi",
        True,
    ),
    "in chunks": (CHUNKED + b"3\r\nhel\r\n002;x=y\r\nlo\r\n0\r\n\r\n", 200, b"hello", True),
    "in chunks with a trailer": (CHUNKED + b"A\r\nhello hell\r\n0\r\nExpires: never\r\n\r\n", 200, b"hello hell", True),
    "in chunks and with a length": (
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        200,
        b"x",
        False,
    ),
}

REFUSED = {
    "other protocol": b"220 mail.example ESMTP\r\n\r\n",
    "newer protocol": b"HTTP/2 200 OK\r\n\r\n",
    "switch of protocols": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "lone line feed": b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
    "folded header": OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "blank before the colon": OK + b"Content-Length : 0\r\n\r\n",
    "line without a colon": OK + b"hello\r\n\r\n",
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "negative length": OK + b"Content-Length: -1\r\n\r\n",
    "length with a sign": OK + b"Content-Length: +1\r\n\r\nx",
    "other coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "chunk without a size": CHUNKED + b"\r\nhello\r\n",
    "chunk of negative size": CHUNKED + b"-1\r\nhello\r\n",
    "chunk longer than its size": CHUNKED + b"3\r\nhello\r\n0\r\n\r\n",
    "endless head": OK + b"X: " + b"x" * MAX_ANSWER,
    "endless body": OK + b"Content-Length: 99999999\r\n\r\n" + b"x" * MAX_ANSWER,
    "endless interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_ANSWER // 20),
}


def fed(pieces: list[bytes]) -> list[Answer | None]:
    reader = AnswerReader()
    return [reader.feed(piece) for piece in pieces]


@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_is_whole_with_its_last_octet(name: str) -> None:
    octets, status, body, leaves_open = WHOLE[name]
    *before, answer = fed([bytes([octet]) for octet in octets])
    assert not any(before)
    assert answer
    assert (answer.status, answer.body, answer.leaves_open) == (status, body, leaves_open)
    assert fed([octets]) == [answer]


@pytest.mark.parametrize("name", WHOLE)
def test_what_comes_behind_an_answer_spoils_the_connection(name: str) -> None:
    octets, status, body, _ = WHOLE[name]
    [answer] = fed([octets + b"H"])
    assert answer
    assert (answer.status, answer.body, answer.leaves_open) == (status, body, False)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_plain_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        fed([REFUSED[name]])


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    reader = AnswerReader()
    assert not reader.feed(OK + b"\r\nhel")
    assert not reader.feed(b"lo")
    answer = reader.end()
    assert (answer.status, answer.body, answer.leaves_open) == (200, b"hello", False)


@pytest.mark.parametrize("octets", [b"", OK, OK + b"Content-Length: 5\r\n\r\nhell", CHUNKED + b"5\r\nhello\r\n"])
def test_a_connection_that_ends_before_the_answer_is_no_answer(octets: bytes) -> None:
    reader = AnswerReader()
    assert not reader.feed(octets)
    with pytest.raises(ValueError, match="closed before"):
        reader.end()


def test_names_of_headers_are_in_lower_case_and_values_are_trimmed() -> None:
    [answer] = fed([OK + b"X-Amzn-ErrorType: \t Throttling\t\r\nVia: a\r\nvia: b\r\nContent-Length: 0\r\n\r\n"])
    assert answer
    assert answer.headers == {"x-amzn-errortype": "Throttling", "via": "a, b", "content-length": "0"}
