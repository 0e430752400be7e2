"""From a template and what it shows to a page, in one of the languages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup, escape

from relay.operators import OperatorRole
from relay.web.console.files import Files
from relay.web.console.visits import Said
from relay.web.console.words import FOLDER, LANGUAGES, Words

_UNITS = ("octets", "KB", "MB", "GB", "TB")


class Rendering:
    """Has the templates of all languages, read once: a new version may be put in the place of ours while we run."""

    def __init__(self, files: Files) -> None:
        templates = {path.name: path.read_text("utf-8") for path in (FOLDER / "templates").glob("*.html")}
        self._environments = {language: _environment(Words(language), files, templates) for language in LANGUAGES}

    def page(self, template: str, language: str, facts: Mapping[str, Any]) -> str:
        """HTML."""
        return self._environments[language].get_template(f"{template}.html").render(facts)

    def sentence(self, said: Said, language: str) -> str:
        """What was said, in that language."""
        words = cast(Words, self._environments[language].globals["_"])
        return words(said.text, **said.words)


def _environment(words: Words, files: Files, templates: Mapping[str, str]) -> Environment:
    made = Environment(
        loader=DictLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"_": words, "language": words.language, "file": files.path, "Role": OperatorRole}
    made.filters |= {
        "when": when,
        "number": words.number,
        "decimal": words.decimal,
        "percent": lambda share: "–" if share is None else f"{words.decimal(100 * share)} %",
        "octets": lambda count: _octets(words, count),
        "ago": lambda seconds: _ago(words, seconds),
    }
    return made


def when(seconds: float | None) -> str:
    """A moment: in UTC, which a script shows in the time of the reader's place."""
    try:
        at = datetime.fromtimestamp(seconds, UTC) if seconds else None
    except (ValueError, OverflowError):  # of a year that is none
        at = None
    if at is None:
        return "–"
    return Markup('<time datetime="{}">{}</time>').format(
        at.isoformat(timespec="seconds"), escape(at.strftime("%Y-%m-%d %H:%M:%S UTC"))
    )


def _octets(words: Words, count: float) -> str:
    for unit in _UNITS:
        if count < 1024 or unit == _UNITS[-1]:
            break
        count /= 1024
    return f"{words.decimal(count, 0 if unit == _UNITS[0] else 1)} {words(unit)}"


def _ago(words: Words, seconds: float) -> str:
    """How long something took or lasts."""
    for unit, length in (("{n} d", 86400), ("{n} h", 3600), ("{n} min", 60)):
        if seconds >= 2 * length:
            return words(unit, n=int(seconds // length))
    return words("{n} s", n=int(max(0.0, seconds)))
