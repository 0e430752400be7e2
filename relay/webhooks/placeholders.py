"""Texts with `${names}`: what stands for each is written so that it stays a value where it is put."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Collection, Mapping
from urllib.parse import quote, quote_plus

_NAME = re.compile(r"\$\{([^${}]*+)\}")
_IS_JSON = re.compile(r"application/(json|x-amz-json.*)|.*\+json")
_IS_MARKUP = re.compile(r"(application|text)/xml|text/html|.*\+xml")
_NOT_IN_MARKUP = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Escape = Callable[[str], str]


def in_url(text: str) -> str:
    """As a part of a path or of a query."""
    return quote(text, safe="", errors="replace")


def in_form(text: str) -> str:
    """As a name or a value of a form."""
    return quote_plus(text, safe="", errors="replace")


def in_json(text: str) -> str:
    """Within the quotes of a JSON string."""
    return json.dumps(text)[1:-1]


def in_markup(text: str) -> str:
    """As text of XML or HTML, or as a value of an attribute."""
    return html.escape(_NOT_IN_MARKUP.sub("\N{REPLACEMENT CHARACTER}", text))


def in_header(text: str) -> str:
    """As a value of a header: no control characters, and no other letters than ASCII has."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)


def as_it_is(text: str) -> str:
    """Where nothing is known of the place."""
    return text


def escape_for(content_type: str) -> Escape:
    """In a body of that type."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return in_form
    if _IS_MARKUP.fullmatch(kind):
        return in_markup
    return in_json if _IS_JSON.fullmatch(kind) else as_it_is


def filled(text: str, values: Mapping[str, str], escape: Escape) -> str:
    """A name that nobody knows stands for nothing."""
    return _NAME.sub(lambda match: escape(values.get(match[1].strip(), "")), text)


def names(text: str) -> Collection[str]:
    """Those in a text."""
    return {name.strip() for name in _NAME.findall(text)}
