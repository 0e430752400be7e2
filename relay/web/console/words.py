"""The console in other languages: sentences stand in English where they are used, and in a table for each other language."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
ENGLISH, RUSSIAN = "en", "ru"
LANGUAGES = (ENGLISH, RUSSIAN)


class Words:
    """Of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.table = _table(language) if language != ENGLISH else {}

    def __call__(self, text: str, /, **words: object) -> str:
        """A sentence with its braces filled."""
        found = self.table.get(text, text)
        return found.format_map({name: self.number(word) for name, word in words.items()}) if words else found

    def number(self, value: object) -> str:
        """Whole numbers in groups of three."""
        if isinstance(value, bool) or not isinstance(value, int):
            return str(value)
        return f"{value:,}" if self.language == ENGLISH else f"{value:,}".replace(",", "\u00a0")

    def decimal(self, value: float, places: int = 2) -> str:
        """A number with so many places."""
        text = f"{value:,.{places}f}"
        if self.language == ENGLISH:
            return text
        return text.replace(",", "\u00a0").replace(".", ",")


@cache
def _table(language: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for path in sorted((FOLDER / language).glob("*.toml")):
        found |= tomllib.loads(path.read_text("utf-8"))
    return found


def chosen(wanted: str, accepted: str) -> str:
    """The language that somebody has chosen, or else the first of ours that his browser asks for."""
    if wanted in LANGUAGES:
        return wanted
    asked = (part.partition(";")[0].strip().partition("-")[0].lower() for part in accepted.split(","))
    return next((language for language in asked if language in LANGUAGES), ENGLISH)
