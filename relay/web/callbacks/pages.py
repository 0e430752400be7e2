"""The pages that readers of mail see: one template, in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aiohttp import web
from jinja2 import Environment, FileSystemLoader

from relay.web.callbacks.look import Look, headers
from relay.web.callbacks.texts import FOLDER, Texts


class Pages:
    """Renders them."""

    def __init__(self, look: Look, texts: Texts) -> None:
        self._look = look
        self._texts = texts
        self._template = Environment(loader=FileSystemLoader(FOLDER), autoescape=True).get_template("page.html")
        self._style = look.style
        self._headers = headers(self._style)

    def answer(
        self,
        request: web.Request,
        page: str,
        *,
        status: int = 200,
        action: str = "",
        lists: str = "",
        choices: Mapping[str, bool] | None = None,
        mail: str = "",
        **words: str,
    ) -> web.Response:
        """`words` are put into the texts; a text that needs a list is there only where there is one.

        `action` is what the button does, `lists` an address where single lists are chosen, `choices` are those lists, and
        `mail` is a text that is shown as it is.
        """
        language = self._texts.language(request.headers.get("Accept-Language", ""))
        texts = self._texts.page(page, language)
        lines = [texts.get("list" if words.get("list") else "all", ""), texts.get("text", ""), texts.get("mistake", "")]
        html = self._template.render(
            language=language,
            look=self._look,
            style=self._style,
            heading=texts.get("heading", ""),
            paragraphs=[_filled(line, words) for line in lines if line],
            button=texts.get("button", "") if action else "",
            action=action,
            lists=lists,
            to_lists=texts.get("lists", ""),
            choices=choices,
            mail=mail,
        )
        return web.Response(text=html, content_type="text/html", charset="utf-8", status=status, headers=self._headers)


def _filled(text: str, words: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: words.get(match[1], match[0]), text)
