"""What a step needs of the keeper of secrets that must be read again: access keys, and what webhooks are signed with."""

from __future__ import annotations

from typing import Protocol


class Seal(Protocol):
    """Keeps secrets unreadable for who has the database and not the relay's keys."""

    def seal(self, secret: str, *, about: str) -> str:
        """Text for the database, different each time. It can only be opened with the same `about`: what it belongs to."""

    def open(self, sealed: str, *, about: str) -> str:
        """Raises Unsealable where it was changed, is about something else, or its key is gone."""
