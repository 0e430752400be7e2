"""What a page says once, of what was done before: kept in a cookie until it is shown."""

from __future__ import annotations

import base64
import json
import re

from relay.web.console.visits import Said

_LONGEST_WORD = 300  # characters: no browser takes a cookie of more than 4 KB
_PLACE = re.compile(r"{([a-z_]+)}")


def written(said: Said, is_objection: bool) -> str:
    """The cookie's value."""
    words = {name: _cut(word) for name, word in said.words.items()}
    document = json.dumps([said.text, words, is_objection], ensure_ascii=False)
    return base64.urlsafe_b64encode(document.encode("utf-8", "replace")).decode()


def read(cookie: str) -> tuple[Said, bool] | None:
    """None for what was never written here: its braces hold names and nothing else, and no width that would fill the memory."""
    try:
        text, words, is_objection = json.loads(base64.urlsafe_b64decode(cookie.encode("ascii", "replace")))
        found = Said(str(text), {str(name): word for name, word in words.items() if isinstance(word, str | int)})
    except (ValueError, AttributeError, TypeError, RecursionError):
        return None
    is_plain = found.words.keys() >= {*_PLACE.findall(found.text)} and not {"{", "}"} & {*_PLACE.sub("", found.text)}
    return (found, bool(is_objection)) if is_plain else None


def _cut(word: str | int) -> str | int:
    return word if isinstance(word, int) or len(word) <= _LONGEST_WORD else word[:_LONGEST_WORD] + "…"
