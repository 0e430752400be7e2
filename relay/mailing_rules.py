"""What holds for mailings, whoever makes them: what they must have, whether they would be taken, and how they move on."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from relay.campaigns import FIRST_NAME_IN_RUSSIAN, letter, to_many
from relay.contact import STANDARD_FIELDS, ContactDetails, merge_values
from relay.credential import Credential
from relay.errors import RelayError
from relay.intake import Intake
from relay.mailing import Audience, Mailing, Task, TaskState, may_move
from relay.model import Envelope, File, Message, Receipt
from relay.ports.clock import Clock
from relay.ports.contacts import Contacts
from relay.ports.tasks import Progress, Tasks
from relay.ports.templates import Template, Templates
from relay.statistics import ACCEPTED
from relay.writing import composing, edits, macros, merging

MOST_IN_ALL = 10 * 1024 * 1024  # octets of subject, texts and files
EMPTY = Mailing(name="", sender="", sender_name="", subject="", html="")
_NEEDED_MACROS = (macros.UNSUBSCRIBE, macros.WEB_VERSION)
_NOWHERE = dict.fromkeys((macros.UNSUBSCRIBE, macros.UNSUBSCRIBE_TOKEN, macros.WEB_VERSION), "#")


class Unfit(RelayError):
    """A mailing that cannot be like that, or go there. `subject` is the one word that an answer needs."""

    def __init__(self, subject: str | int = "", reason: str = "") -> None:
        super().__init__(str(subject))
        self.subject = subject
        self.reason = reason


class Missing(Unfit):
    """`subject` is the field."""


class EndsTooEarly(Unfit):
    """Not after it begins, or now."""


class TooLarge(Unfit):
    """`subject` are the octets that it may have."""


class NoMacro(Unfit):
    """`subject` is the macro that must be in each text."""


class NoGroup(Unfit):
    """`subject` is the number of a group that its login does not have."""


class NoTemplate(Unfit):
    """Its login has no such one."""


class CannotMove(Unfit):
    """`subject` is its state, `reason` where it was to go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tester:
    """Somebody who sees a mailing before all others do. `fields` are merge fields."""

    address: str
    name: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


class MailingRules:
    """What somebody may do who acts for a login. `peer` is where he comes from."""

    def __init__(self, *, tasks: Tasks, intake: Intake, contacts: Contacts, templates: Templates, clock: Clock) -> None:
        self._tasks = tasks
        self._intake = intake
        self._contacts = contacts
        self._templates = templates
        self._clock = clock

    async def from_template(self, credential: Credential, id: str, before: Mailing) -> Mailing:
        """With the texts of a template; and with its subject and sender, if it has them. Raises NoTemplate."""
        found = await self._templates.find(credential.name, id)
        if found is None:
            raise NoTemplate
        return _with(found, replace(before, template=id))

    async def audience(self, credential: Credential, included: Collection[int], excluded: Collection[int]) -> Audience:
        """Of groups. Raises NoGroup."""
        known = await self._contacts.known(credential.name, [*included, *excluded])
        for id in (*included, *excluded):
            if id not in known:
                raise NoGroup(id)
        return Audience(groups=tuple(included), excluded_groups=tuple(excluded))

    async def check(self, credential: Credential, mailing: Mailing, *, files: Sequence[File] = (), peer: str) -> None:
        """It is complete, and its message would be taken. Raises Unfit, or a refusal."""
        check_whole(mailing, files=sum(len(file.data) for file in files))
        if 0 < mailing.end_at <= self._clock():  # all of it would go at once
            raise EndsTooEarly
        await self.judge(credential, mailing, files, peer=peer)

    async def judge(self, credential: Credential, mailing: Mailing, files: Sequence[File], *, peer: str) -> None:
        """Whether its message would be taken; nothing is kept of it. Raises a refusal."""
        envelope = self._envelope(credential, mailing, (), STANDARD_FIELDS, peer)
        await self._intake.judge_pieces(envelope, composing.composed(letter(mailing, files)), composed=True)

    async def release(self, credential: Credential, task: Task, *, peer: str) -> None:
        """It begins at its time. Raises CannotMove, and what `check` raises."""
        if may_move(task.state, TaskState.CREATED):
            await self._tasks.reach(task.id, now=self._clock())
            await self.check(credential, task.mailing, files=await self._tasks.files(task.id), peer=peer)
        await self.move(task, TaskState.CREATED)

    async def move(self, task: Task, to: TaskState) -> None:
        """Anywhere else, also if it has begun since it was read. Raises CannotMove."""
        states = [state for state in TaskState if may_move(state, to)]
        if not await self._tasks.move(task.id, states, to, at=self._clock()):
            found = await self._tasks.get(task.id)
            raise CannotMove((found or task).state, to)

    async def test(
        self, credential: Credential, task: Task, testers: Sequence[Tester], *, peer: str, receipt: Receipt | None = None
    ) -> str:
        """Sends it to these, as all others will get it; it is counted for no task, and waits for none. The message's id.
        Raises a refusal.
        """
        names = STANDARD_FIELDS | await self._tasks.fields(task.id) | {name for each in testers for name in each.fields}
        envelope = self._envelope(credential, task.mailing, [each.address for each in testers], names, peer)
        values = tuple(json.dumps(_values_of(each), ensure_ascii=False) for each in testers)
        made = letter(task.mailing, await self._tasks.files(task.id))
        envelope = replace(envelope, values=values, receipt=receipt)
        return (await self._intake.accept_pieces(envelope, composing.composed(made), composed=True)).id

    async def as_sent(self, credential: Credential, task: Task, values: Mapping[str, str], *, peer: str) -> bytes:
        """The message as somebody gets it who has these values, its links leading nowhere. Raises a refusal."""
        octets = b"".join(composing.composed(letter(task.mailing, await self._tasks.files(task.id))))
        names = STANDARD_FIELDS | await self._tasks.fields(task.id)
        envelope = self._envelope(credential, task.mailing, (), names, peer)
        message: Message = await self._intake.judge_pieces(envelope, [octets], composed=True)
        return b"".join(edits.edited(octets, message.edits, _NOWHERE, values))

    def _envelope(
        self, credential: Credential, mailing: Mailing, recipients: Sequence[str], names: Collection[str], peer: str
    ) -> Envelope:
        """Raises a refusal."""
        envelope = self._intake.by_http(to_many(credential), sender=mailing.sender, recipients=recipients, peer=peer)
        return replace(envelope, merged=frozenset(names) | {merging.RECIPIENT})


def check_whole(mailing: Mailing, *, files: int = 0) -> None:
    """Raises Unfit for what is missing, and what is too large. `files` are octets."""
    needed = (("Name", mailing.name), ("Sender", mailing.sender), ("Subject", mailing.subject))
    for name, value in (*needed, ("Text", mailing.html or mailing.text)):
        if not value.strip():
            raise Missing(name)
    if 0 < mailing.end_at <= mailing.start_at:
        raise EndsTooEarly
    check_size(mailing.subject, mailing.html, mailing.text, files=files)
    check_macros(mailing.html, mailing.text)


def check_size(*texts: str, files: int = 0) -> None:
    """Raises TooLarge. `files` are octets."""
    if sum(len(text.encode("utf-8", "replace")) for text in texts) + files > MOST_IN_ALL:
        raise TooLarge(MOST_IN_ALL)


def check_macros(*texts: str) -> None:
    """Each text that there is must have both, as mailings must. Raises NoMacro."""
    for text in filter(None, texts):
        for macro in _NEEDED_MACROS:
            if f"[{macro}]" not in text:
                raise NoMacro(macro)


def personalized(mailing: Mailing) -> Mailing:
    """The same, knowing whether it says something else to each."""
    texts = f"{mailing.subject}\n{mailing.html}\n{mailing.text}"
    named = merging.named(texts) - {macros.UNSUBSCRIBE, macros.UNSUBSCRIBE_TOKEN, macros.WEB_VERSION}
    return replace(mailing, is_personalized=bool(named) or FIRST_NAME_IN_RUSSIAN in texts)


def way(task: Task, progress: Progress) -> tuple[int, int]:
    """Of how many deliveries it is over, and how many there are to be: as many as were seen, until all are made."""
    made = progress.figures.of(ACCEPTED)
    return made - progress.waiting, made if task.is_whole else max(task.reach.recipients, made)


def values_for(email: str, details: ContactDetails) -> dict[str, str]:
    """What stands in the place of merge fields in mail to a contact, its own address as To has it among them."""
    return {merging.RECIPIENT: composing.mailbox(email, details.name), **merge_values(email, details)}


def _values_of(tester: Tester) -> dict[str, str]:
    """Of what a contact has, as much as is known of who only tests it."""
    first, _, last = tester.name.partition(" ")
    own = {"Name": tester.name, "FirstName": first, "LastName": last, "Email": tester.address}
    return {**own, **tester.fields, merging.RECIPIENT: composing.mailbox(tester.address, tester.name)}


def _with(template: Template, mailing: Mailing) -> Mailing:
    sender = (template.sender, template.sender_name) if template.sender else (mailing.sender, mailing.sender_name)
    return replace(
        mailing,
        sender=sender[0],
        sender_name=sender[1],
        subject=template.subject or mailing.subject,
        html=template.html,
        text=template.text,
    )
