"""What the manual says of the code, and the code itself."""

from __future__ import annotations

import re
from pathlib import Path

import click

from relay import lifecycle, rights
from relay.cli import main
from relay.doctor.rounds import CHECKS
from relay.model import State
from relay.provisioning import Part

ROOT = Path(__file__).parents[2]
FLOW = ROOT / "docs" / "flow.md"
AWS = (ROOT / "docs" / "aws.md").read_text()
ROW = re.compile(r"\| (.+?) \| `(\w+)` \| ([\w ,]+?)(?::.*)? \| .* \|")


def states(words: str) -> list[str]:
    """`queued`, `in_doubt`; or any but `sent`."""
    named = re.findall(r"`(\w+)`", words)
    return [state.value for state in State if state.value not in named] if words.startswith("any but") else named


def test_the_table_of_moves_in_the_manual_is_the_one_that_holds() -> None:
    table = FLOW.read_text().partition("| from | to | cause |")[2].partition("\n\n")[0]
    rows = [row.groups() for row in map(ROW.fullmatch, table.splitlines()) if row]
    told = {(before, to, cause) for words, to, causes in rows for before in states(words) for cause in causes.split(", ")}
    assert told == {(before, to, cause) for cause, moves in lifecycle.MOVES.items() for before, to in moves.items()}


def first_column(text: str, heading: str) -> list[str]:
    """Of the table whose first heading that is."""
    table = re.split(rf"\n *\| {heading} \|", text)[1].partition("\n\n")[0]
    return [row.split("|")[1].strip() for row in table.splitlines()[2:]]


def test_the_manual_has_a_row_for_every_check_of_the_doctor() -> None:
    assert first_column(AWS, "check") == [*CHECKS, "permissions"]


def test_the_manual_has_every_part_that_is_made_in_its_order() -> None:
    told = [row.partition(" (")[0] for row in first_column(AWS, "part")]
    assert [row for row in told if not row.startswith("its ")] == [str(part) for part in Part]


def test_the_readme_has_the_rights_of_the_relay() -> None:
    told = set(re.findall(r"`(\w+:\w+)`", " ".join(first_column((ROOT / "README.md").read_text(), "permission"))))
    assert told == {right for right in rights.of_relay() if not right.startswith("sqs:")}


def test_the_readme_says_of_every_part_of_the_relay_what_it_is_for() -> None:
    told = set(re.findall(r"(?m)^ {6,8}(\w+(?:\.py|/)) ", (ROOT / "README.md").read_text()))
    there = {f"{path.name}/" if path.is_dir() else path.name for path in (ROOT / "relay").glob("[a-z]*")}
    assert there - {"py.typed"} <= told


def test_the_readme_has_every_verb() -> None:
    table = (ROOT / "README.md").read_text().partition("| verb | what it does |")[2].partition("\n\n")[0]
    assert [verb for verb in main.list_commands(click.Context(main)) if f"`relay {verb}" not in table] == []


def test_every_test_that_the_threat_model_names_is_there() -> None:
    named = set(re.findall(r"`(tests/[\w/.]+)`", (ROOT / "docs" / "threat-model.md").read_text()))
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []
