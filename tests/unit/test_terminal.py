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
