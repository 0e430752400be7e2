"""/Tasks: mailings to groups and contacts, from the first draft to the last figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from relay.campaigns import letter, to_many
from relay.contact import STANDARD_FIELDS
from relay.credential import Credential, Scope
from relay.intake import Intake
from relay.mailing import Audience, Mailing, Task, TaskState, may_move
from relay.model import Envelope, File, Receipt
from relay.ports.clock import Clock
from relay.ports.contacts import Contacts
from relay.ports.receipts import Receipts
from relay.ports.tasks import Tasks
from relay.ports.templates import Templates
from relay.web.api import task_views
from relay.web.api.calls import Answer, Call, Operation, listed
from relay.web.api.codes import (
    FOUND,
    FOUND_THEM,
    NO_TASK,
    NOT_YOURS,
    Code,
    Fault,
    Text,
)
from relay.web.api.letters import Attachment, check_file, check_size, template_of
from relay.web.api.message_models import Recipient
from relay.web.api.once import Once
from relay.web.api.task_models import (
    ListQuery,
    NewState,
    TaskFields,
    TaskFile,
    TaskItem,
    TaskReach,
    TaskType,
    TaskView,
    TestRecipients,
    name_of,
)
from relay.writing import composing, merging

_ADDED = Text("new task added", "задача добавлена")
_CHANGED = Text("task changed", "задача изменена")
_NOT_NEW = Text("only a task in the state New can be changed", "изменить можно только задачу в состоянии New")
_MOVED = Text("task state updated to {state}", "состояние задачи: {state}")
_SAME = Text("the task is {state} already", "задача уже в состоянии {state}")
_NO_MOVE = Text("a task that is {state} cannot become {to}", "задача в состоянии {state} не может перейти в {to}")
_NO_GROUP = Text("there is no group {id}", "группы {id} нет")
_ATTACHED = Text("attachment added", "вложение добавлено")
_DETACHED = Text("attachments deleted", "вложения удалены")
_NO_SMS = Text("SMS are not sent", "SMS не отправляются")
_NO_BIRTHDAYS = Text("tasks of the type Birthday are not run", "задачи типа Birthday не выполняются")
_TESTED = Text("test message queued to send", "тестовое письмо поставлено в очередь")


class TasksResource:
    """Its operations."""

    def __init__(
        self,
        *,
        tasks: Tasks,
        intake: Intake,
        contacts: Contacts,
        templates: Templates,
        receipts: Receipts,
        clock: Clock,
    ) -> None:
        self._tasks = tasks
        self._intake = intake
        self._contacts = contacts
        self._templates = templates
        self._once = Once(receipts)
        self._clock = clock

    def operations(self) -> Sequence[Operation]:
        def operation(method: str, path: str, does: Any, summary: str, **more: Any) -> Operation:
            return Operation(group="Tasks", method=method, path=path, does=does, scope=Scope.TASKS, summary=summary, **more)

        one = "/Tasks/{TaskId}"
        return (
            operation("POST", "/Tasks", self.post, "Add a task", body=TaskFields, result=TaskReach, status=201, sends=True),
            operation(
                "GET", "/Tasks", self.list, "List tasks", query=ListQuery, result=list[TaskItem], is_list=True, needs_range=True
            ),
            operation("GET", one, self.get, "Show a task", result=TaskView),
            operation("PATCH", one, self.patch, "Change some fields of a new task", body=TaskFields, result=TaskReach),
            operation("PUT", one, self.put, "Replace a new task", body=TaskFields, result=TaskReach),
            operation("PUT", f"{one}/State", self.move, "Release, stop, resume, cancel or delete a task", body=NewState),
            operation("GET", f"{one}/Attachments", self.files, "Show attachments", result=list[TaskFile]),
            operation("POST", f"{one}/Attachments", self.attach, "Attach a file to a new task", body=Attachment),
            operation("DELETE", f"{one}/Attachments", self.detach, "Remove all attachments of a new task"),
            operation(
                "POST", f"{one}/Test", self.test, "Send the message of a task to some people", body=TestRecipients,
                result=list[str], status=201, sends=True,
            ),
        )  # fmt: skip

    async def post(self, call: Call) -> Answer:
        task_id, is_repeated = await self._once.do(call, lambda receipt: self._add(call, receipt))
        return await self._reach(int(task_id), _ADDED, status=201, is_repeated=is_repeated)

    async def list(self, call: Call) -> Answer:
        """Who created a task by another login has none here."""
        owner = call.credential.name
        if call.query.creator_login not in ("", owner):
            return listed([], 0, call.range)
        found, total = await self._tasks.of(owner, skipped=call.range.skipped, count=call.range.count)
        return listed([await self._item(task) for task in found], total, call.range)

    async def get(self, call: Call) -> Answer:
        """Its audience is counted anew as long as it may change."""
        task = await self._of(call)
        audience, reach = await self._tasks.audience(task.id), task.reach
        if task.state is TaskState.NEW:
            reach = await self._tasks.reach(task.id, now=self._clock())
        return Answer(result=task_views.view(task, audience, reach), description=FOUND)

    async def patch(self, call: Call) -> Answer:
        task = await self._of(call)
        return await self._change(call, task, await self._mailing(call, call.body, task.mailing))

    async def put(self, call: Call) -> Answer:
        task = await self._of(call)
        return await self._change(call, task, await self._mailing(call, call.body, task_views.EMPTY))

    async def move(self, call: Call) -> Answer:
        task, to = await self._of(call), TaskState[call.body.state.name]
        if task.state is to:
            return Answer(code=Code.NOT_CHANGED, description=_SAME, values={"state": name_of(to)})
        wrong = Fault(Code.NOT_AVAILABLE, _NO_MOVE, state=name_of(task.state), to=name_of(to))
        if not may_move(task.state, to):
            raise wrong
        if to is TaskState.CREATED:
            await self._check(call, task)
        if not await self._tasks.move(task.id, [task.state], to, at=self._clock()):
            raise wrong
        return Answer(description=_MOVED, values={"state": name_of(to)})

    async def files(self, call: Call) -> Answer:
        task = await self._of(call)
        found = [Attachment(file_name=each.name, data=each.data, content_id=each.content_id)
                 for each in await self._tasks.files(task.id)]  # fmt: skip
        shown = [TaskFile(task_id=task.id, **each.model_dump(mode="json")) for each in found]
        return Answer(result=shown, description=FOUND_THEM)

    async def attach(self, call: Call) -> Answer:
        task, file = await self._of(call), call.body
        check_file(file)
        files = [*await self._tasks.files(task.id), file.file]
        check_size(task.mailing.html, task.mailing.text, files=sum(len(each.data) for each in files))
        await self._try(call, task, files)
        if not await self._tasks.attach(task.id, files[-1]):
            raise Fault(Code.NOT_AVAILABLE, _NOT_NEW)
        return Answer(description=_ATTACHED)

    async def detach(self, call: Call) -> Answer:
        task = await self._of(call)
        if not await self._tasks.detach(task.id):
            raise Fault(Code.NOT_AVAILABLE, _NOT_NEW)
        return Answer(description=_DETACHED)

    async def test(self, call: Call) -> Answer:
        """As all others will get it. It is counted for no task, and waits for none."""
        task = await self._of(call)
        message_id, is_repeated = await self._once.do(call, lambda receipt: self._send_test(call, task, receipt))
        found = [f"{message_id}-{number}" for number in range(1, len(call.body.recipients) + 1)]
        return Answer(result=found, description=_TESTED, status=201, is_repeated=is_repeated)

    async def _add(self, call: Call, receipt: Receipt | None) -> str:
        """Its number. Raises a refusal, or Fault."""
        mailing = await self._mailing(call, call.body, task_views.EMPTY)
        audience = await self._audience(call.credential, call.body) or Audience()
        return str(await self._tasks.add(call.credential.name, mailing, audience, at=self._clock(), receipt=receipt))

    async def _send_test(self, call: Call, task: Task, receipt: Receipt | None) -> str:
        """The message's id. Raises a refusal, or Fault."""
        envelope = replace(self._envelope(call, task, call.body.recipients), receipt=receipt)
        made = letter(task.mailing, await self._tasks.files(task.id))
        return (await self._intake.accept_pieces(envelope, composing.composed(made))).id

    async def _of(self, call: Call) -> Task:
        """Raises Fault."""
        text = call.path["TaskId"]
        task = await self._tasks.get(int(text)) if text.isdecimal() and len(text) < 16 else None
        if task is None or task.state is TaskState.DELETED:
            raise Fault(Code.NOT_FOUND, NO_TASK)
        if task.credential != call.credential.name:
            raise Fault(Code.ACCESS_DENIED, NOT_YOURS, what=f"task {task.id}")
        return task

    async def _change(self, call: Call, task: Task, mailing: Mailing) -> Answer:
        audience = await self._audience(call.credential, call.body)
        if not await self._tasks.change(task.id, mailing, audience):
            raise Fault(Code.NOT_AVAILABLE, _NOT_NEW)
        return await self._reach(task.id, _CHANGED)

    async def _reach(self, task_id: int, description: Text, *, status: int = 200, is_repeated: bool = False) -> Answer:
        reach = await self._tasks.reach(task_id, now=self._clock())
        return Answer(
            result=task_views.reached(task_id, reach), description=description, status=status, is_repeated=is_repeated
        )

    async def _mailing(self, call: Call, fields: TaskFields, before: Mailing) -> Mailing:
        """What was there before, changed by what is given. Raises a refusal, or Fault."""
        if fields.sms_resend_task:
            raise Fault(Code.NOT_AVAILABLE, _NO_SMS)
        if fields.type is TaskType.BIRTHDAY:
            raise Fault(Code.NOT_AVAILABLE, _NO_BIRTHDAYS)
        mailing = task_views.changed(await self._by_template(call, fields.template_id, before), fields)
        mailing = replace(mailing, creator=mailing.creator or call.credential.name)
        task_views.check_whole(mailing)
        drafted = Task(id=0, credential="", mailing=mailing, state=TaskState.NEW, created_at=0.0)
        await self._try(call, drafted, [])
        return mailing

    async def _by_template(self, call: Call, id: str | None, before: Mailing) -> Mailing:
        """Raises Fault."""
        if not id:
            return before
        found = await template_of(self._templates, call, id)
        sender, name = (found.sender, found.sender_name) if found.sender else (before.sender, before.sender_name)
        return replace(
            before, template=id, sender=sender, sender_name=name, subject=found.subject, html=found.html, text=found.text
        )

    async def _audience(self, owner: Credential, fields: TaskFields) -> Audience | None:
        """Raises Fault for a group that there is not."""
        if fields.contacts is None and fields.contact_groups is None:
            return None
        groups, contacts = fields.contact_groups or [], fields.contacts or []
        known = await self._contacts.known(owner.name, [group.id for group in groups])
        for group in groups:
            if group.id not in known:
                raise Fault(Code.NOT_FOUND, _NO_GROUP, id=group.id)
        return Audience(
            groups=tuple(each.id for each in groups if each.included),
            contacts=tuple(each.id for each in contacts if each.included),
            excluded_groups=tuple(each.id for each in groups if not each.included),
            excluded_contacts=tuple(each.id for each in contacts if not each.included),
        )

    async def _check(self, call: Call, task: Task) -> None:
        """It is complete, its message would be taken, and its audience is known. Raises a refusal, or Fault."""
        await self._tasks.reach(task.id, now=self._clock())
        task_views.check_whole(task.mailing)
        await self._try(call, task, list(await self._tasks.files(task.id)))

    async def _try(self, call: Call, task: Task, files: Sequence[File]) -> None:
        """Whether such a message would be taken; nothing is kept of it. Raises a refusal."""
        made = letter(task.mailing, files)
        await self._intake.judge_pieces(self._envelope(call, task, ()), composing.composed(made))

    def _envelope(self, call: Call, task: Task, recipients: Sequence[Recipient]) -> Envelope:
        """Raises a refusal."""
        envelope = self._intake.by_http(
            to_many(call.credential),
            sender=task.mailing.sender,
            recipients=[each.address for each in recipients],
            peer=call.peer,
        )
        names = {name for each in recipients for name in each.merge_fields}
        merged = STANDARD_FIELDS | names | {merging.RECIPIENT}
        return replace(envelope, merged=merged, values=tuple(map(task_views.sample, recipients)))

    async def _item(self, task: Task) -> TaskItem:
        figures, waiting = await self._tasks.figures(task.id), await self._tasks.open(task.id)
        return task_views.item(task, figures, waiting)
