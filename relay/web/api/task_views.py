"""Tasks as they are said, kept and shown: from one to the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from relay.mailing import Audience, Mailing, Reach, Task, TaskState, may_move
from relay.mailing_rules import Tester, personalized, way
from relay.ports.tasks import Progress
from relay.web.api.message_models import Recipient
from relay.web.api.models import EmailAddress
from relay.web.api.task_models import ContactChoice, TaskFields, TaskItem, TaskReach, TaskView, name_of


def changed(before: Mailing, fields: TaskFields) -> Mailing:
    """What is not given stays."""
    given: dict[str, Any] = {
        "name": fields.name,
        "sender": fields.sender.address if fields.sender else None,
        "sender_name": fields.sender.name if fields.sender else None,
        "subject": fields.subject,
        "html": fields.text,
        "text": fields.plain_text,
        "start_at": fields.start_date_time,
        "end_at": fields.end_date_time,
        "campaign": fields.user_campaign_id,
        "sends_duplicates": fields.send_duplicates,
    }
    return personalized(replace(before, **{name: value for name, value in given.items() if value is not None}))


def tester(recipient: Recipient) -> Tester:
    """The same."""
    return Tester(address=recipient.address, name=recipient.name, fields=recipient.merge_fields)


def reached(task_id: int, reach: Reach) -> TaskReach:
    """Its counters."""
    return TaskReach(
        task_id=task_id,
        total_contacts=reach.contacts,
        dublicates=reach.duplicates,
        unsubscribed=reach.unsubscribed,
        excluded=reach.excluded,
    )


def view(task: Task, audience: Audience, reach: Reach) -> TaskView:
    """All of it."""
    mailing = task.mailing
    return TaskView(
        task_id=task.id,
        login=task.credential,
        name=mailing.name,
        sender=EmailAddress(address=mailing.sender, name=mailing.sender_name),
        subject=mailing.subject,
        text=mailing.html,
        plain_text=mailing.text,
        start_date_time=mailing.start_at or None,
        end_date_time=mailing.end_at or None,
        user_campaign_id=mailing.campaign,
        state=name_of(task.state),
        state_info=task.reason,
        contacts_count=reach.recipients - reach.unsubscribed,
        contacts=_choices(audience.contacts, audience.excluded_contacts),
        contact_groups=_choices(audience.groups, audience.excluded_groups),
        creator_login=mailing.creator,
        send_duplicates=mailing.sends_duplicates,
        counters=reached(task.id, reach),
    )


def _choices(included: Sequence[int], excluded: Sequence[int]) -> list[ContactChoice]:
    return [ContactChoice(id=id) for id in included] + [ContactChoice(id=id, included=False) for id in excluded]


def item(task: Task, progress: Progress) -> TaskItem:
    """In a list: with what was counted of it, and deliveries that are not over."""
    done, total = way(task, progress)
    mailing, state, figures = task.mailing, name_of(task.state), progress.figures
    return TaskItem(
        id=task.id,
        name=mailing.name,
        owner_login=task.credential,
        subject=mailing.subject,
        text=mailing.html or mailing.text,
        source_address=mailing.sender,
        source_name=mailing.sender_name,
        state="Waiting" if task.state is TaskState.CREATED else state,
        global_state=state,
        is_executing=task.state is TaskState.STARTED,
        cancellable=may_move(task.state, TaskState.CANCELED),
        deletable=may_move(task.state, TaskState.DELETED),
        start_date_time=mailing.start_at or None,
        next_start_date_time=mailing.start_at or None if task.state is TaskState.CREATED else None,
        total_contacts=task.reach.contacts,
        completed_contacts=done,
        error_count=figures.bounced + figures.of("failed") + figures.of("rejected"),
        percentage_completed=round(100 * done / total, 2) if total else 100.0 * task.is_whole,
        send_duplicates=mailing.sends_duplicates,
        is_smooth=mailing.end_at > 0,
        is_personalized=mailing.is_personalized,
    )
