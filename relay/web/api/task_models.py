"""What is said of tasks, and what is shown of them."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any

from pydantic import Field

from relay.mailing import TaskState
from relay.web.api.message_models import Recipient
from relay.web.api.models import EmailAddress, Moment, TextOrNumber, Wire, named

MOST_TESTS = 10


class TaskType(IntEnum):
    """Only the first is run."""

    DISTRIBUTION = 1
    BIRTHDAY = 2


State = IntEnum("State", {state.name: number for number, state in enumerate(TaskState)})  # type: ignore[misc]


class ContactChoice(Wire):
    """A contact or a group, and whether mail goes there: where it is not Included nobody of it gets any."""

    id: Annotated[int, Field(ge=0)]
    included: bool = True


class TaskFields(Wire):
    """What a task says. Contacts and groups are replaced as a whole where they are given."""

    name: Annotated[str, Field(max_length=255)] | None = None
    sender: EmailAddress | None = None
    subject: str | None = None
    text: str | None = None
    plain_text: str | None = None
    start_date_time: Moment | None = None
    end_date_time: Moment | None = None
    type: named(TaskType) | None = None  # type: ignore[valid-type]
    user_campaign_id: TextOrNumber | None = None
    contacts: Annotated[list[ContactChoice], Field(max_length=100_000)] | None = None
    contact_groups: Annotated[list[ContactChoice], Field(max_length=1000)] | None = None
    template_id: TextOrNumber | None = None
    send_duplicates: bool | None = None
    sms_resend_task: dict[str, Any] | None = None


class NewState(Wire):
    """Where a task is to go."""

    state: named(State)  # type: ignore[valid-type]


class TestRecipients(Wire):
    """Who sees the message before all others do."""

    recipients: Annotated[list[Recipient], Field(min_length=1, max_length=MOST_TESTS)]


class TaskReach(Wire):
    """TotalContacts are all of its audience; the others are left out, and each counted once."""

    task_id: int
    total_contacts: int
    dublicates: int
    unsubscribed: int
    excluded: int
    over_package: int = 0
    spam_score: float = 0.0


class TaskView(Wire):
    """A task as it stands."""

    task_id: int
    login: str
    name: str
    sender: EmailAddress
    subject: str
    text: str
    plain_text: str
    start_date_time: Moment | None
    end_date_time: Moment | None
    type: int = TaskType.DISTRIBUTION.value
    user_campaign_id: str
    state: str
    state_info: str
    price: float = 0
    contacts_count: int
    contacts: list[ContactChoice]
    contact_groups: list[ContactChoice]
    creator_login: str
    send_duplicates: bool
    counters: TaskReach


class TaskItem(Wire):
    """A task in the list."""

    id: Annotated[int, Field(alias="ID")]
    name: str
    owner_login: str
    subject: str
    text: str
    source_address: str
    source_name: str
    state: str
    global_state: str
    is_executing: bool
    cancellable: bool
    deletable: bool
    start_date_time: Moment | None
    next_start_date_time: Moment | None
    total_contacts: int
    completed_contacts: int
    error_count: int
    percentage_completed: float
    price: float = 0
    send_duplicates: bool
    is_smooth: bool
    is_personalized: bool
    type: int = TaskType.DISTRIBUTION.value
    service_type: str = "Email"
    period: str = "None"


class TaskFile(Wire):
    """An attachment of a task."""

    task_id: int
    file_name: str
    data: str
    content_id: str


class ListQuery(Wire):
    """Which tasks."""

    creator_login: str = ""


def name_of(state: TaskState) -> str:
    """As clients read it."""
    return state.value.capitalize()
