"""The manual's pages: what is said in them, and what they tell to type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
BEFORE = r"(?:docker compose exec \S+ |(?:kubectl|runuser) .* -- )?(?:\.venv/bin/)?"  # what runs it


def prose(page: Path) -> str:
    """Without blocks of code: fenced ones, and those that are indented behind an empty line."""
    text = re.sub(r"(?ms)^ *```.*?^ *```", "", page.read_text())
    return re.sub(r"(?m)(?<=\n\n)(?: {4,}\S.*\n(?:\n(?= {4}))?)+", "", text)


def commands(page: Path) -> Iterator[str]:
    """In blocks of code, without prompt, comment and continuation."""
    for line in page.read_text().replace("\\\n", " ").splitlines():
        if found := re.match(rf"(?:\s{{4,}}|\$ )(?:\$ )?{BEFORE}(relay .*)", line):
            yield re.split(r"\s{3,}|\s#\s", found[1])[0]
