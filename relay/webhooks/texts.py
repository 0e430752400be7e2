"""The texts of a template as people write them: TOML, with a table for each event."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any

from relay.webhooks.webhook import EVERYTHING, Text

_PARTS = {"body", "url"}
_BARE = re.compile(r"[A-Za-z0-9_-]+")
# What a literal string cannot hold (TOML 1.0, "String").
_NOT_LITERAL = re.compile("[\x00-\x08\x0b-\x1f\x7f]|'''")


def read(text: str) -> tuple[Text, ...]:
    """Raises ValueError, whose words are for people."""
    try:
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"the texts are no TOML: {error}") from error
    return tuple(_text(trigger, parts) for trigger, parts in found.items())


def _text(trigger: str, parts: Any) -> Text:
    if not isinstance(parts, dict) or not parts.keys() <= _PARTS or not all(isinstance(part, str) for part in parts.values()):
        raise ValueError(f"{trigger}: the texts have a table for each event, or for {EVERYTHING}, with body and url")
    return Text(trigger=trigger, body=parts.get("body", ""), url=parts.get("url", ""))


def written(texts: Sequence[Text]) -> str:
    """What `read` reads as the same."""
    return "\n".join("\n".join(_lines(text)) + "\n" for text in texts)


def _lines(text: Text) -> Iterator[str]:
    yield f"[{text.trigger}]" if _BARE.fullmatch(text.trigger) else f"[{_quoted(text.trigger)}]"
    if text.url:
        yield f"url = {_value(text.url)}"
    yield f"body = {_value(text.body)}"


def _value(text: str) -> str:
    """As it is, where that can be: what is sent is full of quotes."""
    if _NOT_LITERAL.search(text):
        return _quoted(text)
    return f"'''\n{text}'''" if "\n" in text or "'" in text else f"'{text}'"


def _quoted(text: str) -> str:
    """As JSON, whose escapes TOML has as well, but for one letter that it wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
