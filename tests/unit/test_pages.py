"""What an operator may say and choose of the pages, and how often they may be asked for."""

from __future__ import annotations

import base64
import time
import tomllib
from html import escape
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request

from relay.web.callbacks.limits import Limits
from relay.web.callbacks.look import headers, look
from relay.web.callbacks.pages import Pages
from relay.web.callbacks.texts import FOLDER, Texts


def test_all_languages_of_ours_say_all() -> None:
    english, *others = (tomllib.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.toml")))
    assert others
    for other in others:
        assert {page: set(texts) for page, texts in other.items()} == {page: set(texts) for page, texts in english.items()}


WANTED = {
    "": "en",
    "ru": "ru",
    "ru-RU, en;q=0.5": "ru",
    "de, ru;q=0.1": "ru",
    "en;q=0.1, ru;q=0.2": "ru",
    "ru;q=0": "en",
    "*": "en",
    "ru;q=.": "en",
    "x" * 10_000: "en",
}


@pytest.mark.parametrize(("accepted", "language"), WANTED.items())
def test_a_reader_gets_his_language_if_there_is_one(accepted: str, language: str) -> None:
    assert Texts(None, "").language(accepted) == language


def test_one_language_may_hold_for_all() -> None:
    texts = Texts(None, "ru")
    assert texts.language("en") == "ru"
    assert texts.footer.text.startswith("Не хотите")
    assert texts.footer.plain.isascii()


def test_an_operator_adds_a_language_and_says_what_he_likes(tmp_path: Path) -> None:
    (tmp_path / "de.toml").write_text('[ask]\nheading = "Abbestellen"\n[footer]\ntext = "Weg:\\n[Unsubscribe]"\n')
    texts = Texts(tmp_path, "")
    assert texts.language("de-AT") == "de"
    assert texts.page("ask", "de")["heading"] == "Abbestellen"
    assert texts.page("ask", "de")["button"] == "Unsubscribe"
    assert Texts(tmp_path, "de").footer.text == "Weg:\r\n[Unsubscribe]"


@pytest.mark.parametrize("language", ["en", "ru"])
def test_what_an_operator_does_not_say_of_a_language_of_ours_stays_as_it_is(tmp_path: Path, language: str) -> None:
    (tmp_path / f"{language}.toml").write_text('[ask]\nheading = "Bye"\n')
    texts, ours = Texts(tmp_path, language), Texts(None, language)
    assert texts.page("ask", language) == {**ours.page("ask", language), "heading": "Bye"}
    assert texts.page("left", language) == ours.page("left", language)
    assert texts.footer == ours.footer


def test_a_footer_of_several_lines_is_of_lines_as_mail_has_them(tmp_path: Path) -> None:
    (tmp_path / "de.toml").write_text("[footer]\ntext = '''a\n[Unsubscribe]'''\nhtml = '''<p>\n[Unsubscribe]'''\n")
    footer = Texts(tmp_path, "de").footer
    assert (footer.text, footer.html) == ("a\r\n[Unsubscribe]", "<p>\r\n[Unsubscribe]")


WRONG = {
    "no such language": ("", "fr", "language fr"),
    "no TOML": ("[ask", "", "en.toml"),
    "no texts": ("[ask]\nheading = 7\n", "", "tables of texts"),
    "a page that is none": ('ask = "x"\n', "", "tables of texts"),
    "a footer without a link": ('[footer]\ntext = "x"\nhtml = "[Unsubscribe]"\n', "", "must have"),
}


@pytest.mark.parametrize(("text", "language", "why"), WRONG.values(), ids=WRONG.keys())
def test_texts_that_cannot_be_used_are_refused_by_name(tmp_path: Path, text: str, language: str, why: str) -> None:
    ours = (FOLDER / "en.toml").read_text("utf-8")
    (tmp_path / "en.toml").write_text(text if not text.startswith("[footer]") else ours.partition("[footer]")[0] + text)
    with pytest.raises(ValueError, match=why):
        Texts(tmp_path if text else None, language)


def test_a_long_text_is_shown_in_short_time() -> None:
    pages = Pages(look(company="", logo="", colour="", background=""), Texts(None, ""))
    mail = "a" + "<" * 300_000 + ">" * 300_000
    began = time.process_time()
    shown = pages.answer(make_mocked_request("GET", "/"), "mail", mail=mail).text
    assert time.process_time() - began < 2
    assert shown
    assert f"<pre>{escape(mail)}</pre>" in shown


def test_a_logo_is_in_the_page_and_its_style_is_the_only_one(tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_bytes(b"<svg/>")
    chosen = look(company="Shop", logo=str(tmp_path / "logo.svg"), colour="#ffcc00", background="#000000")
    assert chosen.logo == "data:image/svg+xml;base64," + base64.b64encode(b"<svg/>").decode()
    assert "--accent: #ffcc00; --on-accent: #000000; --ground: #000000;" in chosen.style
    assert headers(chosen.style) != headers(look(company="", logo="", colour="", background="").style)


@pytest.mark.parametrize(
    ("colour", "on"), [("#000000", "#ffffff"), ("#ffffff", "#000000"), ("#14532d", "#ffffff"), ("#86efac", "#000000")]
)
def test_what_stands_on_a_colour_can_be_read(colour: str, on: str) -> None:
    assert f"--on-accent: {on};" in look(company="", logo="", colour=colour, background="").style


def test_a_look_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "logo.exe").write_bytes(b"MZ")
    (tmp_path / "logo.png").write_bytes(b"x" * (256 * 1024 + 1))
    for logo in ("logo.exe", "logo.png", "missing.png"):
        with pytest.raises((ValueError, OSError)):
            look(company="", logo=str(tmp_path / logo), colour="", background="")
    for colour in ("red", "#fff", "#14532d; }", "url(x)"):
        with pytest.raises(ValueError, match="no colour"):
            look(company="", logo="", colour=colour, background="")


def test_looks_are_counted_by_network_and_deeds_by_link() -> None:
    now = 100.0
    limits = Limits(lambda: now)
    assert all(limits.may_look("192.0.2.1") for _ in range(600))
    assert not limits.may_look("192.0.2.1")
    assert limits.may_look("192.0.2.2")
    assert all(limits.may_look(f"2001:db8::{number:x}") for number in range(600))
    assert not limits.may_look("2001:db8::ffff:1")
    assert limits.may_look("2001:db8:0:1::1")
    assert not limits.may_look("::ffff:192.0.2.1")
    assert limits.may_look("::ffff:192.0.2.3")
    assert all(limits.may_act("a") for _ in range(30))
    assert not limits.may_act("a")
    assert limits.may_act("b")
    now = 160.0
    assert limits.may_look("192.0.2.1")
    assert limits.may_act("a")
