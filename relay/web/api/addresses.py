"""/Addresses: all that the relay keeps of a recipient, of whatever login, and its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relay import address
from relay.credential import Scope
from relay.erasure import Erasure
from relay.errors import CannotErase
from relay.ports.privacy import BEGINNING, Cursor
from relay.privacy import Eraser, Export, Told, cursor_of, cursor_text
from relay.web.api.calls import Answer, Call, Operation
from relay.web.api.codes import FOUND_THEM, WRONG, Code, Fault, Text
from relay.web.api.models import Wire

_ENOUGH, _STEPS = 100, 50  # records of an answer, and looks for them: who asks goes on with After
_ERASED = Text("erased", "удалено")
_WHY = Text("{why}", "{why}")


class Behind(Wire):
    """Where an answer before this one ended."""

    after: str | None = None


class Known(Wire):
    """One thing that is kept. What there is to say of it differs by kind."""

    kind: str
    facts: dict[str, Any]


class Some(Wire):
    """Some of all, perhaps none. It goes on behind After; without one that was all."""

    records: list[Known]
    after: str | None


class How(Wire):
    """With Suppress the address gets no mail from now on, whatever stood of it."""

    suppress: bool = False


class Gone(Wire):
    """What went, by kind. Mark is what the address is known by from now on; Cancelled were still to be sent."""

    mark: str
    cancelled: int
    erased: dict[str, int]


class AddressesResource:
    """Its operations."""

    def __init__(self, *, export: Export, eraser: Eraser) -> None:
        self._export = export
        self._eraser = eraser

    def operations(self) -> Sequence[Operation]:
        def operation(method: str, does: Any, summary: str, **more: Any) -> Operation:
            return Operation(
                group="Addresses",
                method=method,
                path="/Addresses/{Recipient}",
                does=does,
                scope=Scope.PRIVACY,
                summary=summary,
                **more,
            )

        return (
            operation("GET", self.get, "All that is kept of a recipient", query=Behind, result=Some),
            operation("DELETE", self.delete, "Erase all of it, but for what keeps mail from him", query=How, result=Gone),
        )

    async def get(self, call: Call) -> Answer:
        """Of all logins. It is read in steps: ask again with After until there is none."""
        wanted = _address(call)
        rest: Cursor | None = BEGINNING
        found: list[Told] = []
        try:
            rest = cursor_of(call.query.after) if call.query.after else BEGINNING
            for _ in range(_STEPS):
                told, rest = await self._export.some(wanted, rest)
                found += told
                if rest is None or len(found) >= _ENOUGH:
                    break
        except (ValueError, LookupError, TypeError):
            raise Fault(Code.INVALID_VALUE, WRONG, field="After", why="is none of ours") from None
        records = [Known(kind=each.kind, facts=dict(each.facts)) for each in found]
        return Answer(result=Some(records=records, after=cursor_text(rest) if rest else None), description=FOUND_THEM)

    async def delete(self, call: Call) -> Answer:
        """It cannot be taken back. What waits to be sent to him is cancelled; while a call of SES for him has no answer, or the
        relay has no key, nothing is erased.
        """
        erasure = Erasure(address=_address(call), source=f"login {call.credential.name}", suppress=call.query.suppress)
        try:
            done = await self._eraser.erase(erasure)
        except CannotErase as error:
            raise Fault(Code.NOT_AVAILABLE, _WHY, status=409, why=str(error)) from None
        return Answer(result=Gone(mark=done.mark, cancelled=done.cancelled, erased=dict(done.counts)), description=_ERASED)


def _address(call: Call) -> str:
    """Raises Fault."""
    try:
        return address.plain(call.path["Recipient"].strip().encode())
    except ValueError as error:
        raise Fault(Code.INVALID_EMAIL, WRONG, field="Recipient", why=str(error)) from None
