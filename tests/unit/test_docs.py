"""What the manual says of the code, and the code itself."""

from __future__ import annotations

import re
from pathlib import Path

from relay import lifecycle
from relay.model import State

FLOW = Path(__file__).parents[2] / "docs" / "flow.md"
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
