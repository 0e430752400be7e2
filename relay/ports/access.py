"""Who may use the console."""

from __future__ import annotations

from typing import Protocol

from relay.operators import AuditEntry, Operator, Session


class Operators(Protocol):
    """All raise StoreUnavailable."""

    async def all(self) -> tuple[Operator, ...]: ...
    async def get(self, name: str) -> Operator | None: ...

    async def add(self, operator: Operator, *, is_first: bool = False) -> bool:
        """False if there is one of that name; or, where it is to be the first, any at all."""

    async def change(self, operator: Operator) -> bool:
        """False if there is none of that name, or nobody would be left who may admit others. Who gets a new password or may
        not come in any more has no sessions any more.
        """

    async def renew(self, name: str, password_hash: str) -> bool:
        """A new password, and nothing else of him is changed: his sessions end. False if there is none of that name."""

    async def remove(self, name: str) -> bool:
        """With his sessions. False as above."""

    async def begin(self, session: Session) -> None: ...

    async def session(self, key: bytes, *, now: float) -> tuple[Session, Operator] | None:
        """None for one that is over, or whose operator is gone."""

    async def see(self, session: Session) -> None:
        """It is in use."""

    async def end(self, key: bytes) -> bool:
        """False if there was none."""

    async def sessions(self, *, now: float) -> tuple[Session, ...]:
        """Those that are not over, the newest first."""

    async def note(self, entry: AuditEntry) -> int:
        """What somebody is about to do; its number."""

    async def conclude(self, entry_id: int, *, subject: str, detail: str, outcome: str) -> None:
        """What came of it."""

    async def audit(self, *, before: int, count: int, operator: str = "") -> tuple[AuditEntry, ...]:
        """The newest first, of those with smaller numbers; of one operator or all."""
