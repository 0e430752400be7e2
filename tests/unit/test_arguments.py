from __future__ import annotations

import pytest

from relay.cli import arguments
from relay.cli.terminal import Failure


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Shop@Example.COM", "shop@example.com"),
        ("@Example.COM", "@example.com"),
        ("@*.Example.COM", "@*.example.com"),
        ("*@example.com", "*@example.com"),  # a star is an ordinary letter of a local part (RFC 5322 3.2.3)
        ("shop@Bücher.example", "shop@xn--bcher-kva.example"),
        ("@bücher.example", "@xn--bcher-kva.example"),
        ("@*.BÜCHER.example", "@*.xn--bcher-kva.example"),
    ],
)
def test_a_sender_is_kept_in_lower_case_and_as_a_labels(text: str, expected: str) -> None:
    assert arguments.sender(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "shop",
        "@",
        "@com",
        "@*.com",
        "@*.",
        "@*",
        "@*example.com",
        "@*.*.example.com",
        "@shop.*.example.com",
        "*.example.com",
        "@.example.com",
        "@example.com.",
        "@@example.com",
        "@shop@example.com",
        "@*.shop@example.com",
        "jörg@example.com",
        "@exam\u200bple.com",
        "@*.ｅxample.com",  # noqa: RUF001
        "shop@example\u3002com",
        "\ud800@example.com",
    ],
)
def test_what_is_no_sender_is_a_failure(text: str) -> None:
    with pytest.raises(Failure):
        arguments.sender(text)
