"""Mailings: kept, and made into deliveries step by step."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from relay.contact import ContactDetails
from relay.mailing import Audience, Mailing, Reach, Task, TaskState
from relay.model import Delivery, File, Message, Receipt
from relay.statistics import Figures

MOST_LISTED = 1000  # characters of a text where many are shown


class Pace(NamedTuple):
    """How a step makes deliveries: when each is due and how long it is tried, in seconds.

    With `every` seconds between two of them they are spread from `start_at` on; 0 is all at once. A `playpen` gets all of them.
    """

    now: float
    lifetime: float
    start_at: float
    every: float = 0.0
    playpen: str = ""

    def due_at(self, number: int) -> float:
        """Of the delivery of that number."""
        return max(self.now, self.start_at + self.every * (number - 1))


class Step(NamedTuple):
    """Deliveries that one step has made, as they were stored, and the task after it; None if it was not as it was given."""

    made: tuple[Delivery, ...]
    task: Task | None


class Progress(NamedTuple):
    """What was counted of a mailing, and how many of its deliveries are not over."""

    figures: Figures
    waiting: int


class Member(NamedTuple):
    """A contact of an audience; `key` is that of its address."""

    key: str
    id: int
    email: str
    details: ContactDetails


class Tasks(Protocol):
    """All raise StoreUnavailable."""

    async def add(
        self, credential: str, mailing: Mailing, audience: Audience, *, at: float, receipt: Receipt | None = None
    ) -> int:
        """Its number; it is new. Raises StoreRefuses where the login has used the key of the receipt before."""

    async def change(
        self, task_id: int, mailing: Mailing, audience: Audience | None, *, was: tuple[Mailing, Audience | None] | None = None
    ) -> bool:
        """Only while it is new, and says what it did, where `was` is given: False if it is not. None leaves the audience as it
        is.
        """

    async def get(self, task_id: int) -> Task | None: ...
    async def audience(self, task_id: int) -> Audience: ...

    async def of(self, credential: str, *, skipped: int, count: int) -> tuple[tuple[Task, ...], int]:
        """Some of a login's that are not deleted, the newest first, and how many there are; the beginning of their texts."""

    async def newest(self, *, before: int, count: int, credential: str = "") -> tuple[Task, ...]:
        """Those with smaller numbers that are not deleted, the newest first: of one login, or of all. Without their texts."""

    async def move(self, task_id: int, states: Sequence[TaskState], to: TaskState, *, at: float, reason: str = "") -> bool:
        """False if it is in none of these states. What is stopped, canceled or deleted is held until it goes on, or ends."""

    async def attach(self, task_id: int, file: File) -> bool:
        """Only while it is new: False if it is not."""

    async def detach(self, task_id: int) -> bool:
        """All of them. Only while it is new: False if it is not."""

    async def files(self, task_id: int) -> tuple[File, ...]: ...

    async def file_names(self, task_id: int) -> tuple[str, ...]: ...

    async def reach(self, task_id: int, *, now: float) -> Reach:
        """Of its audience as it is now; the task remembers it."""

    async def fields(self, task_id: int) -> frozenset[str]:
        """Names of merge fields that any contact of its groups may have."""

    async def at_work(self, *, now: float) -> tuple[Task, ...]:
        """Those that have begun, are to begin now, or have to be cleared away; without their texts."""

    async def begin(self, task_id: int, message_id: str) -> bool:
        """It has started, with a message that has no deliveries yet. False if it may not any more."""

    async def expand(self, task: Task, message: Message, *, count: int, pace: Pace) -> Step:
        """The next contacts of its audience become deliveries, in one transaction; nothing where the task has moved on.
        It needs no texts.
        """

    async def open(self, task_id: int) -> int:
        """Deliveries of it that are not over."""

    async def end(self, task_id: int, *, at: float) -> None:
        """Nothing is left to do."""

    async def figures(self, task_id: int) -> Figures:
        """What was counted of it."""

    async def progress(self, task_ids: Collection[int]) -> Mapping[int, Progress]:
        """The same of several, and what of each is open."""

    async def some(self, task_id: int, *, after: tuple[str, int], count: int) -> tuple[Member, ...]:
        """Of its audience as it is now those behind that key and number, in that order; without those who are excluded."""

    async def message(self, message_id: str) -> Message | None:
        """The one that its deliveries are of."""
