"""What a check of the doctor says: how it stands, what was seen, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How it stands."""

    OK = "ok"
    WARNING = "warning"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`remedy` is empty only where nothing has to be done."""

    grade: Grade
    seen: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict, and the name of the check that came to it."""

    check: str
    grade: Grade
    seen: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, and the worst grade among them."""

    grade: Grade
    findings: tuple[Finding, ...]


def ok(seen: str) -> Verdict:
    """Nothing to do."""
    return Verdict(Grade.OK, seen)


def warning(seen: str, remedy: str) -> Verdict:
    """It works, for now or in part."""
    return Verdict(Grade.WARNING, seen, remedy)


def fail(seen: str, remedy: str) -> Verdict:
    """Mail or events will not get through."""
    return Verdict(Grade.FAIL, seen, remedy)


def report(findings: Iterable[Finding]) -> Report:
    """In the order given."""
    found = tuple(findings)
    grades = {finding.grade for finding in found}
    worst = next((grade for grade in (Grade.FAIL, Grade.WARNING) if grade in grades), Grade.OK)
    return Report(worst, found)
