"""/Templates: texts that messages and tasks are made of, by a number or by what their owner calls them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from relay.credential import Scope
from relay.errors import StoreRefuses
from relay.intake import Intake
from relay.mailing_rules import check_macros, check_size
from relay.ports.templates import Template, Templates
from relay.web.api.calls import Answer, Call, Operation, listed
from relay.web.api.codes import FOUND, FOUND_THEM, MISSING, NO_TEMPLATE, WRONG, Code, Fault, Text
from relay.web.api.letters import Body, template_of
from relay.web.api.models import EmailAddress, TextOrNumber, Wire, also
from relay.writing import macros, merging

_ADDED = Text("template added", "шаблон добавлен")
_CHANGED = Text("template changed", "шаблон изменён")
_REMOVED = Text("template deleted", "шаблон удалён")
_LINKS = {macros.UNSUBSCRIBE, macros.UNSUBSCRIBE_TOKEN, macros.WEB_VERSION}


class TemplateFields(Wire):
    """What a template says: Text, which is HTML, or Body."""

    name: Annotated[str, Field(max_length=200)] = ""
    sender: EmailAddress | None = None
    subject: str = ""
    text: Annotated[str, Field(json_schema_extra=also("Html"))] = ""
    body: Body = Body()
    user_template_id: Annotated[TextOrNumber, Field(max_length=100)] | None = None


class TemplateView(Wire):
    """A template. Text is what Body has as Html."""

    template_id: int
    name: str
    sender: EmailAddress | None
    subject: str
    text: str
    body: Body
    user_template_id: str


class WholeTemplate(TemplateView):
    """The same with the names in brackets that its subject and its texts have."""

    merge_fields: list[str]


class TemplatesResource:
    """Its operations."""

    def __init__(self, *, templates: Templates, intake: Intake) -> None:
        self._templates = templates
        self._intake = intake

    def operations(self) -> Sequence[Operation]:
        def operation(method: str, path: str, does: Any, summary: str, **more: Any) -> Operation:
            return Operation(
                group="Templates", method=method, path=path, does=does, scope=Scope.TEMPLATES, summary=summary, **more
            )

        one = "/Templates/{TemplateId}"
        return (
            operation("POST", "/Templates", self.post, "Add a template", body=TemplateFields, result=int, status=201),
            operation("GET", "/Templates", self.list, "List templates", result=list[TemplateView], is_list=True),
            operation("GET", one, self.get, "Show a template", result=WholeTemplate),
            operation("PUT", one, self.put, "Replace a template", body=TemplateFields, result=WholeTemplate),
            operation("DELETE", one, self.delete, "Delete a template"),
        )

    async def post(self, call: Call) -> Answer:
        made = self._template(call)
        try:
            id = await self._templates.add(call.credential.name, made)
        except StoreRefuses:
            raise _taken(made) from None
        return Answer(result=id, description=_ADDED, status=201)

    async def list(self, call: Call) -> Answer:
        found, total = await self._templates.of(call.credential.name, skipped=call.range.skipped, count=call.range.count)
        return listed([TemplateView(**_shown(each)) for each in found], total, call.range, FOUND_THEM)

    async def get(self, call: Call) -> Answer:
        return Answer(result=_whole(await self._of(call)), description=FOUND)

    async def put(self, call: Call) -> Answer:
        """All of it, but for what its owner calls it where that is not said."""
        before, made = await self._of(call), self._template(call)
        is_called = before.user_id if call.body.user_template_id is None else made.user_id
        made = replace(made, id=before.id, user_id=is_called)
        try:
            if not await self._templates.put(call.credential.name, made):
                raise Fault(Code.NOT_FOUND, NO_TEMPLATE)
        except StoreRefuses:
            raise _taken(made) from None
        return Answer(result=_whole(made), description=_CHANGED)

    async def delete(self, call: Call) -> Answer:
        if not await self._templates.remove(call.credential.name, (await self._of(call)).id):
            raise Fault(Code.NOT_FOUND, NO_TEMPLATE)
        return Answer(description=_REMOVED)

    async def _of(self, call: Call) -> Template:
        """Raises Fault."""
        return await template_of(self._templates, call, call.path["TemplateId"])

    def _template(self, call: Call) -> Template:
        """What the body says. Raises Fault, or a refusal of its sender."""
        fields: TemplateFields = call.body
        html, text = fields.body.html or fields.text, fields.body.plain_text
        for field, value in (("Name", fields.name), ("Text", html or text)):
            if not value.strip():
                raise Fault(Code.EMPTY_VALUE, MISSING, field=field)
        check_size(fields.subject, html, text)
        check_macros(html, text)
        address, shown = (fields.sender.address, fields.sender.name) if fields.sender else ("", "")
        if address:
            self._intake.sender(address.encode(), call.credential)
        return Template(
            name=fields.name,
            user_id=(fields.user_template_id or "").strip(),
            sender=address,
            sender_name=shown,
            subject=fields.subject,
            html=html,
            text=text,
        )


def _taken(template: Template) -> Fault:
    return Fault(Code.INVALID_VALUE, WRONG, field="UserTemplateId", why=f"{template.user_id} is another template")


def _shown(template: Template) -> dict[str, Any]:
    return {
        "template_id": template.id,
        "name": template.name,
        "sender": EmailAddress(address=template.sender, name=template.sender_name) if template.sender else None,
        "subject": template.subject,
        "text": template.html,
        "body": Body(html=template.html, plain_text=template.text),
        "user_template_id": template.user_id,
    }


def _whole(template: Template) -> WholeTemplate:
    names = merging.named(f"{template.subject}\n{template.html}\n{template.text}") - _LINKS
    return WholeTemplate(**_shown(template), merge_fields=sorted(names))
