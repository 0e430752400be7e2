"""What stands in a cell of a table: times, and text that a spreadsheet must not take for a formula."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import gmtime, strftime

_SECONDS = re.compile(r"[0-9]{1,10}(\.[0-9]+)?", re.ASCII)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def harmless(cell: str) -> str:
    """What begins as a formula gets a quote before it; so does what has one there already, to be told apart."""
    return f"'{cell}" if _looks_like_formula(cell) else cell


def restored(cell: str) -> str:
    """What `harmless` was given."""
    return cell[1:] if cell.startswith("'") and _looks_like_formula(cell) else cell


def _looks_like_formula(cell: str) -> bool:
    return cell.lstrip("'").startswith(_FORMULA)


def told(at: float) -> str:
    """A time as we write it: UTC; empty for none."""
    return strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(at)) if at else ""


def time(cell: str) -> float:
    """Seconds out of a number of them, ISO 8601 or RFC 5322; UTC where no zone is named. Raises ValueError."""
    if _SECONDS.fullmatch(cell):
        return float(cell)
    text = cell.removesuffix(" UTC")
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        try:
            found = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):  # it raises all of these
            raise ValueError(f"{cell!r} is not a time") from None
    try:
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except OverflowError:
        raise ValueError(f"{cell!r} is not a time") from None
