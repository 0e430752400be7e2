"""The console's sentences: each is there in every language, and says the same things in its braces."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.alarm import MEANINGS, Kind
from relay.event import EventType
from relay.model import State
from relay.operators import OperatorRole
from relay.web.console.words import FOLDER, LANGUAGES, Words, chosen

_IN_TEMPLATE = re.compile(r"""_\(\s*"((?:[^"\\]|\\.)*)\"""")
_BRACES = re.compile(r"{(\w+)}")
_SENTENCE = re.compile(r"[A-Z{][^\n]* [^\n]*[.:?!]")
_SPEAKING = {"Said", "Objection"}


def in_templates() -> Iterator[str]:
    for path in (FOLDER / "templates").glob("*.html"):
        yield from _IN_TEMPLATE.findall(path.read_text("utf-8"))


def in_code() -> Iterator[str]:
    """What is said, objected to, or is the word for an action; and all that looks like a sentence and is no docstring."""
    for path in FOLDER.glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                yield from [node.value] if _SENTENCE.fullmatch(node.value) else []
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            texts = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            if node.func.id in _SPEAKING:
                yield from texts[:1]
            if node.func.id == "act":
                yield texts[-1]


ALARMS = {said for kind, meaning in MEANINGS.items() if kind is not Kind.TEST for said in (meaning.seen, meaning.remedy)}
EVENTS = {word.replace("_", " ") for word in (*EventType, *State)}
SENTENCES = sorted({*in_templates(), *in_code(), *ALARMS, *EVENTS, *OperatorRole} - {""})


def test_there_are_sentences_to_look_at() -> None:
    assert len(SENTENCES) > 100
    assert {"Log in", "All sessions of {name} end.", "There is no such role.", "operator added"} <= set(SENTENCES)


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_each_is_there_in_each_language(language: str) -> None:
    words = Words(language)
    assert [sentence for sentence in SENTENCES if sentence not in words.table] == []


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_each_has_the_same_braces_in_each_language(language: str) -> None:
    for english, other in Words(language).table.items():
        assert sorted(_BRACES.findall(english)) == sorted(_BRACES.findall(other)), english


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_no_sentence_stands_in_two_files(language: str) -> None:
    keys = [line.partition('" = ')[0] for path in (FOLDER / language).glob("*.toml") for line in lines(path)]
    assert sorted(keys) == sorted(set(keys))


def lines(path: Path) -> list[str]:
    return [line for line in path.read_text("utf-8").splitlines() if line.startswith('"')]


def test_numbers_are_written_as_the_language_does() -> None:
    english, russian = Words("en"), Words("ru")
    assert (english.number(1234567), russian.number(1234567)) == ("1,234,567", "1\u00a0234\u00a0567")
    assert (english.decimal(1234.5), russian.decimal(1234.5)) == ("1,234.50", "1\u00a0234,50")
    assert english("holds: {n}", n=12345) == "holds: 12,345"


@pytest.mark.parametrize(
    ("wanted", "accepted", "found"),
    [
        ("", "", "en"),
        ("", "ru-RU,ru;q=0.9,en;q=0.8", "ru"),
        ("", "de, en-GB;q=0.5, ru;q=0.1", "en"),
        ("", "de,fr", "en"),
        ("ru", "en", "ru"),
        ("xx", "ru", "ru"),
    ],
)
def test_a_language_is_chosen(wanted: str, accepted: str, found: str) -> None:
    assert chosen(wanted, accepted) == found
