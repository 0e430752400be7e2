"""The audit of what is installed: known vulnerabilities fail it, and silence is no answer."""

from __future__ import annotations

from tests.audit import Audit, audit

FLAW = {"id": "PYSEC-2024-24", "fix_versions": ["3.9.2"], "aliases": [], "description": "."}
UNMENDED = {"id": "GHSA-0000", "fix_versions": [], "aliases": [], "description": "."}
CLEAN = {"name": "attrs", "version": "26.1.0", "vulns": []}
FLAWED = {"name": "aiohttp", "version": "3.9.0", "vulns": [FLAW, UNMENDED]}
UNASKED = {"name": "blake3", "skip_reason": "Dependency not found on PyPI and could not be audited: blake3 (1.0.11)"}


def test_what_is_known_is_said_with_its_remedy() -> None:
    known = ("aiohttp 3.9.0: PYSEC-2024-24, mended in 3.9.2", "aiohttp 3.9.0: GHSA-0000, mended in no release")
    assert audit([CLEAN, FLAWED]) == Audit(2, 0, known)


def test_a_package_that_nobody_was_asked_about_is_not_a_clean_one() -> None:
    assert audit([CLEAN, UNASKED, UNASKED]) == Audit(1, 2, ())
