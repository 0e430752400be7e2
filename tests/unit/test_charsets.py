"""Names of charsets, as mail has them: what Python knows is decoded, and what it does not know is not kept."""

from __future__ import annotations

import codecs
import encodings

import pytest

from relay.reading.fields import codec

KNOWN = (
    "utf-8",
    "UTF8",
    "ISO-8859-1",
    "windows-1252",
    "x-mac-japanese",
    "ks_c_5601-1987",
    "unicode-1-1-utf-7",
    "rot13",
    "cp874",
)
UNKNOWN = ("", "latin.1", "oem", "aliases", "../os", "x y", "é", "utf-9")


@pytest.mark.parametrize("charset", KNOWN)
def test_what_python_has_is_known_by_its_name(charset: str) -> None:
    assert codec(charset) == codecs.lookup(charset).name


@pytest.mark.parametrize("charset", UNKNOWN)
def test_what_it_has_not_is_not(charset: str) -> None:
    with pytest.raises(LookupError):
        codecs.lookup(charset)
    assert codec(charset) == ""


def test_names_are_not_kept() -> None:
    assert codec("utf-8") == "utf-8"
    kept = dict(encodings._cache)
    for number in range(1, 1000):
        assert codec(f"charset-{number}") == ""
        assert codec(f"utf{'-' * number}8") == "utf-8"
    assert encodings._cache.keys() - kept.keys() <= {"utf_8"}
