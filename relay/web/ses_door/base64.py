"""Octets in the text of a request."""

from __future__ import annotations

import re

import pybase64

from relay.web.ses_door.faults import Kind, SesFault

_SPACE = re.compile(r"\s+")


def decoded(text: str, name: str) -> bytes:
    """Raises SesFault."""
    try:
        return pybase64.b64decode(_SPACE.sub("", text), validate=True)
    except ValueError:
        raise SesFault(Kind.INVALID, f"{name} is not base64.") from None
