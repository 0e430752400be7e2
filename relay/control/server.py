"""The relay's end: HTTP over a Unix socket, a POST for each verb of ports.Admin and ports.SecondTry, to ask SES, to erase."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from aiohttp import web

from relay import documents
from relay.access_keys import IssuedKey
from relay.account_list import ListSync
from relay.control import lists
from relay.credential import Credential
from relay.erasure import Erased, Erasure
from relay.errors import AwsUnavailable, CannotErase, StoreUnavailable
from relay.identities import KnownIdentities
from relay.lifecycle import Cause
from relay.operators import Operator
from relay.outcome import Hold, HoldScope
from relay.ports.event_queues import SecondTry
from relay.ports.operators import Admin
from relay.queueing import Selection
from relay.suppression import Release, Suppression
from relay.webhooks.webhook import Webhook

# An operator's verb that is not at its end by then is given up when the relay stops.
_STOP_SECONDS = 2.0


class SyncList(Protocol):
    """What compares our suppression list with SES's own."""

    async def __call__(self, *, dry: bool) -> ListSync: ...


class ControlServer:
    """Listens from `start` to `stop`. The process that holds the lock owns the socket's name."""

    def __init__(
        self,
        path: Path,
        admin: Admin,
        sync: Callable[[], Awaitable[KnownIdentities]],
        sync_list: SyncList,
        second_try: SecondTry,
        erase: Callable[[Erasure], Awaitable[Erased]],
    ) -> None:
        self._path = path
        self._admin = admin
        self._sync = sync
        self._sync_list = sync_list
        self._second_try = second_try
        self._erase_address = erase
        app = web.Application()
        app.add_routes(
            [
                web.post("/suppress", self._suppress),
                web.post("/release", self._release),
                web.post("/take-list", self._take_list),
                web.post("/replay", self._replay),
                web.post("/put-credential", self._put_credential),
                web.post("/add-access-key", self._add_access_key),
                web.post("/change-access-key", self._change_access_key),
                web.post("/remove-access-key", self._remove_access_key),
                web.post("/add-operator", self._add_operator),
                web.post("/change-operator", self._change_operator),
                web.post("/remove-operator", self._remove_operator),
                web.post("/put-webhook", self._put_webhook),
                web.post("/remove-webhook", self._remove_webhook),
                web.post("/pause-webhook", self._pause_webhook),
                web.post("/tell-again", self._tell_again),
                web.post("/test-alarms", self._test_alarms),
                web.post("/move/{cause}", self._move),
                web.post("/hold", self._hold),
                web.post("/lift/{scope}", self._lift),
                web.post("/resend", self._resend),
                web.post("/sync-identities", self._sync_identities),
                web.post("/redrive", self._redrive),
                web.post("/retry-quarantine", self._retry_quarantine),
                web.post("/sync-list", self._compare_lists),
                web.post("/erase", self._erase),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_SECONDS)

    async def start(self) -> None:
        self._path.unlink(missing_ok=True)
        await self._runner.setup()
        earlier = os.umask(0o177)  # the socket must not be open to others even for a moment
        try:
            await web.UnixSite(self._runner, str(self._path)).start()
        finally:
            os.umask(earlier)

    async def stop(self) -> None:
        await self._runner.cleanup()
        self._path.unlink(missing_ok=True)

    async def _suppress(self, request: web.Request) -> web.Response:
        suppression = documents.read(Suppression, await request.text())
        return await _answered(self._admin.suppress(suppression))

    async def _release(self, request: web.Request) -> web.Response:
        return await _answered(self._admin.release(documents.read(Release, await request.text())))

    async def _take_list(self, request: web.Request) -> web.Response:
        received = await lists.received(request.content)
        answer = await _answered(self._admin.take_list(received.batches, source=received.source, again=received.again))
        await lists.drain(request.content)  # who still sends would not hear why
        return answer

    async def _replay(self, _: web.Request) -> web.Response:
        return await _answered(self._admin.replay())

    async def _put_credential(self, request: web.Request) -> web.Response:
        return await _answered(self._admin.put_credential(documents.read(Credential, await request.text())))

    async def _add_access_key(self, request: web.Request) -> web.Response:
        return await _answered(self._admin.add_access_key(documents.read(IssuedKey, await request.text())))

    async def _change_access_key(self, request: web.Request) -> web.Response:
        return await _answered(self._admin.change_access_key(documents.read(IssuedKey, await request.text())))

    async def _remove_access_key(self, request: web.Request) -> web.Response:
        return await _answered(self._admin.remove_access_key(str(json.loads(await request.text()))))

    async def _add_operator(self, request: web.Request) -> web.Response:
        return await _answered(self._admin.add_operator(documents.read(Operator, await request.text())))

    async def _change_operator(self, request: web.Request) -> web.Response:
        return await _answered(self._admin.change_operator(documents.read(Operator, await request.text())))

    async def _remove_operator(self, request: web.Request) -> web.Response:
        return await _answered(self._admin.remove_operator(str(json.loads(await request.text()))))

    async def _put_webhook(self, request: web.Request) -> web.Response:
        return await _answered(self._admin.put_webhook(documents.read(Webhook, await request.text())))

    async def _remove_webhook(self, request: web.Request) -> web.Response:
        return await _answered(self._admin.remove_webhook(str(json.loads(await request.text()))))

    async def _pause_webhook(self, request: web.Request) -> web.Response:
        name, is_paused = json.loads(await request.text())
        return await _answered(self._admin.pause_webhook(str(name), is_paused=bool(is_paused)))

    async def _tell_again(self, request: web.Request) -> web.Response:
        name, since, until = json.loads(await request.text())
        return await _answered(self._admin.tell_again(str(name), since=float(since), until=float(until)))

    async def _test_alarms(self, _: web.Request) -> web.Response:
        return await _answered(self._admin.test_alarms())

    async def _move(self, request: web.Request) -> web.Response:
        selection = documents.read(Selection, await request.text())
        return await _answered(self._admin.move(Cause[request.match_info["cause"]], selection))

    async def _hold(self, request: web.Request) -> web.Response:
        return await _answered(self._admin.hold(documents.read(Hold, await request.text())))

    async def _lift(self, request: web.Request) -> web.Response:
        subject = str(json.loads(await request.text()))
        return await _answered(self._admin.lift(HoldScope(request.match_info["scope"]), subject))

    async def _resend(self, request: web.Request) -> web.Response:
        return await _answered(self._admin.resend(str(json.loads(await request.text()))))

    async def _sync_identities(self, _: web.Request) -> web.Response:
        return await _answered(self._sync())

    async def _redrive(self, _: web.Request) -> web.Response:
        return await _answered(self._second_try.redrive())

    async def _retry_quarantine(self, request: web.Request) -> web.Response:
        return await _answered(self._second_try.retry(json.loads(await request.text())))

    async def _compare_lists(self, request: web.Request) -> web.Response:
        return await _answered(self._sync_list(dry=bool(json.loads(await request.text()))))

    async def _erase(self, request: web.Request) -> web.Response:
        return await _answered(self._erase_address(documents.read(Erasure, await request.text())))


async def _answered(verb: Awaitable[object]) -> web.Response:
    try:
        return web.Response(text=json.dumps(await verb, default=asdict), content_type="application/json")
    except StoreUnavailable as error:
        return web.Response(status=503, text=str(error))
    except CannotErase as error:
        return web.Response(status=409, text=str(error))
    except AwsUnavailable as error:
        return web.json_response({"kind": error.kind, "why": str(error)}, status=502)
