"""/suppressions/export of one address, and its end: all that is kept of it, and what stays once it is erased. For admins."""

from __future__ import annotations

import json
import time
from contextlib import suppress

from aiohttp import web

from relay.erasure import Erasure
from relay.errors import CannotErase, StoreUnavailable
from relay.operators import OperatorRole
from relay.privacy import Document, Eraser, Export
from relay.web.console.door import HEADERS
from relay.web.console.suppression_forms import address_of, page_of
from relay.web.console.visits import Go, Objection, Page, Routes, Said, Visit, act, look


class PrivacyPages:
    """Its routes."""

    def __init__(self, *, export: Export, eraser: Eraser) -> None:
        self._export = export
        self._eraser = eraser

    def routes(self) -> Routes:
        admin = OperatorRole.ADMIN
        return (
            look("/suppressions/address/export", self._download, admin),
            look("/suppressions/address/erase", self._explain, admin),
            act("/suppressions/address/erase", self._erase, admin, "address erased"),
        )

    async def _explain(self, visit: Visit) -> Page:
        """What goes and what stays, before it is done."""
        wanted = address_of(visit.query.get("address", ""))
        return Page(template="address_erase", facts={"address": wanted, "page": page_of(wanted)})

    async def _erase(self, visit: Visit) -> Go:
        """The audit log keeps the mark, for the address is to be nowhere."""
        wanted = address_of(visit.asked("address"))
        if address_of(visit.asked("again")) != wanted:
            raise Objection("Write the address once more.")
        suppress_it = visit.asked("suppress") == "on"
        try:
            done = await self._eraser.erase(
                Erasure(address=wanted, source=f"operator {visit.operator.name}", suppress=suppress_it)
            )
        except CannotErase as error:
            raise Objection("Nothing was erased: {why}.", why=str(error)) from None
        said = Said("All of it is erased. It is known as {mark} now.", {"mark": done.mark[:14]})
        return Go(path="/suppressions", said=said, subject=done.mark, detail=json.dumps(dict(done.counts)) or "-")

    async def _download(self, visit: Visit) -> web.StreamResponse:
        """One JSON document, in steps; broken off where the store is lost on the way."""
        wanted = address_of(visit.query.get("address", ""))
        name = f"address-{time.strftime('%Y-%m-%d', time.gmtime(visit.now))}.json"
        answer = web.StreamResponse(headers={**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'})
        answer.content_type, answer.charset = "application/json", "utf-8"
        document = Document()
        with suppress(ConnectionError):  # whoever wanted it is gone
            await answer.prepare(visit.request)
            await answer.write(document.begin(wanted, visit.now).encode())
            try:
                async for told in self._export.all(wanted):
                    await answer.write(document.add(told).encode())
                await answer.write(document.end().encode())
            except StoreUnavailable:
                if visit.request.transport:  # what is not whole must not look so
                    visit.request.transport.abort()
        return answer
