"""/suppressions: who gets no mail and why, all that is known of one address, and changes by hand."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from io import StringIO
from typing import Any

from aiohttp import web

from relay.errors import StoreUnavailable
from relay.lists.writing import Writer
from relay.operators import OperatorRole
from relay.ports.logins import Credentials
from relay.ports.operators import Admin
from relay.ports.suppressions import Newest, Provenance, Suppressions
from relay.suppression import EVERYWHERE, PastChange, Reason, Release, Sought, Suppression
from relay.web.console.door import HEADERS
from relay.web.console.known_logins import KnownLogins
from relay.web.console.suppression_forms import (
    MAIL,
    REASONS,
    address_of,
    asked,
    clean,
    listed,
    note_of,
    page_of,
    reason_of,
    scope_given,
    scope_of,
    sought,
    spot_of,
)
from relay.web.console.visits import Go, Objection, Page, Routes, Said, Visit, act, look, whole_number

_ON_A_PAGE = 50
_TOLD = 20  # reports of SES on one address
_AT_ONCE = 1000
_DAY = 86400
_TERMS = (
    (0, "for ever"),
    (_DAY, "one day"),
    (7 * _DAY, "7 days"),
    (30 * _DAY, "30 days"),
    (90 * _DAY, "90 days"),
    (365 * _DAY, "one year"),
)
_BY_HAND = tuple(
    (each.value, each.value.replace("_", " "))
    for each in (Reason.MANUAL, Reason.UNSUBSCRIBED, Reason.HARD_BOUNCE, Reason.COMPLAINT)
)


class SuppressionPages:
    """Its routes but for imports."""

    def __init__(
        self,
        *,
        suppressions: Suppressions,
        provenance: Provenance,
        credentials: Credentials,
        logins: KnownLogins,
        admin: Admin,
    ) -> None:
        self._suppressions = suppressions
        self._provenance = provenance
        self._credentials = credentials
        self._logins = logins
        self._admin = admin

    def routes(self) -> Routes:
        operator = OperatorRole.OPERATOR
        return (
            look("/suppressions", self._list),
            look("/suppressions/address", self._show),
            look("/suppressions/export", self._export),
            look("/suppressions/release", self._explain, operator),
            act("/suppressions", self._add, operator, "address suppressed"),
            act("/suppressions/release", self._release, operator, "address released"),
        )

    async def _list(self, visit: Visit) -> Page:
        behind = spot_of(visit.query.get("behind", ""))
        found = await self._suppressions.newest(sought(visit.query), behind=behind, count=_ON_A_PAGE)
        facts: dict[str, Any] = {
            "entries": found.entries,
            "deliveries": await self._deliveries(found.entries),
            "asked": asked(visit.query),
            "filter": listed(visit.query),
            "rest": listed(visit.query, found.rest) if found.rest else "",
            "is_first": behind is None,
            **await self._words(visit),
        }
        return Page(template="suppressions", facts=facts)

    async def _show(self, visit: Visit) -> Page | Go:
        """All that is known of an address; for what is none, the entries that have it in them."""
        text = clean(visit.query.get("address", ""))
        try:
            wanted = address_of(text)
        except Objection:
            return Go(path=f"/suppressions?{listed({'text': text})}")
        found = await self._suppressions.find([wanted])
        entries = sorted(found.entries(wanted), key=lambda entry: (entry.scope, -entry.created_at))
        history = tuple(reversed(await self._suppressions.history(wanted)))
        facts: dict[str, Any] = {
            "address": wanted,
            "entries": entries,
            "standing": found.of(wanted, now=visit.now),
            "scopes": dict.fromkeys(entry.scope for entry in entries),
            "deliveries": await self._deliveries([*entries, *history]),
            "history": history,
            "told": await self._provenance.told(wanted, count=_TOLD),
            "at_ses": await self._provenance.at_ses(wanted),
            **await self._words(visit),
        }
        return Page(template="suppression", facts=facts)

    async def _explain(self, visit: Visit) -> Page:
        """What it means to let somebody be mailed again, before it is done."""
        wanted, scope = address_of(visit.query.get("address", "")), scope_given(visit.query.get("scope", ""))
        found = (await self._suppressions.find([wanted])).entries(wanted)
        entries = [entry for entry in found if entry.scope == scope]
        facts: dict[str, Any] = {
            "address": wanted,
            "scope": scope,
            "entries": entries,
            "reasons": {entry.reason for entry in entries},
            "others": [entry for entry in found if entry.scope != scope],
            "page": page_of(wanted),
        }
        return Page(template="suppression_release", facts=facts)

    async def _add(self, visit: Visit) -> Go:
        wanted, reason = address_of(visit.asked("address")), reason_of(visit.asked("reason")) or Reason.MANUAL
        if reason.value not in dict(_BY_HAND):
            raise Objection("There is no such reason.")
        term = whole_number(visit.asked("term"))
        added = Suppression(
            address=wanted,
            reason=reason,
            source=source_of(visit),
            created_at=visit.now,
            note=note_of(visit.asked("note")),
            scope=await scope_of(visit.asked("mail"), visit.asked("name"), self._credentials),
            expires_at=visit.now + term if term else 0.0,
        )
        if not await self._admin.suppress(added):
            raise Objection("{address} is suppressed already for that reason.", address=wanted)
        return Go(path=page_of(wanted), said=Said("{address} gets no such mail any more.", {"address": wanted}), subject=wanted)

    async def _release(self, visit: Visit) -> Go:
        wanted, note = address_of(visit.asked("address")), note_of(visit.asked("note"))
        if not note:
            raise Objection("Say why, for whoever looks later.")
        release = Release(
            address=wanted,
            source=source_of(visit),
            at=visit.now,
            scope=scope_given(visit.asked("scope")),
            note=note,
            keep_at_ses=visit.asked("keep_at_ses") == "on",
        )
        if await self._admin.release(release):
            said = Said("{address} may get such mail again.", {"address": wanted})
        else:
            said = Said("{address} was not suppressed here. It is noted, and what happened before does not bring it back.")
            said = Said(said.text, {"address": wanted})
        return Go(path=page_of(wanted), said=said, subject=wanted)

    async def _export(self, visit: Visit) -> web.StreamResponse:
        """All that fit, as `relay suppression import` reads it; broken off where the store is lost on the way."""
        wanted = sought(visit.query)
        first = await self._suppressions.newest(wanted, behind=None, count=_AT_ONCE)
        answer = _download(visit.now)
        with suppress(ConnectionError):  # whoever wanted it is gone
            await answer.prepare(visit.request)
            try:
                async for text in self._written(wanted, first, visit.now):
                    if visit.request.transport is None:  # which no line would tell where none fits
                        break
                    await answer.write(text.encode("utf-8", "replace"))
            except StoreUnavailable:
                _break_off(visit.request)
        return answer

    async def _written(self, wanted: Sought, page: Newest, now: float) -> AsyncIterator[str]:
        """From the first page on. Raises StoreUnavailable."""
        file = StringIO(newline="")
        writer = Writer(file, "relay")
        while True:
            writer.write(entry for entry in page.entries if not 0 < entry.expires_at <= now)
            yield file.getvalue()
            if page.rest is None:
                return
            file.seek(0)
            file.truncate()
            page = await self._suppressions.newest(wanted, behind=page.rest, count=_AT_ONCE)

    async def _deliveries(self, entries: Iterable[Suppression | PastChange]) -> Any:
        """Those of ours that brought them about, by what SES calls them."""
        return await self._provenance.deliveries({entry.source for entry in entries})

    async def _words(self, visit: Visit) -> dict[str, Any]:
        """What every page with a form to add somebody needs."""
        logins = [login.name for login in await self._logins.all()] if visit.may(OperatorRole.OPERATOR) else []
        return {
            "mail": MAIL,
            "reasons": REASONS,
            "by_hand": _BY_HAND,
            "terms": _TERMS,
            "logins": logins,
            "now": visit.now,
            "everywhere": EVERYWHERE,
        }


def source_of(visit: Visit) -> str:
    """Who it was, as entries have it."""
    return f"operator {visit.operator.name}"


def _download(now: float) -> web.StreamResponse:
    name = f"suppressions-{time.strftime('%Y-%m-%d', time.gmtime(now))}.csv"
    answer = web.StreamResponse(headers={**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'})
    answer.content_type, answer.charset = "text/csv", "utf-8"
    return answer


def _break_off(request: web.Request) -> None:
    """What is not whole must not look so."""
    if request.transport:
        request.transport.abort()
