"""Marks of erased addresses, addresses in texts of others, and the manual's table of all that may be of a recipient."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from relay.erasure import Marks, Mentions
from relay.privacy import cursor_of, cursor_text
from relay.store.sql import erasing, personal

ROOT = Path(__file__).parents[2]
MIGRATIONS = ROOT / "relay" / "store" / "migrations"
_TABLE = re.compile(r"CREATE TABLE (\w+) \((.*?)\n\)", re.DOTALL)
_COLUMN = re.compile(r"^    (\w+) +(?:TEXT|INTEGER|REAL|BLOB|BIGINT|DOUBLE|BYTEA)", re.MULTILINE)


def schema() -> dict[str, set[str]]:
    """Every column of every table, of both databases."""
    found: dict[str, set[str]] = {}
    for script in MIGRATIONS.glob("*/*.sql"):
        for table, columns in _TABLE.findall(script.read_text()):
            found.setdefault(table, set()).update(_COLUMN.findall(columns))
    return found


def told() -> dict[str, list[list[str]]]:
    """By its table, the columns in each cell of its row in the manual."""
    page = (ROOT / "docs" / "privacy.md").read_text().partition("## Every table")[2]
    rows = [
        [re.findall(r"`(\w+)`", cell) for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| `")
    ]
    return {row[0][0]: row[1:] for row in rows}


def test_the_manual_knows_every_column_of_every_table() -> None:
    assert len(schema()) > 40
    assert {table: {column for cell in cells[:2] for column in cell} for table, cells in told().items()} == schema()


def test_what_the_manual_says_is_of_recipients_is_looked_at() -> None:
    ours = {table for table, cells in told().items() if len(cells) == 3} - {"erased_suppressions", "erased_addresses"}
    beside = {"messages", "bodies", "spooled", "chunks", "attempts", "notices"}  # go with their deliveries
    assert ours == {place.table for place in personal.PLACES} | beside
    of_deliveries = {statement.split()[2] for _, statement in erasing._OF_DELIVERY} | {s.split()[2] for s in erasing._CONTENT}
    assert beside - {"messages", "chunks"} < of_deliveries


def test_the_manual_has_every_kind_that_is_told() -> None:
    page = (ROOT / "docs" / "privacy.md").read_text().partition("## Telling")[2].partition("## Erasing")[0]
    kinds = {
        word for line in page.splitlines() if line.startswith("| `") for word in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    assert kinds == {place.kind for place in personal.PLACES}


def test_a_mark_is_of_a_key_and_of_an_address() -> None:
    both, one = Marks({1: b"1" * 32, 2: b"2" * 32}), Marks({1: b"1" * 32})
    newest, older = both.of("reader@example.net")
    assert (newest[:2], older) == ("2:", one.of("reader@example.net")[0])
    assert len({newest, older, *both.of("other@example.net")}) == 4
    assert (both.knows(newest), one.knows(newest), bool(one), bool(Marks({}))) == (True, False, True, False)
    assert "reader" not in newest


@pytest.mark.parametrize(
    "text",
    [
        "bob+a@x.com",
        "To: Bob <BOB+A@X.com>, c@d.org",
        'wrote "bob+a@x.com".',
        r'{"to":"\u003cbob\u002ba@x.com\u003e"}',
        r"first\nbob+a@x.com",
        "https://x.org/?e=bob%2Ba%40x.com&u=1",
        b"550 <bob+a@x.com>: no such user",
    ],
)
def test_an_address_is_found_however_it_is_written(text: str | bytes) -> None:
    assert Mentions("Bob+a@x.com").are_in("", text)


@pytest.mark.parametrize("text", ["jbob+a@x.com", "j.bob+a@x.com", "bob+a@x.com.au", "bob+a@x.community", "bob+a@x-com", ""])
def test_another_address_is_none(text: str) -> None:
    assert not Mentions("bob+a@x.com").are_in(text, text.encode())


def test_it_is_taken_out_of_a_text() -> None:
    assert Mentions("bob@x.com").without("Bob@X.com and jbob@x.com, <bob@x.com>") == "(erased) and jbob@x.com, <(erased)>"


def test_a_place_in_what_is_kept_comes_back() -> None:
    for cursor in ((0, None), (3, ("bounce", 1.5, 7))):
        assert cursor_of(cursor_text(cursor)) == cursor


@pytest.mark.parametrize("text", ["x", "WzEsMl0=", "Wy0xLG51bGxd", "WzAsW3t9XV0=", "é"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        cursor_of(text)
