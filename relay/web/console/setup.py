"""/feedback/setup: what there is of the way back at AWS, what is to be made, and how each hop of mail and its events stands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from relay.errors import RelayError
from relay.findings import Finding, Grade
from relay.operators import OperatorRole
from relay.ports.clock import Clock
from relay.ports.setting_up import Begin, Examine, SettingUp
from relay.provisioning import Setup, Step, Transport, Wishes
from relay.rights import Role, policy
from relay.web.console.chores import Chores, why
from relay.web.console.visits import Go, Objection, Page, Routes, Said, Visit, act, look

_CHORE = "set-up"
_CONFIRM_SECONDS = 60
_WORST_FIRST = (Grade.FAIL, Grade.WARNING, Grade.OK)
_TRANSPORTS = [
    (Transport.HTTPS.value, "A webhook: SNS posts to the relay"),
    (Transport.SQS.value, "A queue: the relay asks SQS"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What would be made at AWS; or the `trouble` for which that is not known. `lacking` are lines for the settings."""

    trouble: Said | None = None
    setup: Setup | None = None
    caller: str = ""
    senders: Sequence[str] = ()
    steps: Sequence[Step] = ()
    is_confirmed: bool = False
    lacking: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was found at a time, seconds since the epoch."""

    at: float
    prospect: Prospect
    findings: Sequence[Finding]


class SetupPages:
    """Its routes. `begin` knows what is to be made, `examine` looks at each hop. `usual` is what is set now."""

    def __init__(self, *, begin: Begin, examine: Examine, chores: Chores, clock: Clock, usual: Transport) -> None:
        self._begin = begin
        self._examine = examine
        self._chores = chores
        self._clock = clock
        self._wishes = Wishes(transport=usual)
        self._made: list[Step] = []
        self._seen: Seen | None = None

    def routes(self) -> Routes:
        admin = OperatorRole.ADMIN
        return (
            look("/feedback/setup", self._show, admin),
            act("/feedback/setup/look", self._begin_look, admin, "set-up looked at"),
            act("/feedback/setup/make", self._begin_make, admin, "set-up made"),
        )

    async def _show(self, visit: Visit) -> Page:
        is_busy = self._chores.is_under_way(_CHORE)
        facts: dict[str, Any] = {
            "transports": _TRANSPORTS,
            "wishes": self._wishes,
            "seen": self._seen,
            "made": self._made,
            "policies": _policies(self._seen.prospect.setup) if self._seen and self._seen.prospect.setup else [],
            "chore": self._chores.of(_CHORE),
            "is_busy": is_busy,
            "watches": is_busy and visit.query.get("watch") == "on",
        }
        return Page(template="setup", facts=facts)

    async def _begin_look(self, visit: Visit) -> Go:
        wishes = _wishes(visit)
        self._chores.begin(_CHORE, lambda: self._look(wishes))
        self._wishes, self._made = wishes, []
        return Go(path="/feedback/setup?watch=on")

    async def _begin_make(self, visit: Visit) -> Go:
        """Only what was shown before."""
        if self._seen is None or visit.asked("seen") != str(self._seen.at):
            raise Objection("Look at what there is first.")
        self._chores.begin(_CHORE, lambda: self._make(self._wishes))
        self._made, self._seen = [], None
        return Go(path="/feedback/setup?watch=on")

    async def _look(self, wishes: Wishes) -> Said:
        prospect, findings = await asyncio.gather(self._prospect(wishes), self._examine())
        worst_first = sorted(findings, key=lambda finding: _WORST_FIRST.index(finding.grade))
        self._seen = Seen(at=self._clock(), prospect=prospect, findings=worst_first)
        grades = [finding.grade for finding in findings]
        counts = {"fails": grades.count(Grade.FAIL), "warnings": grades.count(Grade.WARNING)}
        return Said("Of the hops {fails} fail, and {warnings} work for now or in part.", counts)

    async def _make(self, wishes: Wishes) -> Said:
        work = await self._begin(wishes)
        for step in await work.steps():
            await work.take(step)
            self._made.append(step)
        for _ in range(_CONFIRM_SECONDS if work.is_known else 0):
            if await work.is_confirmed():
                break
            await asyncio.sleep(1)
        return await self._look(wishes)

    async def _prospect(self, wishes: Wishes) -> Prospect:
        try:
            work = await self._begin(wishes)
            return await _seen_at_aws(work)
        except RelayError as error:
            return Prospect(trouble=why(error))


async def _seen_at_aws(work: SettingUp) -> Prospect:
    """Raises AwsRefused. What the settings lack is known when all is made."""
    steps = await work.steps()
    prospect = Prospect(setup=work.setup, caller=work.caller, senders=await work.senders(), steps=steps)
    if steps:
        return prospect
    return replace(prospect, is_confirmed=await work.is_confirmed(), lacking=await work.lacking())


def _wishes(visit: Visit) -> Wishes:
    """Raises Objection."""
    transport = visit.asked("transport")
    if transport not in list(Transport):
        raise Objection("Choose how events come.")
    return Wishes(transport=Transport(transport), tracks=bool(visit.asked("tracks")))


def _policies(setup: Setup) -> list[tuple[str, str]]:
    """Of the relay, of its doctor, and of who sets it up."""
    return [(role.value, json.dumps(policy(role, setup), indent=2)) for role in Role]
