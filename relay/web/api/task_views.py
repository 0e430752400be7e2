"""Tasks as they are said, kept and shown: from one to the other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from relay.contact import STANDARD_FIELDS
from relay.mailing import Audience, Mailing, Reach, Task, TaskState, may_move
from relay.statistics import ACCEPTED, Figures
from relay.web.api.codes import MISSING, WRONG, Code, Fault
from relay.web.api.letters import check_macros, check_size
from relay.web.api.message_models import Recipient
from relay.web.api.models import EmailAddress
from relay.web.api.task_models import ContactChoice, TaskFields, TaskItem, TaskReach, TaskView, name_of
from relay.writing import composing, merging

EMPTY = Mailing(name="", sender="", sender_name="", subject="", html="")


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
    now = replace(before, **{name: value for name, value in given.items() if value is not None})
    named = merging.named(f"{now.subject}\n{now.html}\n{now.text}")
    return replace(now, is_personalized=not STANDARD_FIELDS.isdisjoint(named))


def check_whole(mailing: Mailing) -> None:
    """Raises Fault for what is missing, and what is too large."""
    needed = (("Name", mailing.name), ("Sender", mailing.sender), ("Subject", mailing.subject))
    for field, value in (*needed, ("Text", mailing.html or mailing.text)):
        if not value.strip():
            raise Fault(Code.EMPTY_VALUE, MISSING, field=field)
    if 0 < mailing.end_at <= mailing.start_at:
        raise Fault(Code.INVALID_VALUE, WRONG, field="EndDateTime", why="is not after StartDateTime")
    check_size(mailing.subject, mailing.html, mailing.text)
    check_macros(mailing.html, mailing.text)


def sample(recipient: Recipient) -> str:
    """Of what a contact has, as much as is known of who only tests it."""
    first, _, last = recipient.name.partition(" ")
    own = {"Name": recipient.name, "FirstName": first, "LastName": last, "Email": recipient.address}
    to = {merging.RECIPIENT: composing.mailbox(recipient.address, recipient.name)}
    return json.dumps({**own, **recipient.merge_fields, **to}, ensure_ascii=False)


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


def item(task: Task, figures: Figures, waiting: int) -> TaskItem:
    """In a list: with what was counted of it, and deliveries that are not over."""
    made = figures.of(ACCEPTED)
    total = made if task.is_whole else max(task.reach.recipients, made)
    done = made - waiting
    mailing, state = task.mailing, name_of(task.state)
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
