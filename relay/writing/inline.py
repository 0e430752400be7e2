"""Images inside of a message, as its HTML names them: `cid:` and a Content-ID (RFC 2392)."""

from __future__ import annotations

import html
import re
from urllib.parse import unquote

SHOWN = re.compile(r"""(?<=["'(=])\s*cid:([^\s"'<>)]+)""", re.IGNORECASE)


def shown(page: str) -> frozenset[str]:
    """The Content-IDs of all that it shows."""
    return frozenset(map(meant, SHOWN.findall(page)))


def meant(written: str) -> str:
    """What an attribute of HTML says of a URL."""
    try:
        return unquote(html.unescape(written))
    except ValueError:  # a letter by a number of thousands of digits
        return written
