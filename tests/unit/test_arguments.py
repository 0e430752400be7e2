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
        "@*.ｅxample.com",
        "shop@example\u3002com",
        "\ud800@example.com",
    ],
)
def test_what_is_no_sender_is_a_failure(text: str) -> None:
    with pytest.raises(Failure):
        arguments.sender(text)


@pytest.mark.parametrize(("text", "seconds"), [("30m", 1800), ("2h", 7200), ("3d", 259_200), ("0m", 0), ("9999d", 863_913_600)])
def test_a_time_is_minutes_hours_or_days(text: str, seconds: int) -> None:
    assert arguments.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "2.5h", "2 h", "2H", "2h30m", "10s", "2w", "10000d", "٢h", "2h\n"])
def test_what_is_no_time_is_a_failure(text: str) -> None:
    with pytest.raises(Failure, match="not a time"):
        arguments.duration(text)


@pytest.mark.parametrize(("text", "expected"), [("Example.COM", "example.com"), ("bücher.example", "xn--bcher-kva.example")])
def test_a_domain_is_kept_in_lower_case_and_as_a_labels(text: str, expected: str) -> None:
    assert arguments.domain(text) == expected


@pytest.mark.parametrize(
    "text", ["", "com", "@example.com", "shop@example.com", "*.example.com", "example.com.", "exa mple.com"]
)
def test_what_is_no_domain_is_a_failure(text: str) -> None:
    with pytest.raises(Failure, match="not a domain"):
        arguments.domain(text)


@pytest.mark.parametrize("text", ["sqlite:", "sqlite:/", "mysql://db.example.com/relay"])
def test_a_database_that_has_no_name_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="a database is like"):
        arguments.store_url(text)
