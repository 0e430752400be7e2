"""/Suppressions: addresses that get no mail, of all logins or of this one."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from relay import address
from relay.credential import Credential, MessageClass, Scope
from relay.ports.clock import Clock
from relay.ports.operators import Admin
from relay.ports.suppressions import Suppressions
from relay.suppression import EVERYWHERE, Filter, Reason, Release, Suppressed, Suppression, of_credential
from relay.web.api.calls import Answer, Call, Operation
from relay.web.api.codes import FOUND_THEM, WRONG, Code, Fault, Text
from relay.web.api.models import Email, Moment, Wire, named

MOST_CHECKED = 1000
MOST_SKIPPED = 10_000
_BY_HAND = (Reason.MANUAL, Reason.UNSUBSCRIBED, Reason.HARD_BOUNCE, Reason.COMPLAINT)
_ADDED = Text("suppressed", "добавлен в стоп-лист")
_THERE = Text("it was suppressed already", "уже в стоп-листе")
_REMOVED = Text("it may be mailed again", "удалён из стоп-листа")
_NOT_THERE = Text("{address} is not suppressed there", "{address} там нет в стоп-листе")
_TOO_FAR = Text("beyond {most} entries go on by After", "после {most} записей продолжайте по After")


class Mail(StrEnum):
    """Which mail it is about: everybody's, or that of this login."""

    EVERYWHERE = "everywhere"
    LOGIN = "login"


class Listing(Wire):
    """Which entries. With After they come by address, from behind that one on; without it the newest come first."""

    address: Email | None = None
    reason: named(Reason) | None = None  # type: ignore[valid-type]
    scope: named(Mail) | None = None  # type: ignore[valid-type]
    after: str | None = None


class Entry(Wire):
    """Why an address gets no mail. Scope is `everywhere`, `login`, or `list:` with a name."""

    address: str
    reason: str
    scope: str
    since: Moment
    expires_at: Moment | None
    source: str
    note: str


class Addresses(Wire):
    """To be looked up."""

    addresses: Annotated[list[Email], Field(min_length=1, max_length=MOST_CHECKED)]


class Checked(Wire):
    """Whether mail of this login to an address would be held back, and by which entry: the gravest."""

    address: str
    suppressed: bool
    reason: str | None = None
    scope: str | None = None
    since: Moment | None = None
    source: str | None = None
    note: str | None = None


class NewEntry(Wire):
    """An address that is to get no mail."""

    address: Email
    reason: named(Reason) = Reason.MANUAL  # type: ignore[valid-type]
    scope: named(Mail) = Mail.EVERYWHERE  # type: ignore[valid-type]
    note: Annotated[str, Field(max_length=500)] = ""
    expires_at: Moment | None = None


class Where(Wire):
    """Which entries of an address go."""

    scope: named(Mail) = Mail.EVERYWHERE  # type: ignore[valid-type]


class SuppressionsResource:
    """Its operations."""

    def __init__(self, *, suppressions: Suppressions, admin: Admin, clock: Clock) -> None:
        self._suppressions = suppressions
        self._admin = admin
        self._clock = clock

    def operations(self) -> Sequence[Operation]:
        def operation(method: str, path: str, does: Any, summary: str, **more: Any) -> Operation:
            return Operation(
                group="Suppressions", method=method, path=path, does=does, scope=Scope.SUPPRESSIONS, summary=summary, **more
            )

        all, one = "/Suppressions", "/Suppressions/{Address}"
        return (
            operation("GET", all, self.list, "List entries", query=Listing, result=list[Entry], is_list=True),
            operation("POST", f"{all}/Check", self.check, "Look addresses up", body=Addresses, result=list[Checked]),
            operation("POST", all, self.post, "Suppress an address", body=NewEntry, status=201),
            operation("DELETE", one, self.delete, "Let an address be mailed again, by SES too", query=Where),
        )

    async def list(self, call: Call) -> Answer:
        query: Listing = call.query
        if query.address:
            found = await self._of_one(call, query)
        elif query.after is None:
            found = await self._newest(call, query)
        else:
            found = await self._behind(call, query)
        return Answer(result=[_shown(entry, call) for entry in found], total=-1, status=206, description=FOUND_THEM)

    async def check(self, call: Call) -> Answer:
        wanted, now = call.body.addresses, self._clock()
        found = await self._suppressions.find(wanted)
        return Answer(result=[_checked(each, found, call, now) for each in wanted], description=FOUND_THEM)

    async def post(self, call: Call) -> Answer:
        new, now = call.body, self._clock()
        if new.reason not in _BY_HAND:
            raise Fault(Code.INVALID_VALUE, WRONG, field="Reason", why=f"is none of {', '.join(_BY_HAND)}")
        if new.expires_at is not None and new.expires_at <= now:
            raise Fault(Code.INVALID_VALUE, WRONG, field="ExpiresAt", why="is over")
        added = Suppression(
            address=new.address,
            reason=new.reason,
            source=_source(call.credential),
            created_at=now,
            note=new.note,
            scope=_scope(new.scope, call),
            expires_at=new.expires_at or 0.0,
        )
        if not await self._admin.suppress(added):
            return Answer(code=Code.NOT_CHANGED, description=_THERE)
        return Answer(description=_ADDED, status=201)

    async def delete(self, call: Call) -> Answer:
        """Of an entry for all mail SES's own list is cleared as well, also where the relay has none. What happened before does
        not bring it back.
        """
        try:
            wanted = address.plain(call.path["Address"].strip().encode())
        except ValueError as error:
            raise Fault(Code.INVALID_EMAIL, WRONG, field="Address", why=str(error)) from None
        scope = _scope(call.query.scope, call)
        release = Release(address=wanted, source=_source(call.credential), at=self._clock(), scope=scope)
        if not await self._admin.release(release):
            raise Fault(Code.NOT_FOUND, _NOT_THERE, address=wanted)
        return Answer(description=_REMOVED)

    async def _of_one(self, call: Call, query: Listing) -> Sequence[Suppression]:
        wanted, now = _filter(query, call), self._clock()
        entries = (await self._suppressions.find([query.address or ""])).entries(query.address or "")
        found = [
            entry
            for entry in sorted(entries, key=lambda entry: -entry.created_at)
            if _fits(entry, wanted) and not 0 < entry.expires_at <= now
        ]
        return found[call.range.skipped : call.range.last]

    async def _newest(self, call: Call, query: Listing) -> Sequence[Suppression]:
        """Raises Fault."""
        if call.range.last > MOST_SKIPPED:
            raise Fault(Code.INVALID_VALUE, _TOO_FAR, status=416, most=MOST_SKIPPED)
        found = await self._suppressions.listed(_filter(query, call), limit=call.range.last)
        return found[call.range.skipped :]

    async def _behind(self, call: Call, query: Listing) -> Sequence[Suppression]:
        """Whole addresses: who goes on behind the last one has missed nothing of it."""
        found: list[Suppression] = []
        pages = self._suppressions.pages(_filter(query, call), now=self._clock(), after=address.key(query.after or ""))
        async for page in pages:
            for entry in page:
                if len(found) >= call.range.count and address.key(entry.address) != address.key(found[-1].address):
                    return found
                found.append(entry)
        return found


def _filter(query: Listing, call: Call) -> Filter:
    """Nothing of other logins."""
    scope = _scope(query.scope, call) if query.scope else None
    return Filter(reason=query.reason, scope=scope, credential=call.credential.name)


def _fits(entry: Suppression, wanted: Filter) -> bool:
    is_anothers = entry.scope.startswith(of_credential("")) and entry.scope != of_credential(wanted.credential)
    return not is_anothers and wanted.reason in (None, entry.reason) and wanted.scope in (None, entry.scope)


def _scope(mail: Mail, call: Call) -> str:
    return of_credential(call.credential.name) if mail is Mail.LOGIN else EVERYWHERE


def _source(credential: Credential) -> str:
    return f"login {credential.name}"


def _shown_scope(entry: Suppression, call: Call) -> str:
    if entry.scope == of_credential(call.credential.name):
        return Mail.LOGIN.value
    return entry.scope or Mail.EVERYWHERE.value


def _shown(entry: Suppression, call: Call) -> Entry:
    return Entry(
        address=entry.address,
        reason=entry.reason.value,
        scope=_shown_scope(entry, call),
        since=entry.created_at,
        expires_at=entry.expires_at or None,
        source=entry.source,
        note=entry.note,
    )


def _checked(wanted: str, found: Suppressed, call: Call, now: float) -> Checked:
    credential = call.credential
    is_transactional = credential.message_class is MessageClass.TRANSACTIONAL
    entry = found.of(wanted, credential=credential.name, is_transactional=is_transactional, now=now)
    if entry is None:
        return Checked(address=wanted, suppressed=False)
    return Checked(
        address=wanted,
        suppressed=True,
        reason=entry.reason.value,
        scope=_shown_scope(entry, call),
        since=entry.created_at,
        source=entry.source,
        note=entry.note,
    )
