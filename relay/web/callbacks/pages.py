"""The pages that readers of mail see: one template, and texts by language, which an operator may add to."""

from __future__ import annotations

import base64
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from aiohttp import web
from jinja2 import Environment, FileSystemLoader

_FOLDER = Path(__file__).parents[1] / "pages"
_DEFAULT = "en"
_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:-[A-Za-z0-9-]+)?(?:\s*;\s*q=([0-9.]+))?\s*")

Texts = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a company may choose. `language` holds for all readers; without it each gets his own, if we have it."""

    company: str = ""
    language: str = ""


class Pages:
    """Renders them. `texts` is a folder with more languages, or others in place of ours."""

    def __init__(self, look: Look, texts: Path | None = None) -> None:
        self._look = look
        self._texts = {
            path.stem: _read(path) for folder in (_FOLDER, texts) if folder for path in sorted(folder.glob("*.toml"))
        }
        self._template = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True).get_template("page.html")
        self._style = (_FOLDER / "page.css").read_text("utf-8")
        digest = base64.b64encode(sha256(self._style.encode()).digest()).decode()
        self._headers = {
            "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self';"
            " frame-ancestors 'none'; base-uri 'none'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
            "X-Robots-Tag": "noindex",
        }

    def answer(self, request: web.Request, page: str, *, status: int = 200, action: str = "", **words: str) -> web.Response:
        """`words` are put into the texts; a text that needs a list is there only where there is one."""
        language = self._look.language or self._wanted(request.headers.get("Accept-Language", ""))
        texts = {**self._texts[_DEFAULT][page], **self._texts[language].get(page, {})}
        lines = [texts.get("list" if words.get("list") else "all", ""), texts.get("text", ""), texts.get("mistake", "")]
        html = self._template.render(
            language=language,
            look=self._look,
            style=self._style,
            heading=texts["heading"],
            paragraphs=[_filled(line, words) for line in lines if line],
            button=texts.get("button", "") if action else "",
            action=action,
        )
        return web.Response(text=html, content_type="text/html", charset="utf-8", status=status, headers=self._headers)

    def _wanted(self, accepted: str) -> str:
        """RFC 9110 12.5.4, without the finer points."""
        matches = (_LANGUAGE.fullmatch(word.strip()) for word in accepted.split(",")[:20])
        found = [(float(match[2] or 1), match[1].lower()) for match in matches if match and (match[2] or "1") != "."]
        known = [(-weight, order, name) for order, (weight, name) in enumerate(found) if name in self._texts and weight]
        return min(known)[2] if known else _DEFAULT


def _filled(text: str, words: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: words.get(match[1], match[0]), text)


def _read(path: Path) -> Texts:
    found: Texts = tomllib.loads(path.read_text("utf-8"))
    return found
