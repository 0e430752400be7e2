"""Merge fields in messages that the relay puts together: what is found, and what each recipient gets."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.model import Edit, File
from relay.reading import mime
from relay.writing import composing, edits, merging
from relay.writing.composing import Letter

NAMES = frozenset({"Name", "City", "Full Name", merging.RECIPIENT})
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=80)


def composed(letter: Letter) -> bytes:
    return b"".join(composing.composed(letter))


def letter(*, subject: str = "News", html: str = "", text: str = "", recipient: str = "a@example.net") -> Letter:
    return Letter(sender="news@example.com", recipient=recipient, subject=subject, html=html, text=text)


def needed(content: bytes) -> tuple[Edit, ...]:
    return edits.needed(
        content, mime.read(content), message_id="1", hostname="relay.example.com", protocol="HTTP", now=0.0, merged=NAMES
    )


def read(made: Letter, values: dict[str, str]) -> EmailMessage:
    """What a recipient with these values reads."""
    content = composed(made)
    sent = b"".join(edits.edited(content, needed(content), {}, values))
    assert sent.isascii()
    assert max(map(len, sent.split(b"\r\n"))) <= 998
    found = message_from_bytes(sent, policy=default)
    assert isinstance(found, EmailMessage)
    return found


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def test_each_place_is_written_as_it_needs() -> None:
    value = 'A & "B" <c> [City]'
    mail = read(letter(subject="For [Name]", html="<p>[Name]</p>", text="[Name]"), {"Name": value, "City": "Bonn"})
    assert mail["Subject"] == f"For {value}"
    assert body(mail, "html").strip() == "<p>A &amp; &quot;B&quot; &lt;c&gt; [City]</p>"
    assert body(mail, "plain").strip() == value


@pytest.mark.parametrize("text", ["[1]", "[unknown]", "[]", "[Name", "Name]", "[[Nam]]", "[Na\nme]", "[name]"])
def test_what_is_no_field_stays(text: str) -> None:
    mail = read(letter(text=f"[Name] {text}"), {"Name": "Ann"})
    assert body(mail, "plain").split() == f"Ann {text}".split()


def test_what_stands_for_the_recipient_stands_in_to_alone() -> None:
    mark = f"[{merging.RECIPIENT}]"
    values = {"Name": "Ann", merging.RECIPIENT: composing.mailbox("ann@example.net", "<b>Ann</b>")}
    mail = read(letter(subject=f"[Name] {mark}", html=f"<p>[Name] {mark}</p>", text=f"[Name] {mark}", recipient=mark), values)
    assert mail["To"] == '"<b>Ann</b>" <ann@example.net>'
    assert mail["Subject"] == body(mail, "plain").strip() == f"Ann {mark}"
    assert body(mail, "html").strip() == f"<p>Ann {mark}</p>"


def test_who_has_no_value_gets_none() -> None:
    assert body(read(letter(text="Hello [City]!"), {"Name": "Ann"}), "plain").strip() == "Hello !"


def test_without_any_values_it_stays_as_it_is() -> None:
    assert body(read(letter(text="Hello [City]!"), {}), "plain").strip() == "Hello [City]!"


@pytest.mark.parametrize("evil", ["x\r\nBcc: b@example.net", "x\nBcc: b@example.net", "x\u2028Bcc: b", "\x00\x1b[31m"])
def test_no_value_writes_a_header(evil: str) -> None:
    mail = read(letter(subject="For [Name]", text="x", recipient=f"[{merging.RECIPIENT}]"),
                {"Name": evil, merging.RECIPIENT: composing.mailbox("a@example.net", evil)})  # fmt: skip
    assert "Bcc" not in mail
    assert str(mail["Subject"]).startswith("For ")
    assert [address.addr_spec for address in mail["To"].addresses] == ["a@example.net"]


@given(name=TEXTS, city=TEXTS, around=TEXTS)
def test_any_letters_come_through(name: str, city: str, around: str) -> None:
    around = around.replace("[", "(").replace("]", ")")
    mail = read(letter(subject=f"{around} [Name]", text=f"{around}[City]{around}"), {"Name": name, "City": city})
    assert body(mail, "plain").removesuffix("\n") == f"{around}{city}{around}"
    assert " ".join(str(mail["Subject"]).split()) == " ".join(f"{around} {name}".split())


@given(name=st.text(max_size=200), file=st.text(min_size=1, max_size=80))
def test_any_name_of_a_mailbox_and_a_file(name: str, file: str) -> None:
    made = Letter(
        sender=composing.mailbox("news@example.com", name), recipient="a@example.net", subject="x", text="y",
        files=[File(file, b"data")],
    )  # fmt: skip
    content = composed(made)
    parsed = mime.read(content)
    assert sum(header.name == "from" for header in parsed.headers) == 1
    text, _ = (part.content_type for part in parsed.parts if part.is_leaf)
    assert text == "text/plain"


@pytest.mark.parametrize(
    ("shown", "content_id", "disposition"),
    [
        ("cid:pic", "pic", "inline"),
        ("CID:pic", "pic", "inline"),
        ("cid:my%20pic.png", "my pic.png", "inline"),
        ("cid:a&amp;b", "a&b", "inline"),
        ("cid:pic2", "pic", "attachment"),
        ("cid:pic", "", "attachment"),
    ],
)
def test_a_file_is_inline_where_the_text_shows_that_very_one(shown: str, content_id: str, disposition: str) -> None:
    html = f'<p>See it: <img src="{shown}"></p>'
    letter = Letter(
        sender="a@x.com", recipient="b@x.com", subject="x", html=html, files=[File("a.png", b"\x89PNG", content_id)]
    )
    assert [part.get_content_disposition() for part in read(letter, {}).walk()][-1] == disposition


def test_files_stand_where_they_are_shown() -> None:
    made = Letter(
        sender="news@example.com",
        recipient="a@example.net",
        subject="x",
        html="<img src='cid:a.png'>",
        text="y",
        files=[File("a.png", b"\x89PNG", "a.png"), File("b.png", b"\x89PNG", "b.png"), File("c.eml", b"x")],
    )
    mail = read(made, {})
    kinds = [part.get_content_type() for part in mail.walk()]
    assert kinds == [
        "multipart/mixed", "multipart/related", "multipart/alternative", "text/plain", "text/html", "image/png", "image/png",
        "application/octet-stream",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["Anna Maria " * 40, "A" * 5000, 'A"\\' * 500, "Общество с ограниченной ответственностью " * 20, "Я" * 3000]
)
def test_however_long_a_name_is_the_address_is_there(name: str) -> None:
    values = {merging.RECIPIENT: composing.mailbox("anna@example.net", name)}
    [to] = read(letter(recipient=f"[{merging.RECIPIENT}]", text="x"), values)["To"].addresses
    assert to.addr_spec == "anna@example.net"
    shown = to.display_name.replace(" ", "")  # Python's reader puts blanks between encoded words of a phrase
    assert len(shown) > 100
    assert name.replace(" ", "").startswith(shown)
