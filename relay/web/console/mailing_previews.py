"""/mailings/…/preview: a mailing as one of its audience would get it, and a test of it to somebody."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import web

from relay import address, web_version
from relay.contact import Contact, merge_values
from relay.mailing import Task
from relay.mailing_rules import MailingRules, Tester, values_for
from relay.operators import OperatorRole
from relay.ports.contacts import Contacts
from relay.ports.tasks import Tasks
from relay.reading import mime
from relay.web.console.mailing_forms import objecting
from relay.web.console.mailings import MailingPages
from relay.web.console.visits import Go, NotThere, Page, Routes, Said, Visit, act, look, whole_number
from relay.web_version import WebVersion

_LOOKED_AT = 20  # some may be excluded
# Nothing of a mail acts, or asks anybody for anything.
FRAMED = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What somebody would see."""

    to: str
    subject: str
    version: WebVersion


class MailingPreviews:
    """Its routes, beside the `pages` of mailings."""

    def __init__(self, *, pages: MailingPages, tasks: Tasks, contacts: Contacts, rules: MailingRules) -> None:
        self._pages = pages
        self._tasks = tasks
        self._contacts = contacts
        self._rules = rules

    def routes(self) -> Routes:
        return (
            look("/mailings/{id}/preview", self._preview),
            look("/mailings/{id}/preview/{contact}", self._html),
            act("/mailings/{id}/test", self._test, OperatorRole.OPERATOR, "mailing tested"),
        )

    async def _preview(self, visit: Visit) -> Page:
        """Of the first whose address is not before the one that is asked for."""
        task = await self._pages.task_of(visit)
        wanted, behind = visit.query.get("at", "").strip(), whole_number(visit.query.get("behind", ""))
        members = await self._tasks.some(task.id, after=(address.key(wanted), behind), count=_LOOKED_AT)
        contact = await self._contacts.get(task.credential, members[0].id) if members else None
        facts: dict[str, Any] = {
            "task": task,
            "seen": await self._seen(visit, task, contact),
            "contact": contact,
            "wanted": wanted,
            "is_more": len(members) > 1,
        }
        return Page(template="mailing_preview", facts=facts)

    async def _html(self, visit: Visit) -> web.Response:
        """By itself, for a frame. Without a contact merge fields stay as they are."""
        task = await self._pages.task_of(visit)
        seen = await self._seen(visit, task, await self._contact(task, visit.path("contact")))
        return web.Response(text=seen.version.html, content_type="text/html", charset="utf-8", headers=FRAMED)

    async def _contact(self, task: Task, number: str) -> Contact | None:
        """None for 0. Raises NotThere."""
        wanted = whole_number(number)
        found = await self._contacts.get(task.credential, wanted) if wanted else None
        if wanted and found is None:
            raise NotThere
        return found

    async def _seen(self, visit: Visit, task: Task, contact: Contact | None) -> Seen:
        """Raises Objection where it would be refused."""
        login = await self._pages.login_of(task.credential)
        values: Mapping[str, str] = values_for(contact.email, contact.details) if contact else {}
        with objecting(visit):
            sent = await self._rules.as_sent(login, task, values, peer=visit.request.remote or "")
        parsed = mime.read(sent)
        to, subject = (mime.text(parsed.first(name)) for name in ("to", "subject"))
        return Seen(to=to, subject=subject, version=await asyncio.to_thread(web_version.whole, sent))

    async def _test(self, visit: Visit) -> Go:
        """With the words of a contact, if one is named."""
        task = await self._pages.task_of(visit)
        login = await self._pages.login_of(task.credential)
        contact, to = await self._contact(task, visit.asked("contact")), visit.asked("address")
        fields = merge_values(contact.email, contact.details) if contact else {}
        tester = Tester(address=to, name=contact.details.name if contact else "", fields=fields)
        with objecting(visit):
            id = await self._rules.test(login, task, [tester], peer=visit.request.remote or "")
        path = f"/mailings/{task.id}/preview?at={quote(contact.email, safe='')}" if contact else f"/mailings/{task.id}"
        return Go(path=path, said=Said("A test is on its way to {address}.", {"address": to}), detail=f"{to} {id}")
