from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.reading import filenames

EXTENSIONS = ["exe", "js", "ps1xml", "pdf"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.exe", "exe"),
        ("a.EXE", "exe"),
        ("a.exe.", "exe"),
        ("a.exe...", "exe"),
        ("a.exe ", "exe"),
        ("a.exe . .", "exe"),
        ("a.exe\t", "exe"),
        ("a. exe", "exe"),
        ("a.exe\0", "exe"),
        ("a.e\0xe", "exe"),
        ("a.exe\u00a0", "exe"),  # no-break space
        ("a.exe\u3000", "exe"),  # ideographic space
        ("a.ｅｘｅ", "exe"),
        ("a\uff0eexe", "exe"),  # fullwidth full stop
        ("a\u2024exe", "exe"),  # one dot leader
        ("a.exe\u200b", "exe"),  # zero width space
        ("a.exe\u200d\u2060\ufeff", "exe"),
        ("a.e\u200bxe", "exe"),
        ("a.exe\u202c", "exe"),  # pop directional formatting
        ("a\u202efdp.exe", "exe"),  # right-to-left override: shown as "aexe.pdf"
        ("a.exe\u200e.", "exe"),
        ("a.pdf", "pdf"),
        ("a.exe.pdf", "pdf"),
        ("a", ""),
        ("", ""),
        ("a.", ""),
    ],
)
def test_an_extension_is_what_a_desktop_sees(name: str, expected: str) -> None:
    assert filenames.extension(name) == expected


@given(st.text(), st.sampled_from(EXTENSIONS), st.text(". \t", max_size=5))
def test_nothing_before_or_harmless_behind_hides_an_extension(before: str, word: str, behind: str) -> None:
    assert filenames.extension(f"{before}.{word}{behind}") == word


@given(st.text())
def test_any_name_has_an_extension_or_none(name: str) -> None:
    found = filenames.extension(name)
    assert found == found.strip()
    assert "." not in found
