"""What the pages and the footer say, by language: files of ours, and of an operator, who may add to them or replace them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from relay.writing.footers import Footer

FOLDER = Path(__file__).parents[1] / "pages"
_DEFAULT = "en"
_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:-[A-Za-z0-9-]+)?(?:\s*;\s*q=([0-9]+(?:\.[0-9]*)?))?\s*")

Page = Mapping[str, str]
"""The texts of one page, by what they are for."""


class Texts:
    """`folder` has more languages, or others in place of ours; `language` holds for all readers.

    Raises OSError or ValueError for files that cannot be used.
    """

    def __init__(self, folder: Path | None, language: str) -> None:
        if folder and not folder.is_dir():
            raise ValueError(f"{folder} is no folder")
        paths = [path for each in (FOLDER, folder) if each for path in sorted(each.glob("*.toml"))]
        self._pages: dict[str, dict[str, Page]] = {}
        for path in paths:
            said = self._pages.setdefault(path.stem, {})
            said.update({name: {**said.get(name, {}), **page} for name, page in _read(path).items()})
        if language and language not in self._pages:
            raise ValueError(f"there are no texts in the language {language}")
        self._language = language
        self.footer = self._footer()

    def language(self, accepted: str) -> str:
        """That of a reader whose browser sent this Accept-Language. RFC 9110 12.5.4, without the finer points."""
        matches = (_LANGUAGE.fullmatch(word.strip()) for word in accepted.split(",")[:20])
        found = [(float(match[2] or 1), match[1].lower()) for match in matches if match]
        known = [(-weight, order, name) for order, (weight, name) in enumerate(found) if name in self._pages and weight]
        return self._language or (min(known)[2] if known else _DEFAULT)

    def page(self, name: str, language: str) -> Page:
        """What is not said in a language is said in English."""
        return {**self._pages[_DEFAULT][name], **self._pages[language].get(name, {})}

    def _footer(self) -> Footer:
        """Of mail, in the one language or in English."""
        said, plain = self.page("footer", self._language or _DEFAULT), self.page("footer", _DEFAULT)
        if not all("[Unsubscribe]" in text for text in (said["text"], said["html"], plain["text"])):
            raise ValueError("the texts of [footer] must have [Unsubscribe]")
        plainer = plain["text"].encode("ascii", "replace").decode()
        text, html, plainer = (each.replace("\n", "\r\n") for each in (said["text"], said["html"], plainer))
        return Footer(text=text, html=html, plain=plainer)


def _read(path: Path) -> Mapping[str, Page]:
    """Raises ValueError with its name."""
    try:
        found: Mapping[str, Page] = tomllib.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not all(isinstance(page, dict) and all(isinstance(text, str) for text in page.values()) for page in found.values()):
        raise ValueError(f"{path}: must have tables of texts")
    return found
