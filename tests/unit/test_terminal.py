from __future__ import annotations

import pytest
from rich.table import Table

from relay.cli import terminal


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5.0, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (250.0, "4 min 10 s"),
        (7500.0, "2 h 5 min"),
        (86400.0, "1 d 0 h"),
        (183_661.0, "2 d 3 h"),
    ],
)
def test_a_length_of_time_is_shown_in_its_two_largest_units(seconds: float, shown: str) -> None:
    assert terminal.lasting(seconds) == shown


@pytest.mark.parametrize("subject", ["[spam] hello", "[/x] hello", "[bold]hello", ":smile: hello"])
def test_a_table_shows_what_others_wrote_as_they_wrote_it(capsys: pytest.CaptureFixture[str], subject: str) -> None:
    table = Table("subject")
    table.add_row(subject)
    terminal.show(table)
    assert f" {subject} " in capsys.readouterr().out


def test_a_failure_of_several_lines_is_told_in_one(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.Failure("connection refused\n\tIs the server running?\n").show()
    assert capsys.readouterr().err == "relay: connection refused Is the server running?\n"


def test_what_others_wrote_does_not_move_the_cursor_or_turn_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.line("a\x1b[31mb\rc\u202ed\x9be\nf é 中 \U0001f600")
    table = Table("subject")
    terminal.add_row(table, "a\x1b[31mb\rc")
    terminal.show(table)
    line, *shown = capsys.readouterr().out.splitlines()
    assert line == "a\ufffd[31mb\ufffdc\ufffdd\ufffde\ufffdf é 中 \U0001f600"
    assert any("a\ufffd[31mb\ufffdc" in row for row in shown)
