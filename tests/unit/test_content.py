from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.credential import Credential, Kind
from relay.errors import Malformed
from relay.model import Envelope
from relay.receiving import Budget, Receiving
from relay.smtp.content import Content, ContentReader, checked, normalised
from relay.store.bodies import SpoolDraft

_END = b"\r\n.\r\n"

# Octets that matter to the reader, and runs of them, so that ends and dots are met often.
octets = st.lists(
    st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\r\n.", b"..", b".\r\n", b"\n.\n", b"\r\n.\r", b"\0"]), max_size=30
).map(b"".join)
cuts = st.lists(st.integers(0, 200), max_size=12)


def split(whole: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(whole)) for cut in at), len(whole)]
    return [whole[start:end] for start, end in pairwise(edges)]


def reference(whole: bytes) -> tuple[bytes, bytes]:
    """RFC 5321 4.5.2 on the whole at once: the content, and what follows its end."""
    content, _, rest = (b"\r\n" + whole).partition(_END)
    lines = (content + b"\r\n").split(b"\r\n")[1:]
    return b"\r\n".join(line.removeprefix(b".") for line in lines), rest


def fed(pieces: list[bytes]) -> tuple[list[bytes], bytes, bool]:
    """As the connection does it: what comes after the end is no longer the reader's."""
    reader, kept, rest = ContentReader(), [], None
    for piece in pieces:
        if rest is not None:
            rest += piece
            continue
        some, rest = reader.feed(piece)
        kept.append(some)
    return kept, rest or b"", rest is not None


@given(octets, octets, cuts)
@example(b"", b"", [])
@example(b"", b"", [1, 2])
@example(b"..\r\n.", b"QUIT\r\n", [1, 2, 3, 4, 5, 6, 7, 8])
@example(b"a\r\n..\r\n.a\n.\r\n", b".\r\n", [3, 4, 5])
def test_any_split_gives_the_content_and_leaves_what_follows(content: bytes, rest: bytes, at: list[int]) -> None:
    whole = content + _END + rest
    kept, left, has_ended = fed(split(whole, at))
    assert has_ended
    assert (b"".join(kept), left) == reference(whole)


@given(octets, cuts)
def test_without_an_end_it_never_ends_and_holds_back_no_more_than_could_become_one(content: bytes, at: list[int]) -> None:
    if _END in b"\r\n" + content:
        content = content.replace(b".", b"a")
    kept, _, has_ended = fed(split(content, at))
    assert not has_ended
    whole, _ = reference(content + _END)
    sofar = b"".join(kept)
    assert (whole if content else b"").startswith(sofar)
    assert len(whole) - len(sofar) <= len(_END) + 1


@given(octets, cuts)
def test_no_piece_ends_in_the_middle_of_a_line_end(content: bytes, at: list[int]) -> None:
    kept, _, _ = fed(split(content + _END, at))
    whole = b"".join(kept)
    position = 0
    for piece in kept[:-1]:
        position += len(piece)
        assert whole[position - 1 : position + 1] != b"\r\n" or position == 0


@given(octets, cuts)
def test_the_verdict_on_line_ends_does_not_depend_on_the_split(content: bytes, at: list[int]) -> None:
    whole = content + _END
    kept, _, _ = fed(split(whole, at))
    assert any(map(is_refused, kept)) == is_refused(reference(whole)[0])


_UNPAIRED = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")


@given(octets)
def test_all_but_pairs_is_refused(piece: bytes) -> None:
    assert is_refused(piece) == bool(_UNPAIRED.search(piece))


def is_refused(piece: bytes) -> bool:
    try:
        checked(piece)
    except Malformed:
        return True
    return False


@pytest.mark.parametrize(
    ("whole", "content", "rest"),
    [
        (b".\r\n", b"", b""),
        (b"\r\n.\r\n", b"\r\n", b""),
        (b"a\r\n.\r\nQUIT\r\n", b"a\r\n", b"QUIT\r\n"),
        (b"..\r\n.\r\n", b".\r\n", b""),
        (b"...\r\n..a\r\n.\r\n", b"..\r\n.a\r\n", b""),
        (b".a\r\n.\r\n", b"a\r\n", b""),  # RFC 5321 4.5.2: the first dot goes, whatever follows
        (b"a\n.\nMAIL\r\n.\r\n", b"a\n.\nMAIL\r\n", b""),
        (b"a\n.\r\nMAIL\r\n.\r\n", b"a\n.\r\nMAIL\r\n", b""),
        (b"a\r.\r\nMAIL\r\n.\r\n", b"a\r.\r\nMAIL\r\n", b""),
        (b"a\r\n.\nMAIL\r\n.\r\n", b"a\r\n\nMAIL\r\n", b""),
        (b"a\r\n.\rMAIL\r\n.\r\n", b"a\r\n\rMAIL\r\n", b""),
        (b"a\r\n\0.\r\n.\r\n", b"a\r\n\0.\r\n", b""),
        (b"a\r\n.\r\n.\r\n", b"a\r\n", b".\r\n"),
    ],
)
def test_what_ends_the_content_and_what_does_not(whole: bytes, content: bytes, rest: bytes) -> None:
    for pieces in ([whole], [whole[i : i + 1] for i in range(len(whole))]):
        kept, left, has_ended = fed(pieces)
        assert (b"".join(kept), left, has_ended) == (content, rest, True)


@pytest.mark.parametrize("piece", [b"", b"\r\n", b"a", b"a\r\n", b"\r\n\r\n", b"a\r\nb", b"\xff\x01\t\r\n"])
def test_paired_line_ends_pass(piece: bytes) -> None:
    checked(piece)


@pytest.mark.parametrize(
    ("piece", "reason"),
    [
        (b"\n", "bare CR or LF"),
        (b"\r", "bare CR or LF"),
        (b"\n\r", "bare CR or LF"),
        (b"\r\r\n", "bare CR or LF"),
        (b"\r\n\n", "bare CR or LF"),
        (b"a\nb\r\n", "bare CR or LF"),
        (b"a\rb\r\n", "bare CR or LF"),
        (b"a\r\n\r", "bare CR or LF"),
        (b"a\rb\nc", "bare CR or LF"),  # as many of one as of the other
        (b"a\0b\r\n", "NUL octet"),
        (b"\0", "NUL octet"),
    ],
)
def test_what_readers_do_not_agree_on_is_refused(piece: bytes, reason: str) -> None:
    with pytest.raises(Malformed) as refusal:
        checked(piece)
    assert refusal.value.subject == reason


@given(octets, cuts)
def test_normalised_content_passes_the_check_and_keeps_its_lines(content: bytes, at: list[int]) -> None:
    kept, _, _ = fed(split(content.replace(b"\0", b"") + _END, at))
    whole = b"".join(normalised(piece) for piece in kept)
    checked(whole)
    assert whole.splitlines() == b"".join(kept).splitlines()


def test_normalising_does_not_let_nul_pass() -> None:
    with pytest.raises(Malformed, match="NUL octet"):
        normalised(b"a\0\n")


async def test_what_was_closed_makes_no_file_any_more(tmp_path: Path) -> None:
    """A client may be gone between the octets that asked for a flush and the flush."""
    draft = SpoolDraft(tmp_path, "x.eml")
    receiving = Receiving("x", draft, Budget(10_000_000), 10_000_000)
    credential = Credential(name="app", kind=Kind.APPLICATION, password_hashes=())
    envelope = Envelope(
        sender="shop@example.com", recipients=(), credential=credential, peer="192.0.2.1", helo="", protocol="ESMTPSA"
    )
    content = Content(envelope, receiving, began_at=0)
    content.take(b"x" * 1_000_000)
    content.close()
    await content.flush()
    assert list(tmp_path.iterdir()) == []
