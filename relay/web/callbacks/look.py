"""How the pages look: what a company may choose, and the style and the headers that follow from it."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from relay.web.callbacks.texts import FOLDER

_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}", re.ASCII)
_LARGEST_LOGO = 256 * 1024
_LOGOS = {".png": "image/png", ".jpg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp", ".svg": "image/svg+xml"}
_DARK = 0.179  # luminance at which black and white have the same contrast: WCAG 2.2, "contrast ratio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """`logo` is a data URL; colours are #RRGGBB; empty is ours."""

    company: str = ""
    logo: str = ""
    colour: str = ""
    background: str = ""

    @property
    def style(self) -> str:
        chosen = {"--accent": self.colour, "--on-accent": _on(self.colour), "--ground": self.background}
        rules = "".join(f" {name}: {colour};" for name, colour in chosen.items() if colour)
        style = (FOLDER / "page.css").read_text("utf-8")
        return f"{style}@media all {{ :root {{{rules} }} }}\n" if rules else style


def look(*, company: str, logo: str, colour: str, background: str) -> Look:
    """`logo` is the path of a file. Raises OSError or ValueError for what cannot be used."""
    for chosen in filter(None, (colour, background)):
        if not _COLOUR.fullmatch(chosen):
            raise ValueError(f"{chosen} is no colour like #14532d")
    return Look(company=company, logo=_data_url(Path(logo)) if logo else "", colour=colour, background=background)


def _data_url(path: Path) -> str:
    kind = _LOGOS.get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path} is none of {', '.join(_LOGOS)}")
    octets = path.read_bytes()
    if len(octets) > _LARGEST_LOGO:
        raise ValueError(f"{path} is larger than {_LARGEST_LOGO} octets")
    return f"data:{kind};base64,{base64.b64encode(octets).decode()}"


def headers(style: str) -> dict[str, str]:
    """Nothing is loaded, nothing is run, nobody is told where the reader came from."""
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    return {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self';"
        " frame-ancestors 'none'; base-uri 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "X-Robots-Tag": "noindex",
    }


def _on(colour: str) -> str:
    """Black or white, whichever can be read better on it: WCAG 2.2, "relative luminance"."""
    if not colour:
        return ""
    shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    luminance = sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return "#ffffff" if luminance < _DARK else "#000000"
