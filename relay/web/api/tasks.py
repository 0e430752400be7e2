"""/Tasks: mailings to groups and contacts, from the first draft to the last figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from relay.credential import Credential, Scope
from relay.mailing import Audience, Mailing, Task, TaskState
from relay.mailing_rules import EMPTY, CannotMove, MailingRules, check_size
from relay.model import File, Receipt
from relay.ports.clock import Clock
from relay.ports.receipts import Receipts
from relay.ports.tasks import Tasks
from relay.web.api import task_views
from relay.web.api.calls import Answer, Call, Operation, listed
from relay.web.api.codes import FOUND, FOUND_THEM, NO_TASK, NOT_YOURS, Code, Fault, Text
from relay.web.api.letters import MOST_FILES, Attachment, check_file, check_label
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

_ADDED = Text("new task added", "задача добавлена")
_CHANGED = Text("task changed", "задача изменена")
_NOT_NEW = Text("only a task in the state New can be changed", "изменить можно только задачу в состоянии New")
_MOVED = Text("task state updated to {state}", "состояние задачи: {state}")
_SAME = Text("the task is {state} already", "задача уже в состоянии {state}")
_NO_MOVE = Text("a task that is {state} cannot become {to}", "задача в состоянии {state} не может перейти в {to}")
_ATTACHED = Text("attachment added", "вложение добавлено")
_ENOUGH_FILES = Text("a task has at most {most} attachments", "у задачи не больше {most} вложений")
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
        rules: MailingRules,
        receipts: Receipts,
        clock: Clock,
    ) -> None:
        self._tasks = tasks
        self._rules = rules
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
        seen = await self._tasks.progress([task.id for task in found])
        return listed([task_views.item(task, seen[task.id]) for task in found], total, call.range)

    async def get(self, call: Call) -> Answer:
        """Its audience is counted anew as long as it may change."""
        task = await self._of(call)
        audience, reach = await self._tasks.audience(task.id), task.reach
        if task.state is TaskState.NEW:
            reach = await self._tasks.reach(task.id, now=self._clock())
        return Answer(result=task_views.view(task, audience, reach), description=FOUND)

    async def patch(self, call: Call) -> Answer:
        """What is not given stays: of contacts and groups, too, the one where only the other is. Once more where another call
        has changed it meanwhile: what that has changed stays changed.
        """
        task = await self._of(call)
        while not await self._patched(call, task):
            if task.state is not TaskState.NEW:
                raise Fault(Code.NOT_AVAILABLE, _NOT_NEW)
            task = await self._of(call)
        return await self._reach(task.id, _CHANGED)

    async def _patched(self, call: Call, task: Task) -> bool:
        """Raises a refusal, or Fault."""
        fields, audience, before = call.body, None, None
        mailing = await self._mailing(call, fields, task.mailing, await self._tasks.files(task.id))
        if fields.contacts is not None or fields.contact_groups is not None:
            before = await self._tasks.audience(task.id)
            audience = await self._audience(call.credential, fields, before)
        return await self._tasks.change(task.id, mailing, audience, was=(task.mailing, before))

    async def put(self, call: Call) -> Answer:
        task = await self._of(call)
        mailing = await self._mailing(call, call.body, EMPTY, await self._tasks.files(task.id))
        audience = await self._audience(call.credential, call.body, Audience())
        if not await self._tasks.change(task.id, mailing, audience):
            raise Fault(Code.NOT_AVAILABLE, _NOT_NEW)
        return await self._reach(task.id, _CHANGED)

    async def move(self, call: Call) -> Answer:
        to = TaskState[call.body.state.name]
        task = await self._of(call, also_deleted=to is TaskState.DELETED)
        if task.state is to:
            return _same(to)
        try:
            if to is TaskState.CREATED:
                await self._rules.release(call.credential, task, peer=call.peer)
            else:
                await self._rules.move(task, to)
        except CannotMove as error:
            if error.subject == to:
                return _same(to)
            raise Fault(Code.NOT_AVAILABLE, _NO_MOVE, state=name_of(TaskState(str(error.subject))), to=name_of(to)) from None
        return Answer(description=_MOVED, values={"state": name_of(await self._reached(task, to))})

    async def _reached(self, task: Task, to: TaskState) -> TaskState:
        """What has not begun is created again when it goes on."""
        found = await self._tasks.get(task.id) if to is TaskState.STARTED else None
        return TaskState.CREATED if found and found.state is TaskState.CREATED else to

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
        if len(files) > MOST_FILES:
            raise Fault(Code.NOT_AVAILABLE, _ENOUGH_FILES, most=MOST_FILES)
        check_size(task.mailing.html, task.mailing.text, files=sum(len(each.data) for each in files))
        await self._rules.judge(call.credential, task.mailing, files, peer=call.peer)
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
        mailing = await self._mailing(call, call.body, EMPTY)
        audience = await self._audience(call.credential, call.body, Audience())
        return str(await self._tasks.add(call.credential.name, mailing, audience, at=self._clock(), receipt=receipt))

    async def _send_test(self, call: Call, task: Task, receipt: Receipt | None) -> str:
        """The message's id. Raises a refusal, or Fault."""
        testers = [task_views.tester(each) for each in call.body.recipients]
        return await self._rules.test(call.credential, task, testers, peer=call.peer, receipt=receipt)

    async def _of(self, call: Call, *, also_deleted: bool = False) -> Task:
        """Raises Fault."""
        text = call.path["TaskId"]
        task = await self._tasks.get(int(text)) if text.isdecimal() and len(text) < 16 else None
        if task is None or (task.state is TaskState.DELETED and not also_deleted):
            raise Fault(Code.NOT_FOUND, NO_TASK)
        if task.credential != call.credential.name:
            raise Fault(Code.ACCESS_DENIED, NOT_YOURS, what=f"task {task.id}")
        return task

    async def _reach(self, task_id: int, description: Text, *, status: int = 200, is_repeated: bool = False) -> Answer:
        reach = await self._tasks.reach(task_id, now=self._clock())
        return Answer(
            result=task_views.reached(task_id, reach), description=description, status=status, is_repeated=is_repeated
        )

    async def _mailing(self, call: Call, fields: TaskFields, before: Mailing, files: Sequence[File] = ()) -> Mailing:
        """What was there before, changed by what is given. Raises a refusal, or Fault. `files` are there already."""
        if fields.sms_resend_task:
            raise Fault(Code.NOT_AVAILABLE, _NO_SMS)
        if fields.type is TaskType.BIRTHDAY:
            raise Fault(Code.NOT_AVAILABLE, _NO_BIRTHDAYS)
        check_label("UserCampaignId", fields.user_campaign_id or "")
        if fields.template_id:
            before = await self._rules.from_template(call.credential, fields.template_id, before)
            if fields.text or fields.plain_text:  # not beside the other one of the template
                before = replace(before, html="", text="")
        mailing = task_views.changed(before, fields)
        mailing = replace(mailing, creator=mailing.creator or call.credential.name)
        await self._rules.check(call.credential, mailing, files=files, peer=call.peer)
        return mailing

    async def _audience(self, owner: Credential, fields: TaskFields, before: Audience) -> Audience:
        """That of before, with what is given in its place. Raises NoGroup."""
        if (groups := fields.contact_groups) is not None:
            found = await self._rules.audience(
                owner, [each.id for each in groups if each.included], [each.id for each in groups if not each.included]
            )
            before = replace(before, groups=found.groups, excluded_groups=found.excluded_groups)
        if (contacts := fields.contacts) is not None:
            before = replace(
                before,
                contacts=tuple(each.id for each in contacts if each.included),
                excluded_contacts=tuple(each.id for each in contacts if not each.included),
            )
        return before


def _same(state: TaskState) -> Answer:
    return Answer(code=Code.NOT_CHANGED, description=_SAME, values={"state": name_of(state)})
