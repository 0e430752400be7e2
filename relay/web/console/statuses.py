"""The one word on a delivery, as the console shows it."""

from __future__ import annotations

from relay import status
from relay.model import State

_GOOD, _BAD, _WARN = "good", "bad", "warn"
_BADGES = {
    "delivered": _GOOD,
    "opened": _GOOD,
    "clicked": _GOOD,
    "bounced hard": _BAD,
    "complained": _BAD,
    "rejected": _BAD,
    "failed": _BAD,
    "expired": _BAD,
    "bounced soft": _WARN,
    "suppressed": _WARN,
    "unsubscribed": _WARN,
    "auto-reply": _WARN,
    "delayed": _WARN,
    "in doubt": _WARN,
}
BOUNCED = "bounced"  # in one way or another
CHOICES = ("", BOUNCED, *sorted({*(state.replace("_", " ") for state in State), *status.WORDS}))


def badge(word: str) -> str:
    """How it is marked; empty for what is neither good nor bad."""
    return _BADGES.get(word, "")


def meant(choice: str) -> tuple[str, ...]:
    """The words that somebody means who has chosen this; none where he has chosen none, or what nobody knows."""
    if choice == BOUNCED:
        return "bounced hard", "bounced soft"
    return (choice,) if choice in CHOICES[1:] else ()
