"""/queue: what waits and what stops it; stop it, start it, and change what waits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from relay.holds import Holder, HoldRecord
from relay.lifecycle import NEVER
from relay.model import Lane
from relay.operators import OperatorRole
from relay.outcome import Hold, HoldScope
from relay.ports.logins import Credentials
from relay.ports.operators import Admin
from relay.ports.queue import Desk
from relay.queueing import MOST_DUE, Selection
from relay.rate import Account, DailyQuota
from relay.web.console.chores import Chores
from relay.web.console.known_logins import KnownLogins
from relay.web.console.queue_changes import AGES, FIELDS, VERBS, Verb, domain_of, meant
from relay.web.console.suppression_forms import clean
from relay.web.console.visits import Go, Objection, Page, Routes, Said, Visit, act, look

_FLOWS = 100
_CHORE = "change of the queue"
_PATIENCE = 5.0  # seconds that somebody waits for what he has asked for; then it goes on beside the pages
_LONGEST = 200
_SCOPES: Mapping[HoldScope, str] = {
    HoldScope.CREDENTIAL: "all mail of a login",
    HoldScope.CREDENTIAL_BULK: "bulk mail of a login",
    HoldScope.IDENTITY: "mail from a sender domain",
    HoldScope.CONFIGURATION_SET: "mail under a configuration set",
    HoldScope.ACCOUNT: "everything",
}


class QueuePages:
    """Its routes. `own_set` is the relay's own configuration set, which flows and holds name by nothing."""

    def __init__(
        self, *, desk: Desk, admin: Admin, credentials: Credentials, logins: KnownLogins, chores: Chores, own_set: str
    ) -> None:
        self._desk = desk
        self._admin = admin
        self._credentials = credentials
        self._logins = logins
        self._chores = chores
        self._own_set = own_set

    def routes(self) -> Routes:
        operator = OperatorRole.OPERATOR
        return (
            look("/queue", self._show),
            look("/queue/change", self._ask, operator),
            act("/queue/change", self._change, operator, "queue changed"),
            act("/queue/pause", self._pause, operator, "mail paused"),
            act("/queue/resume", self._resume, operator, "mail resumed"),
        )

    async def _show(self, visit: Visit) -> Page:
        chore = self._chores.of(_CHORE)
        status, flows = await self._desk.glance(now=visit.now, flows=_FLOWS)
        logins = [login.name for login in await self._logins.all()] if visit.may(OperatorRole.OPERATOR) else []
        facts: dict[str, Any] = {
            "status": status,
            "flows": flows,
            "most_due": MOST_DUE,
            "waiting": sum(status.states.values()),
            "holds": [(hold, _until(hold, visit.now)) for hold in status.holds],
            "lanes": _closed(status.account, visit.now),
            "scopes": [(scope.value, label) for scope, label in _SCOPES.items()],
            "verbs": [(name, verb.label) for name, verb in VERBS.items()],
            "ages": AGES,
            "logins": logins,
            "chore": chore,
            "now": visit.now,
        }
        return Page(template="queue", facts=facts)

    async def _ask(self, visit: Visit) -> Page:
        """How many are meant, before anything is done."""
        asked = meant(visit.query, visit.now)
        verb = VERBS[asked.verb]
        tally = await self._desk.count(verb.cause, asked.selection)
        facts = {"verb": verb, "fields": asked.fields, "tally": tally, "meant": asked.selection}
        return Page(template="queue_change", facts=facts)

    async def _change(self, visit: Visit) -> Go:
        """What takes long goes on, and the page of the queue tells what came of it."""
        asked = meant({name: visit.asked(name) for name in FIELDS}, visit.now)
        ended = self._begin(VERBS[asked.verb], asked.selection)
        try:
            async with asyncio.timeout(_PATIENCE):
                await ended.wait()
        except TimeoutError:
            return Go(path="/queue", said=Said("It is under way, and goes on."), subject=asked.verb)
        chore = self._chores.of(_CHORE)
        if chore and chore.said and chore.has_failed:
            raise Objection(chore.said.text, **chore.said.words)
        return Go(path="/queue", said=chore.said if chore else None, subject=asked.verb)

    def _begin(self, verb: Verb, selection: Selection) -> asyncio.Event:
        """Set at the end. Raises Objection where another change is under way."""
        ended = asyncio.Event()

        async def work() -> Said:
            try:
                tally = await self._admin.move(verb.cause, selection)
                return Said(verb.done, {"n": tally.deliveries, "m": tally.doubtful})
            finally:
                ended.set()

        self._chores.begin(_CHORE, work)
        return ended

    async def _pause(self, visit: Visit) -> Go:
        scope, subject = await self._place(visit.asked("scope"), clean(visit.asked("subject")))
        reason = clean(visit.asked("reason"))[:_LONGEST]
        if not reason:
            raise Objection("Say why, for whoever looks later.")
        new = [await self._admin.hold(Hold(scope, reason, NEVER, each)) for each in self._names(scope, subject)]
        said = "{what}: paused." if any(new) else "{what}: it was paused already, and has the new reason."
        return Go(path="/queue", said=_said(said, scope, subject), subject=f"{scope} {subject}".strip())

    async def _resume(self, visit: Visit) -> Go:
        """Whoever stopped it, SES as well. What stands elsewhere stays."""
        scope, subject = _scope(visit.asked("scope")), visit.asked("subject")
        lifted = [hold for each in self._names(scope, subject) for hold in await self._admin.lift(scope, each)]
        if not lifted:
            raise Objection("It is not stopped any more.")
        detail = "; ".join(f"{hold.holder}: {hold.reason}" for hold in lifted)
        said = _said("{what}: it goes on.", scope, subject)
        return Go(path="/queue", said=said, subject=f"{scope} {subject}".strip(), detail=detail)

    async def _place(self, scope_word: str, subject: str) -> tuple[HoldScope, str]:
        """What is to be stopped. Raises Objection."""
        scope = _scope(scope_word)
        if scope is HoldScope.ACCOUNT:
            if subject:
                raise Objection("Everything is chosen, and a name as well: choose which of the two.")
            return scope, ""
        if not subject or not subject.isprintable() or len(subject) > _LONGEST:
            raise Objection("Name the login, the sender domain or the configuration set.")
        if scope is HoldScope.IDENTITY:
            return scope, domain_of(subject)
        if scope is not HoldScope.CONFIGURATION_SET and await self._credentials.get(subject) is None:
            raise Objection("There is no login {name}.", name=subject)
        return scope, subject

    def _names(self, scope: HoldScope, subject: str) -> tuple[str, ...]:
        """By which it is held: the relay's own configuration set also where a sender has named it."""
        is_own = scope is HoldScope.CONFIGURATION_SET and subject in ("", self._own_set)
        return tuple(dict.fromkeys(("", self._own_set))) if is_own else (subject,)


def _scope(word: str) -> HoldScope:
    if word not in list(_SCOPES):
        raise Objection("There is no such hold.")
    return HoldScope(word)


def _said(text: str, scope: HoldScope, subject: str) -> Said:
    """Of all mail in a sentence of its own, for a name is the same in all languages."""
    if scope is HoldScope.ACCOUNT:
        return Said(text.replace("{what}", "All mail"))
    return Said(text, {"what": subject or "–"})


def _until(hold: HoldRecord, now: float) -> float | None:
    """Seconds until one delivery probes what SES has stopped; None where nothing but somebody's word ends it."""
    return max(0.0, hold.until - now) if hold.holder is Holder.SES else None


def _closed(account: Account | None, now: float) -> list[str]:
    """Lanes whose mail waits, for the quota of the day is used up."""
    quota = DailyQuota()
    if account:
        quota.told(account)
    return [lane.value for lane in Lane if quota.left(lane, now) < 1]
