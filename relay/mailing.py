"""Mailings, which the API calls tasks: what their owners say of them, their states, and the moves between these."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TaskState(StrEnum):
    """In the order of their numbers on the wire."""

    NEW = "new"  # may be changed
    CREATED = "created"  # complete: begins at its time
    STARTED = "started"
    STOPPED = "stopped"  # may go on
    CANCELED = "canceled"
    FINISHED = "finished"
    DELETED = "deleted"
    FAILED = "failed"


# What its owner may do. The relay itself starts, finishes and fails it.
_BY_OWNER = {
    TaskState.NEW: {TaskState.CREATED, TaskState.DELETED},
    TaskState.CREATED: {TaskState.STOPPED, TaskState.CANCELED, TaskState.DELETED},
    TaskState.STARTED: {TaskState.STOPPED, TaskState.CANCELED},
    TaskState.STOPPED: {TaskState.STARTED, TaskState.CANCELED, TaskState.DELETED},
    TaskState.CANCELED: {TaskState.DELETED},
    TaskState.FINISHED: {TaskState.DELETED},
    TaskState.FAILED: {TaskState.DELETED},
    TaskState.DELETED: set[TaskState](),
}
AT_WORK = (
    TaskState.CREATED,
    TaskState.STARTED,
    TaskState.CANCELED,
    TaskState.DELETED,
)  # with something left for the relay to do


def may_move(state: TaskState, to: TaskState) -> bool:
    """Whether its owner may."""
    return to in _BY_OWNER[state]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """What its owner says. Times are seconds since the epoch, 0 where nothing is said; until `end_at` it is sent evenly.

    `sender` is an address. Of the two texts one may be empty.
    """

    name: str
    sender: str
    sender_name: str
    subject: str
    html: str
    text: str = ""
    start_at: float = 0.0
    end_at: float = 0.0
    campaign: str = ""
    creator: str = ""
    template: str = ""
    sends_duplicates: bool = False
    is_personalized: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Whom it goes to and whom not: groups and single contacts, by their numbers."""

    groups: tuple[int, ...] = ()
    contacts: tuple[int, ...] = ()
    excluded_groups: tuple[int, ...] = ()
    excluded_contacts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Contacts of an audience. What is left out is counted once: as a duplicate, else as excluded, else as unsubscribed."""

    contacts: int = 0
    duplicates: int = 0
    excluded: int = 0
    unsubscribed: int = 0

    @property
    def recipients(self) -> int:
        return self.contacts - self.duplicates - self.excluded


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A mailing as it stands. `made` are the deliveries that it has become so far, all of them once it `is_whole`; `reach` is
    what its audience was when somebody looked last.
    """

    id: int
    credential: str
    mailing: Mailing
    state: TaskState
    created_at: float
    reason: str = ""
    message_id: str = ""  # once it has started
    last: tuple[str, int] = ("", 0)  # of its contacts that has become a delivery: the key of its address, and its number
    reach: Reach = Reach()
    made: int = 0
    is_whole: bool = False
    ended_at: float = 0.0
