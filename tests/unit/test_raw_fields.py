"""Raw 8-bit in header fields: what is sent is ASCII and says the same to mime's reader and to Python's email."""

from __future__ import annotations

import email
import string
from collections.abc import Iterable
from contextlib import suppress
from email.message import EmailMessage
from email.policy import compat32, default
from itertools import pairwise
from time import thread_time
from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from relay.errors import Malformed
from relay.reading import filenames, mime
from relay.writing import edits, raw_fields
from tests.unit.test_edits import COMPLETE, mapped, needed, sent

REST = COMPLETE.replace(b"To: anna@example.net\r\n", b"").replace(b"Subject: Order 42\r\n", b"")


def in_ascii(line: str) -> str:
    return raw_fields.in_ascii(line.encode() + b"\r\n").decode("ascii").removesuffix("\r\n")


def read(field: str) -> EmailMessage:
    message = email.message_from_bytes(field.encode() + b"\r\n\r\n", policy=default)
    assert isinstance(message, EmailMessage)
    return message


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        ("Subject: Grüße", "Subject: =?utf-8?b?R3LDvMOfZQ==?="),
        ("Subject:Grüße", "Subject: =?utf-8?b?R3LDvMOfZQ==?="),
        ("SUBJECT: Re: Süden", "SUBJECT: Re: =?utf-8?b?U8O8ZGVu?="),
        ("Subject: Im Süden ist\t Märzwetter", "Subject: Im =?utf-8?b?U8O8ZGVu?= ist\t =?utf-8?q?M=C3=A4rzwetter?="),
        ("Subject: vom fernen\r\n Süden", "Subject: vom fernen\r\n =?utf-8?b?U8O8ZGVu?="),
        ("Subject: Süden Süden\r\n Süden", "Subject: =?utf-8?b?U8O8ZGVuIFPDvGRlbiBTw7xkZW4=?="),
        ("Subject: =?utf-8?q?a?= Süden =?utf-8?q?b?= c", "Subject: =?utf-8?q?a?= =?utf-8?q?_S=C3=BCden_?= =?utf-8?q?b?= c"),
        ("X-Anything: <ü@example.net>", "X-Anything: =?utf-8?b?PMO8QGV4YW1wbGUubmV0Pg==?="),
        ("To: Süden <a@example.net>", "To: =?utf-8?b?U8O8ZGVu?= <a@example.net>"),
        ('To: "Süden, Anna"<a@example.net>,b@example.net', "To: =?utf-8?b?U8O8ZGVuLCBBbm5h?= <a@example.net>,b@example.net"),
        ('To: "S\\"üden" <a@example.net>', "To: =?utf-8?b?UyLDvGRlbg==?= <a@example.net>"),
        ('To: Anna "von" Süden <a@example.net>', 'To: Anna "von" =?utf-8?b?U8O8ZGVu?= <a@example.net>'),
        ("Cc: a@example.net (Süden)", "Cc: a@example.net ( =?utf-8?b?U8O8ZGVu?= )"),
        ("Cc: a@example.net (x (Süden\\)) y)", "Cc: a@example.net (x ( =?utf-8?b?U8O8ZGVuKQ==?= ) y)"),
        ("Cc: Südliche: a@example.net, b@example.net;", "Cc: =?utf-8?b?U8O8ZGxpY2hl?= : a@example.net, b@example.net;"),
        ("List-Id: Südliche <south.example.com>", "List-Id: =?utf-8?b?U8O8ZGxpY2hl?= <south.example.com>"),
        ("Date: Fri, 21 Nov 2025 10:00:00 +0100 (März)", "Date: Fri, 21 Nov 2025 10:00:00 +0100 ( =?utf-8?b?TcOkcno=?= )"),
        (
            'Content-Disposition: attachment; filename="Süden \\"1\\".pdf"; size=3',
            "Content-Disposition: attachment; filename*=utf-8''S%C3%BCden%20%221%22.pdf;\r\n size=3",
        ),
        (
            "Content-Disposition: inline;filename=Süden 1.pdf",
            "Content-Disposition: inline; filename*=utf-8''S%C3%BCden%201.pdf",
        ),
        ('Content-Type: image/png;\r\n\tname="Süden.png"', 'Content-Type: image/png; name="=?utf-8?q?S=C3=BCden=2Epng?="'),
        (
            "Content-Disposition: attachment; filename=Süden.pdf; filename*=utf-8''S%C3%BCden.pdf",
            "Content-Disposition: attachment; filename=\"=?utf-8?q?S=C3=BCden=2Epdf?=\";\r\n filename*=utf-8''S%C3%BCden.pdf",
        ),
        (
            "Content-Disposition: inline; filename*=utf-8''Süden.pdf",
            "Content-Disposition: inline; filename*=utf-8''S%C3%BCden.pdf",
        ),
    ],
)
def test_raw_text_becomes_ascii_where_it_may(raw: str, written: str) -> None:
    assert in_ascii(raw) == written


ADDRESS, PARAMETER, COMMENT = "8-bit in an address or identifier", "8-bit in a parameter", "8-bit beside a comment"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("To: süden@example.net", ADDRESS),
        ("To: <anna@süden.example>", ADDRESS),
        ("To: Anna <süden@example.net>", ADDRESS),
        ("To: a@example.net, süden@example.net", ADDRESS),
        ("To: team: süden@example.net;", ADDRESS),
        ('To: "süden"@example.net', ADDRESS),
        ("To: a@example.net Süden", ADDRESS),
        ("To: <a@example.net> Süden", ADDRESS),
        ("To: Süden", ADDRESS),
        ("Reply-To: (c) süden@example.net", ADDRESS),
        ("Resent-To: süden@example.net", ADDRESS),
        ("Message-ID: <süden@example.net>", ADDRESS),
        ("References: <a@example.net> <süden@example.net>", ADDRESS),
        ("Date: 21 März 2025", ADDRESS),
        ("List-Unsubscribe: <https://example.com/süden>", ADDRESS),
        ("Content-Type: text/süden", PARAMETER),
        ("Content-Type: multipart/mixed; boundary=süden", PARAMETER),
        ("Content-Type: text/plain; charset=süden", PARAMETER),
        ("Content-Disposition: attachment; filename*0=süden.pdf", PARAMETER),
        ("Content-Disposition: attachment; süden=1", PARAMETER),
        ('Content-Disposition: attachment; filename="süden.pdf".exe', PARAMETER),
        ('Content-Disposition: attachment; filename="süden.pdf" .exe; x=y', PARAMETER),
        ('Content-Disposition: attachment; filename="süden.pdf', PARAMETER),
        ('Content-Disposition: attachment; filename=süden".pdf', PARAMETER),
        ('Content-Disposition: attachment; filename="ü=?utf-8?q?=2Eexe?="', PARAMETER),
        ("Content-Disposition: attachment (süden); size=1", COMMENT),
        ("Content-Disposition: attachment; filename=Süden (1).pdf", COMMENT),
    ],
)
def test_raw_text_that_would_become_something_else_is_refused(raw: str, reason: str) -> None:
    with pytest.raises(Malformed, match=f"^{reason}$"):
        in_ascii(raw)


@pytest.mark.parametrize(
    "raw", [b"\xfc", b"x\xe4", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", "ü".encode() + b"\xff", b"\xf5\x80\x80\x80"]
)
@pytest.mark.parametrize("name", [b"Subject", b"To", b"Content-Disposition", b"Message-ID", b"X-Anything"])
def test_what_is_not_utf_8_is_refused(name: bytes, raw: bytes) -> None:
    with pytest.raises(Malformed, match=r"^8-bit header not in UTF-8$"):
        raw_fields.in_ascii(name + b": " + raw + b"\r\n")


# Any text, as a program that forgets to encode puts it into a header.

WORDS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=30).filter(
    lambda word: "=?" not in word
)
SPACES = st.sampled_from([" ", "  ", "\t", "\r\n ", " \t"])
TEXTS = st.tuples(WORDS, st.lists(st.tuples(SPACES, WORDS), max_size=8)).map(
    lambda drawn: drawn[0] + "".join(space + word for space, word in drawn[1])
)
ENCODED = st.sampled_from(["=?utf-8?q?a_b?=", "=?utf-8?b?w7w=?=", "=?iso-8859-1?q?=FC?="])


def lines_are_short(written: str) -> bool:
    return all(len(line) <= 78 or " " not in line.strip() for line in written.split("\r\n"))


@settings(deadline=None)  # Python's email is slow on a busy machine
@given(TEXTS.filter(lambda text: not text.isascii()))
@example("ü " * 30 + "ü")
@example("ü" * 150)
def test_free_text_says_the_same_to_two_readers(text: str) -> None:
    written = in_ascii(f"Subject: {text}")
    unfolded = text.replace("\r\n", "")
    assert mime.text(mime.unfold(written.partition(":")[2].encode())) == unfolded
    assert read(written)["Subject"] == unfolded
    assert lines_are_short(written) or max(map(len, text.split())) > 20


@settings(deadline=None)  # Python's email is slow on a busy machine
@given(st.lists(WORDS.filter(str.isascii) | ENCODED | st.sampled_from(["ü", "Süden"]), min_size=1, max_size=8))
@example(["=?utf-8?q?a_b?=", "ü", "=?utf-8?q?a_b?=", "a", "ü", "ü", "=?utf-8?q?a_b?=", "=?utf-8?q?a_b?="])
def test_beside_words_that_were_encoded_no_space_is_lost(words: list[str]) -> None:
    """Two words that were encoded before have no space between them; all others have."""
    text = " ".join(words)
    if text.isascii():
        return
    meaning = {word: mime.text(word.encode()) for word in words}
    expected = meaning[words[0]]
    for before, word in pairwise(words):
        both = before.startswith("=?") and word.startswith("=?")
        expected += ("" if both and before.endswith("?=") and word.endswith("?=") else " ") + meaning[word]
    assert read(in_ascii(f"Subject: {text}"))["Subject"] == expected


NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Z"], exclude_characters="=?"), min_size=1, max_size=10)


@settings(deadline=None)  # Python's email is slow on a busy machine
@given(st.lists(st.tuples(NAMES, st.sampled_from(["quoted", "phrase", "bare"])), min_size=1, max_size=5))
def test_addresses_are_the_same_and_names_say_the_same(people: list[tuple[str, str]]) -> None:
    written, expected = [], []
    for number, (name, kind) in enumerate(people):
        address = f"a{number}@example.net"
        plain = "".join(c for c in name if c.isalnum()) or "x"
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        written.append({"quoted": f'"{quoted}" <{address}>', "phrase": f"{plain} x <{address}>", "bare": address}[kind])
        expected.append(({"quoted": name, "phrase": f"{plain} x", "bare": ""}[kind], address))
    line = f"To: {', '.join(written)}"
    if not line.isascii():
        found = read(in_ascii(line))["To"].addresses
        assert [(each.display_name, each.addr_spec) for each in found] == expected


FILES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=90).map(str.strip)


@settings(deadline=None)  # Python's email is slow on a busy machine
@given(FILES.filter(lambda name: "=?" not in name and not name.isascii()), st.sampled_from(["filename", "name"]))
@example("Süden; filename=x.exe", "filename")
@example('Süden"; filename="x.exe', "filename")
@example("Süden\\", "name")
@example("Привет, мир " * 6 + ".pdf", "filename")
@example("😀" * 60 + ".pdf", "name")
def test_a_file_has_the_same_name_for_all_who_read_it(name: str, parameter: str) -> None:
    header = {"filename": "Content-Disposition: attachment", "name": "Content-Type: application/pdf"}[parameter]
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    raw = f'{header}; {parameter}="{quoted}"; x=y'
    written = in_ascii(raw)
    before, after = (mime.read(f"{each}\r\n\r\n".encode()).parts[0] for each in (raw, written))
    assert name in before.filenames
    assert name in after.filenames
    assert before.content_type == after.content_type
    # The newer reader of Python takes names apart that have quotes or backslashes; the older one decodes no RFC 2047.
    reader = compat32 if set(name) & set('"\\') else default
    assert email.message_from_bytes(written.encode() + b"\r\n\r\n", policy=reader).get_filename() == name
    assert max(map(len, written.split("\r\n"))) <= 78


PIECES = 'ü " \\ ; = filename name filename* filename*0 filename*0* x .exe ( ) =?utf-8?q?=2Eexe?= ß.pdf'.split()
PIECES += ["; ", " ", "utf-8''", "%C3%BC", 'filename="', '"; name="', "; filename=", '"süden.pdf"']


@settings(deadline=None)
@given(
    st.sampled_from(["Content-Disposition: inline; ", "Content-Type: a/b; "]), st.lists(st.sampled_from(PIECES), max_size=10)
)
@example("Content-Disposition: inline; ", ["filename=", '"süden.pdf"', ".exe"])
@example("Content-Disposition: inline; ", ["filename=", "ü", "=?utf-8?q?=2Eexe?="])
@example("Content-Disposition: inline; ", ["; filename=", "ß.pdf", "ü"])
def test_no_name_comes_up_that_was_not_judged(header: str, pieces: list[str]) -> None:
    """RFC 2231 is read undecoded too: the same name in another form.

    Where a name may begin or end in several places, what some find there is judged as it is sent.
    """
    raw = header + "".join(pieces)
    content = f"{raw}\r\n\r\n".encode()
    if raw.isascii():
        return
    try:
        parsed = mime.read(content)
        written = in_ascii(raw)
    except Malformed:
        return
    before, after = parsed.parts[0], mime.read(f"{written}\r\n\r\n".encode()).parts[0]
    assert after.content_type == before.content_type
    is_one = written.count("name") == 1 and written.count("=?utf-8?") <= 1 and "*1" not in written
    sent = () if is_one else (name for part in edits.renamed(content, parsed) for name in part.filenames)
    assert extensions(map(unquote, after.filenames)) <= extensions([*before.filenames, *map(unquote, sent)]) | {""}


def extensions(names: Iterable[str]) -> set[str]:
    return {extension for name in names for extension in filenames.extensions(name)}


# In a message.


def test_raw_headers_are_written_anew_and_nothing_else_changes() -> None:
    result = sent("To: Süden <a@example.net>\r\nX-A: a\r\nSubject: Süden\r\n".encode() + REST)
    _, _, rest = result.partition(b"-0000\r\n")
    expected = b"To: =?utf-8?b?U8O8ZGVu?= <a@example.net>\r\nX-A: a\r\nSubject: =?utf-8?b?U8O8ZGVu?=\r\n"
    assert rest == expected + REST


@pytest.mark.parametrize("line", ["Bcc: süden@example.net", "X-SES-A: ü", "Return-Path: <ü>", "X-Relay-Anything: ü"])
def test_what_is_removed_may_be_in_any_octets(line: str) -> None:
    assert sent(line.encode("latin-1") + b"\r\n" + COMPLETE) == sent(COMPLETE)


def in_a_part(headers: bytes, *, subtype: bytes = b"mixed", body: bytes = b"x") -> bytes:
    head = b"MIME-Version: 1.0\r\nContent-Type: multipart/" + subtype + b"; boundary=b\r\n" + COMPLETE
    return head + b"--b\r\n" + headers + b"\r\n" + body + b"\r\n--b--\r\n"


def test_the_headers_of_parts_are_written_anew_too() -> None:
    raw = "Content-Type: image/png; name=Süden.png\r\nContent-Description: im Süden\r\nX-A: a\r\n".encode()
    result = sent(in_a_part(raw))
    assert (
        b'\r\nContent-Type: image/png; name="=?utf-8?q?S=C3=BCden=2Epng?="\r\nContent-Description: im =?utf-8?b?U8O8' in result
    )
    assert result.isascii()
    assert needed(mapped(in_a_part(raw))) == needed(in_a_part(raw))
    with pytest.raises(Malformed, match="not in UTF-8"):
        needed(in_a_part("Content-Description: im Süden\r\n".encode("latin-1")))


@pytest.mark.parametrize("subtype", [b"signed", b"encrypted", b"SIGNED"])
def test_the_headers_of_signed_parts_stay_as_they_are(subtype: bytes) -> None:
    for charset in ("utf-8", "latin-1"):
        content = in_a_part("Content-Description: im Süden\r\n".encode(charset), subtype=subtype)
        assert sent(content).endswith(content)


def test_the_headers_of_a_message_that_was_sent_on_are_written_anew_where_they_can_be() -> None:
    nested = "Subject: im Süden\r\nFrom: Süden <süden@example.net>\r\nX-A: \r\n".encode() + b"X-B: \xff\r\n\r\nx"
    result = sent(in_a_part(b"Content-Type: message/rfc822\r\n", body=nested))
    expected = nested.replace("im Süden".encode(), b"im =?utf-8?b?U8O8ZGVu?=")
    assert result.endswith(b"message/rfc822\r\n\r\n" + expected + b"\r\n--b--\r\n")


def test_a_header_that_gets_too_long_is_refused() -> None:
    long = f'Content-Type: image/png; x="{string.ascii_letters * 20}"; name="ü"'
    with pytest.raises(Malformed, match="header line too long"):
        in_ascii(long)


LONGEST = {
    "words": "Subject: " + "ü " * 30_000,
    "spaces": "Subject: ü" + " " * 99_000,
    "a comment": "To: (" + "ü " * 30_000,
    "comments": "To: " + "(" * 99_000 + "ü",
    "backslashes": 'To: "' + "\\" * 90_000 + "ü",
    "quotes": "Content-Disposition: inline; x=ü; y=" + '"' + '\\"' * 40_000 + "(",
    "brackets": "To: " + "<" * 99_999 + "ü",
    "parameters": "Content-Disposition: inline" + "; x=ü" * 15_000,
    "a parameter": "Content-Disposition: inline; x=" + "ü" * 45_000,
}


@pytest.mark.parametrize("line", LONGEST.values(), ids=LONGEST.keys())
def test_the_longest_header_there_may_be_takes_a_moment(line: str) -> None:
    began = thread_time()
    with suppress(Malformed):
        in_ascii(line)
    assert thread_time() - began < 3  # the square of its length would take minutes
