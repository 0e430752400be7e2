"""The console's pages, made of templates."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from relay.web.console import rendering
from relay.web.console.files import Files
from relay.web.console.rendering import Rendering
from relay.web.console.words import FOLDER

FACTS = {"path": "/x", "operator": None, "csrf": "", "said": "", "is_objection": False}


def test_pages_stay_those_of_the_version_that_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copytree(FOLDER / "templates", tmp_path / "templates")
    monkeypatch.setattr(rendering, "FOLDER", tmp_path)
    pages = Rendering(Files())
    for path in (tmp_path / "templates").iterdir():
        path.write_text("{{ something_new }}")
    assert "There is no such page" in pages.page("missing", "en", FACTS)
