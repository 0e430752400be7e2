"""Ordinary messages pass with the default policy, and what is sent is what was written but for the declared edits."""

from __future__ import annotations

import pytest

from relay import judge
from relay.credential import Credential, Kind
from relay.writing import edits
from tests.corpus.declared import declared, without_added
from tests.corpus.ordinary import FOLDER, ORDINARY, ROWS, Ordinary

SHOP = Credential(name="shop", kind=Kind.APPLICATION, password_hashes=("x",), senders=("@example.com",))
ID = "01JHN5Q8Z40000000000000000"


def sent(content: bytes) -> bytes:
    case = judge.case(content, SHOP)
    assert not judge.judge(case, observed=())
    made = edits.needed(content, case.parsed, message_id=ID, hostname="relay.example.com", protocol="ESMTPSA", now=1763719200.0)
    return b"".join(edits.edited(content, made))


@pytest.mark.parametrize("row", ROWS)
def test_an_ordinary_message_is_sent_as_it_was_written_but_for_the_declared_edits(row: Ordinary) -> None:
    result = sent(row.content)
    assert without_added(row, result) == declared(row, row.content, result)
    assert max(map(len, result.split(b"\r\n"))) <= 998


def test_every_file_has_one_row_and_every_row_a_file() -> None:
    assert sorted(row.name for row in ORDINARY) == sorted(file.stem for file in FOLDER.glob("*.eml"))


def test_the_files_have_the_line_ends_of_mail() -> None:
    """Git, an editor or an unpacked archive could have changed them: then the other tests would prove little."""
    for row in ORDINARY:
        assert row.content.count(b"\r\n") == row.content.count(b"\n") == row.content.count(b"\r"), row.name
