"""/UserSettings/SourceAddresses: whom a login may send as, and what SES says of these."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from enum import IntEnum
from typing import Annotated, Any

from pydantic import Field

from relay import address, journal
from relay.credential import Credential, Scope
from relay.errors import SesUnavailable, WrongLogin
from relay.identities import Identities, IdentityState
from relay.ports.logins import Credentials
from relay.ports.operators import Admin
from relay.ports.ses import Verification
from relay.web.api.calls import Answer, Call, Operation
from relay.web.api.codes import FOUND_THEM, WRONG, Code, Fault, Text
from relay.web.api.models import Email, Wire, also, named

MOST_SENDERS = 1000
_PATHS = ("/UserSettings/SourceAddresses", "/UserSettings/SenderAddresses")
_ADDED = Text("source address added", "адрес отправителя добавлен")
_REMOVED = Text("source address deleted", "адрес отправителя удалён")
_THERE = Text("{address} is one of them already", "{address} уже есть")
_NOT_THERE = Text("{address} is none of this login's", "{address}: у этого логина нет такого адреса")
_TOO_MANY = Text("this login has {most} already", "у этого логина их уже {most}")


class SenderState(IntEnum):
    """What SES says; DELETED is shown of none."""

    REQUEST = 0
    APPROVE = 1
    REJECT = 2
    DELETED = 3


_REJECTED = (IdentityState.FAILED, IdentityState.PAUSED)


class SourceAddress(Wire):
    """An address, a domain as `@example.com`, or its sub-domains as `@*.example.com`."""

    source_address: str
    state: named(SenderState)  # type: ignore[valid-type]
    is_default: bool


class NewAddress(Wire):
    """A single address."""

    source_address: Annotated[Email, Field(json_schema_extra=also("SenderAddress"))]


class SendersResource:
    """Its operations. `identities` is what is known of SES's own; `credentials` are changed by `admin`, who tells of it."""

    def __init__(self, *, credentials: Credentials, admin: Admin, identities: Identities, verification: Verification) -> None:
        self._credentials = credentials
        self._admin = admin
        self._identities = identities
        self._verification = verification
        self._turn = asyncio.Lock()

    def operations(self) -> Sequence[Operation]:
        def operation(method: str, path: str, does: Any, summary: str, **more: Any) -> Operation:
            return Operation(
                group="Source addresses", method=method, path=path, does=does, scope=Scope.SENDERS, summary=summary, **more
            )

        return tuple(
            each
            for path in _PATHS
            for each in (
                operation("GET", path, self.list, "Whom this login may send as", result=list[SourceAddress]),
                operation("POST", path, self.post, "Add an address", body=NewAddress, status=201),
                operation("DELETE", f"{path}/{{SourceAddress}}", self.delete, "Remove an address"),
            )
        )

    async def list(self, call: Call) -> Answer:
        senders = call.credential.senders
        found = [
            SourceAddress(source_address=sender, state=self._state(sender), is_default=not number)
            for number, sender in enumerate(senders)
        ]
        return Answer(result=found, description=FOUND_THEM)

    async def post(self, call: Call) -> Answer:
        """One that SES has not verified, by itself or by its domain, is verified now: SES mails a link to it, and sends nothing
        from it before somebody has followed that.
        """
        wanted = address.key(call.body.source_address)
        if wanted in call.credential.senders:
            return Answer(code=Code.NOT_CHANGED, description=_THERE, values={"address": wanted})
        if len(call.credential.senders) >= MOST_SENDERS:
            raise Fault(Code.NOT_AVAILABLE, _TOO_MANY, most=MOST_SENDERS)
        if self._identities.state_of(wanted) is not IdentityState.VERIFIED:
            await self._verify(wanted)
        async with self._turn:
            credential = await self._credential(call)
            others = (sender for sender in credential.senders if sender != wanted)
            await self._admin.put_credential(replace(credential, senders=(*others, wanted)))
        return Answer(description=_ADDED, status=201)

    async def delete(self, call: Call) -> Answer:
        """This login may send as it no more. What SES has verified stays at SES: other logins may need it."""
        gone = address.key(call.path["SourceAddress"])
        async with self._turn:
            credential = await self._credential(call)
            if gone not in credential.senders:
                raise Fault(Code.NOT_FOUND, _NOT_THERE, address=gone)
            left = tuple(sender for sender in credential.senders if sender != gone)
            await self._admin.put_credential(replace(credential, senders=left))
        return Answer(description=_REMOVED)

    def _state(self, sender: str) -> SenderState:
        if self._identities.known is None:  # nobody is asked, and nothing refused
            return SenderState.APPROVE
        state = self._identities.state_of(sender)
        if state is IdentityState.VERIFIED:
            return SenderState.APPROVE
        return SenderState.REJECT if state in _REJECTED else SenderState.REQUEST

    async def _verify(self, wanted: str) -> None:
        """Raises SesUnavailable, or Fault for what SES does not take."""
        try:
            is_taken = await self._verification.begin(wanted)
        except SesUnavailable as error:
            journal.trouble(f"SES does not begin to verify {wanted}", error)
            raise
        if not is_taken:
            raise Fault(Code.INVALID_EMAIL, WRONG, field="SourceAddress", why="SES does not take it")

    async def _credential(self, call: Call) -> Credential:
        """As it is now: an operator may have changed it since the login. Raises WrongLogin."""
        found = await self._credentials.get(call.credential.name)
        if found is None or found.disabled:
            raise WrongLogin
        return found
