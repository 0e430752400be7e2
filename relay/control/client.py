"""The command line's end of the control socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from relay import documents
from relay.access_keys import IssuedKey
from relay.account_list import ListSync
from relay.control import lists
from relay.credential import Credential
from relay.erasure import Erased, Erasure
from relay.errors import AwsUnavailable, CannotErase, QueueUnavailable, SesUnavailable, StoreUnavailable
from relay.event import Replayed
from relay.holds import HoldRecord
from relay.identities import KnownIdentities
from relay.lifecycle import Cause
from relay.model import Delivery
from relay.operators import Operator
from relay.outcome import Hold, HoldScope
from relay.ports.event_queues import Redriven
from relay.queueing import Selection, Tally
from relay.suppression import Imported, Release, Suppression
from relay.webhooks.webhook import Webhook

# What an operator asks may take long, and can be given up by hand.
_PATIENCE = aiohttp.ClientTimeout(total=None, sock_connect=10)


class ControlClient:
    """Implements ports.Admin and ports.SecondTry by asking the relay that runs."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def suppress(self, suppression: Suppression) -> bool:
        return bool(await self._ask("suppress", documents.written(suppression)))

    async def release(self, release: Release) -> bool:
        return bool(await self._ask("release", documents.written(release)))

    async def take_list(self, batches: AsyncIterator[Sequence[Suppression]], *, source: str, again: bool) -> Imported:
        sent = lists.sent(batches, source=source, again=again)
        return documents.read(Imported, json.dumps(await self._ask("take-list", sent)))

    async def replay(self) -> Replayed:
        return documents.read(Replayed, json.dumps(await self._ask("replay", "")))

    async def put_credential(self, credential: Credential) -> None:
        await self._ask("put-credential", documents.written(credential))

    async def add_access_key(self, key: IssuedKey) -> bool:
        return bool(await self._ask("add-access-key", documents.written(key)))

    async def change_access_key(self, key: IssuedKey) -> bool:
        return bool(await self._ask("change-access-key", documents.written(key)))

    async def remove_access_key(self, id: str) -> bool:
        return bool(await self._ask("remove-access-key", json.dumps(id)))

    async def add_operator(self, operator: Operator) -> bool:
        return bool(await self._ask("add-operator", documents.written(operator)))

    async def change_operator(self, operator: Operator) -> bool:
        return bool(await self._ask("change-operator", documents.written(operator)))

    async def remove_operator(self, name: str) -> bool:
        return bool(await self._ask("remove-operator", json.dumps(name)))

    async def put_webhook(self, webhook: Webhook) -> None:
        await self._ask("put-webhook", documents.written(webhook))

    async def remove_webhook(self, name: str) -> bool:
        return bool(await self._ask("remove-webhook", json.dumps(name)))

    async def pause_webhook(self, name: str, *, is_paused: bool) -> bool:
        return bool(await self._ask("pause-webhook", json.dumps([name, is_paused])))

    async def tell_again(self, name: str, *, since: float, until: float) -> int:
        return int(await self._ask("tell-again", json.dumps([name, since, until])))

    async def test_alarms(self) -> None:
        await self._ask("test-alarms", "")

    async def move(self, cause: Cause, selection: Selection) -> Tally:
        return documents.read(Tally, json.dumps(await self._ask(f"move/{cause.name}", documents.written(selection))))

    async def hold(self, hold: Hold) -> bool:
        return bool(await self._ask("hold", documents.written(hold)))

    async def lift(self, scope: HoldScope, subject: str) -> tuple[HoldRecord, ...]:
        lifted = await self._ask(f"lift/{scope}", json.dumps(subject))
        return tuple(documents.read(HoldRecord, json.dumps(each)) for each in lifted)

    async def resend(self, delivery_id: str) -> Delivery | None:
        made = await self._ask("resend", json.dumps(delivery_id))
        return documents.read(Delivery, json.dumps(made)) if made else None

    async def sync_identities(self) -> KnownIdentities:
        """What SES says of our identities now. Raises SesUnavailable or StoreUnavailable."""
        return documents.read(KnownIdentities, json.dumps(await self._ask("sync-identities", "")))

    async def redrive(self) -> Redriven:
        return documents.read(Redriven, json.dumps(await self._ask("redrive", "", unavailable=QueueUnavailable)))

    async def retry(self, ids: Collection[str]) -> Redriven:
        return documents.read(Redriven, json.dumps(await self._ask("retry-quarantine", json.dumps(list(ids)))))

    async def sync_list(self, *, dry: bool) -> ListSync:
        """Compares our suppression list with SES's own. Raises SesUnavailable or StoreUnavailable."""
        return documents.read(ListSync, json.dumps(await self._ask("sync-list", json.dumps(dry))))

    async def erase(self, erasure: Erasure) -> Erased:
        """As Eraser does. Raises CannotErase or StoreUnavailable."""
        return Erased(**await self._ask("erase", documents.written(erasure)))

    async def _ask(
        self, verb: str, document: str | AsyncIterator[bytes], *, unavailable: type[AwsUnavailable] = SesUnavailable
    ) -> Any:
        try:
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self._path)), timeout=_PATIENCE) as http,
                http.post(f"http://relay/{verb}", data=document) as answer,
            ):
                if answer.status == 409:
                    raise CannotErase(await answer.text())
                if answer.status == 502:
                    raise unavailable(**await answer.json())
                if answer.status != 200:
                    raise StoreUnavailable(await answer.text())
                return await answer.json()
        except (aiohttp.ClientError, OSError) as error:
            raise StoreUnavailable(f"the relay at {self._path} does not answer: {error}") from error
