"""/Account: what SES lets the account send, what holds this login's mail back, and how its mail was received."""

from __future__ import annotations

from collections.abc import Sequence

from relay.credential import Scope
from relay.holds import HoldRecord
from relay.ports.clock import Clock
from relay.ports.operators import Counters
from relay.ports.queue import Desk
from relay.statistics import COMPLAINED, DAY, HARD_BOUNCE, SENT, Wanted
from relay.web.api.calls import Answer, Call, Operation
from relay.web.api.codes import FOUND
from relay.web.api.models import Moment, Wire

_DAYS = 7


class HoldView(Wire):
    """What stops mail, and who put it there: ses, operator, relay or login."""

    scope: str
    subject: str
    holder: str
    reason: str
    since: Moment


class ReputationView(Wire):
    """What SES reported in so many days. Rates are of what was sent, and absent where nothing was."""

    days: int
    sent: int
    hard_bounces: int
    complaints: int
    bounce_rate: float | None
    complaint_rate: float | None


class AccountView(Wire):
    """Recipients a second and in 24 hours, -1 for as many as one likes; absent until SES has said it once."""

    max_send_rate: float | None
    max_24_hour_send: float | None
    sent_last_24_hours: float | None
    looked_at: Moment | None
    holds: list[HoldView]
    reputation: ReputationView


class AccountResource:
    """Its operations."""

    def __init__(self, *, desk: Desk, counters: Counters, clock: Clock) -> None:
        self._desk = desk
        self._counters = counters
        self._clock = clock

    def operations(self) -> Sequence[Operation]:
        return (
            Operation(
                group="Account",
                method="GET",
                path="/Account",
                does=self.get,
                scope=Scope.ACCOUNT,
                summary="What may be sent, what is held back, and how mail was received",
                result=AccountView,
            ),
        )

    async def get(self, call: Call) -> Answer:
        """The rate and the quota are of the whole account, which other logins use as well."""
        status = await self._desk.status_of(call.credential.name, now=self._clock())
        account = status.account
        view = AccountView(
            max_send_rate=account.rate if account else None,
            max_24_hour_send=account.quota if account else None,
            sent_last_24_hours=account.sent if account else None,
            looked_at=account.at if account else None,
            holds=[hold_view(hold) for hold in status.holds],
            reputation=await self._reputation(call.credential.name),
        )
        return Answer(result=view, description=FOUND)

    async def _reputation(self, login: str) -> ReputationView:
        now = self._clock()
        figures = (await self._counters.sums(Wanted(since=now - _DAYS * DAY, until=now, credential=login))).get("")
        return ReputationView(
            days=_DAYS,
            sent=figures.of(SENT) if figures else 0,
            hard_bounces=figures.of(HARD_BOUNCE) if figures else 0,
            complaints=figures.of(COMPLAINED) if figures else 0,
            bounce_rate=figures.bounce_rate if figures else None,
            complaint_rate=figures.complaint_rate if figures else None,
        )


def hold_view(hold: HoldRecord) -> HoldView:
    """As it is shown."""
    return HoldView(
        scope=hold.scope.value, subject=hold.subject, holder=hold.holder.value, reason=hold.reason, since=hold.since
    )
