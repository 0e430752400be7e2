"""/webhooks: who is told what becomes of mail, how that goes, and what was said."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote

from relay.errors import Unsealable
from relay.event_words import EVENT_WORDS
from relay.operators import OperatorRole
from relay.ports.clock import Chance
from relay.ports.notices import Answer, Requested, Standing, Webhooks
from relay.ports.operators import Admin
from relay.ports.sealing import Seal
from relay.web.console import unchanged, webhook_forms
from relay.web.console.chores import Chores
from relay.web.console.queries import moment
from relay.web.console.visits import Go, NotThere, Objection, Page, Routes, Said, Visit, act, look
from relay.web.console.webhook_forms import FORMATS, METHODS, PROOFS, Refused
from relay.webhooks.rules import MOST
from relay.webhooks.webhook import Format, Proof, Webhook

_REQUESTS = 25
_NEW = Webhook(name="", url="")
_PLACE = re.compile("[a-z]+://[^/?#]*")


class WebhookPages:
    """Its routes. `attempt` sends an event that never happened. Without a `seal` nothing can have a secret."""

    def __init__(
        self,
        *,
        webhooks: Webhooks,
        admin: Admin,
        attempt: Callable[[Webhook], Awaitable[Answer]],
        seal: Seal | None,
        chance: Chance,
        chores: Chores,
    ) -> None:
        self._webhooks = webhooks
        self._admin = admin
        self._attempt = attempt
        self._seal = seal
        self._chance = chance
        self._chores = chores
        self._changing = asyncio.Lock()

    def routes(self) -> Routes:
        operator, admin = OperatorRole.OPERATOR, OperatorRole.ADMIN
        return (
            look("/webhooks", self._list),
            look("/webhooks-new", self._new, admin),
            act("/webhooks", self._add, admin, "webhook added"),
            look("/webhooks/{name}", self._show),
            look("/webhooks/{name}/change", self._form, admin),
            act("/webhooks/{name}/change", self._change, admin, "webhook changed"),
            act("/webhooks/{name}/remove", self._remove, admin, "webhook removed"),
            act("/webhooks/{name}/test", self._test, operator, "webhook tested"),
            act("/webhooks/{name}/pause", self._pause, operator, "webhook paused"),
            act("/webhooks/{name}/resume", self._resume, operator, "webhook resumed"),
            act("/webhooks/{name}/replay", self._replay, operator, "webhook told once more"),
        )

    async def _list(self, visit: Visit) -> Page:
        found, waiting = await self._webhooks.all(), await self._webhooks.waiting()
        rows = [(each, path_of(each.webhook.name), waiting.get(each.webhook.name)) for each in found]
        facts = {"rows": rows, "shown_url": partial(_shown_url, visit), "formats": FORMATS, "now": visit.now}
        return Page(template="webhooks", facts=facts)

    async def _show(self, visit: Visit) -> Page:
        return await self._shown(visit, await self._of(visit))

    async def _shown(self, visit: Visit, standing: Standing, *, secret: str = "", answer: Answer | None = None) -> Page:
        """With a secret that was just made, or what was answered just now."""
        webhook = standing.webhook
        chore = self._chores.of(_chore(webhook.name))
        requests = await self._webhooks.requests(webhook.name, count=_REQUESTS)
        facts: dict[str, Any] = {
            "standing": standing,
            "webhook": webhook,
            "own_path": path_of(webhook.name),
            "secret": secret,
            "answer": answer,
            "waiting": (await self._webhooks.waiting()).get(webhook.name),
            "requests": [(each, _sent(visit, webhook, each)) for each in requests],
            "shown_url": partial(_shown_url, visit),
            "formats": FORMATS,
            "proofs": PROOFS,
            "chore": chore,
            "now": visit.now,
        }
        return Page(template="webhook", facts=facts)

    async def _new(self, visit: Visit) -> Page:
        return _filled_in(_NEW, webhook_forms.written(_NEW))

    async def _form(self, visit: Visit) -> Page:
        found = (await self._of(visit)).webhook
        return _filled_in(found, webhook_forms.written(found))

    async def _add(self, visit: Visit) -> Page | Go:
        fields = _fields(visit)
        named = replace(_NEW, name=fields.get("name", ""))
        async with self._changing:
            if any(each.webhook.name == named.name for each in await self._webhooks.all()):
                there = Said("There is a webhook {name} already.", {"name": named.name})
                return _filled_in(_NEW, fields, [there])
            return await self._put(visit, fields, named, _NEW, "{name} is told what happens from now on.")

    async def _change(self, visit: Visit) -> Page | Go:
        async with self._changing:
            found = (await self._of(visit)).webhook
            return await self._put(visit, _fields(visit), found, found, "{name} is changed.")

    async def _put(self, visit: Visit, fields: Mapping[str, str], before: Webhook, shown: Webhook, said: str) -> Page | Go:
        """The form again, where it cannot be; `shown` is what it is filled in for."""
        try:
            made, secret = self._made(fields, before)
        except Objection as objection:
            return _filled_in(shown, fields, [objection.said])
        except Refused as refused:
            return _filled_in(shown, fields, refused.said)
        await self._admin.put_webhook(made)
        if secret:
            return await self._shown(visit, await self._found(made.name), secret=secret)
        detail = webhook_forms.differences(before, made)
        return Go(path=path_of(made.name), said=Said(said, {"name": made.name}), subject=made.name, detail=detail)

    def _made(self, fields: Mapping[str, str], before: Webhook) -> tuple[Webhook, str]:
        """As the form says, and the secret that was made for it. Raises Objection and Refused."""
        unchanged.check(fields, webhook_forms.written(before), name=before.name)
        made = webhook_forms.read(fields, before)
        new = webhook_forms.new_secret(fields, made, before, self._chance)
        secret = "" if made.proof is Proof.NONE else fields.get("secret", "") or new
        if not secret and before.secret and made.proof is before.proof:
            webhook_forms.check(made, self._opened(before))
            return made, ""
        webhook_forms.check(made, secret)
        return replace(made, secret=self._sealed(made.name, secret) if secret else ""), new

    def _sealed(self, name: str, secret: str) -> str:
        if self._seal is None:
            raise Objection("A secret needs a key in secrets.keys: relay key new.")
        return self._seal.seal(secret, about=name)

    def _opened(self, webhook: Webhook) -> str:
        try:
            if self._seal:
                return self._seal.open(webhook.secret, about=webhook.name)
        except Unsealable:
            pass
        raise Objection("Its secret cannot be read with the keys in secrets.keys: say it once more.")

    async def _remove(self, visit: Visit) -> Go:
        name = visit.path("name")
        if not await self._admin.remove_webhook(name):
            raise NotThere
        return Go(path="/webhooks", said=Said("{name} is removed.", {"name": name}))

    async def _test(self, visit: Visit) -> Page:
        found = await self._of(visit)
        return await self._shown(visit, found, answer=await self._attempt(found.webhook))

    async def _pause(self, visit: Visit) -> Go:
        return await self._switch(visit, "{name} is told nothing until it goes on. What happens meanwhile waits.", pauses=True)

    async def _resume(self, visit: Visit) -> Go:
        return await self._switch(visit, "{name} is told what waits, and goes on.", pauses=False)

    async def _switch(self, visit: Visit, said: str, *, pauses: bool) -> Go:
        name = visit.path("name")
        if not await self._admin.pause_webhook(name, is_paused=pauses):
            raise NotThere
        return Go(path=path_of(name), said=Said(said, {"name": name}))

    async def _replay(self, visit: Visit) -> Go:
        name = (await self._of(visit)).webhook.name
        since, until = (moment(visit.asked(field)) for field in ("since", "until"))
        until = until or visit.now
        if not 0 < since < until:
            raise Objection("Say from when on, and a later time until when.")
        self._chores.begin(_chore(name), partial(self._tell_again, name, since, until))
        return Go(path=path_of(name))

    async def _tell_again(self, name: str, since: float, until: float) -> Said:
        count = await self._admin.tell_again(name, since=since, until=until)
        return Said("{n} events are told once more.", {"n": count})

    async def _of(self, visit: Visit) -> Standing:
        return await self._found(visit.path("name"))

    async def _found(self, name: str) -> Standing:
        """Raises NotThere."""
        for each in await self._webhooks.all():
            if each.webhook.name == name:
                return each
        raise NotThere


def path_of(name: str) -> str:
    """Where the page of a webhook is, whatever it is called."""
    return f"/webhooks/{quote(name, safe='')}"


def _filled_in(webhook: Webhook, fields: Mapping[str, str], objections: Sequence[Said] = ()) -> Page:
    facts: dict[str, Any] = {
        "webhook": webhook,
        "own_path": path_of(webhook.name),
        "fields": fields,
        "seen": unchanged.mark_of(webhook_forms.written(webhook)),
        "events": EVENT_WORDS,
        "formats": FORMATS.items(),
        "methods": [(method, method) for method in METHODS],
        "proofs": PROOFS.items(),
        "most": MOST,
        "objections": objections,
    }
    return Page(template="webhook_form", facts=facts, status=400 if objections else 200)


def _fields(visit: Visit) -> dict[str, str]:
    return {name: value.strip() for name, value in visit.form.items() if isinstance(value, str)}


def _chore(name: str) -> str:
    return f"webhook {name}"


def _shown_url(visit: Visit, url: str) -> str:
    """Its path may be all that guards a receiver: it is for those who set it."""
    if visit.may(OperatorRole.ADMIN):
        return url
    place = _PLACE.match(url)
    return f"{place[0] if place else ''}/…"


def _sent(visit: Visit, webhook: Webhook, requested: Requested) -> str:
    """What may be seen of a request: its URL, headers and texts of one's own may hold secrets."""
    if visit.may(OperatorRole.ADMIN):
        return requested.request
    return "" if webhook.format is Format.TEMPLATE else requested.request.partition("\n\n")[2]
