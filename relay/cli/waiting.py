"""`relay queue status`: what waits, and what stops it."""

from __future__ import annotations

import time

import click
from rich.table import Column, Table

from relay import documents
from relay.cli.access import on_store, reading
from relay.cli.terminal import add_row, lasting, show, when
from relay.holds import Holder, HoldRecord, place
from relay.model import Lane, State
from relay.queueing import FlowStatus, QueueStatus
from relay.rate import Account, DailyQuota
from relay.settings import StoreConfig


@click.command("status")
@click.option("--json", "for_scripts", is_flag=True, help="As one JSON document.")
@on_store
async def queue_status(where: StoreConfig, *, for_scripts: bool) -> None:
    """What waits, what stops it, and what the account may send."""
    now = time.time()
    async with reading(where) as store:
        status = await store.desk.status(now=now)
    if for_scripts:
        click.echo(documents.written(status))
        return
    click.echo(_summary(status, now))
    if status.flows:
        show(_flows(status.flows))
    if status.holds:
        show(_holds(status.holds, now))
    click.echo(_account(status.account, now))


def _summary(status: QueueStatus, now: float) -> str:
    if not status.flows:
        return "Nothing waits."
    counts = ", ".join(f"{status.states.get(state, 0)} {state.replace('_', ' ')}" for state in _SHOWN)
    return f"{counts}; the oldest for {lasting(now - status.oldest_at)}, since {when(status.oldest_at)}"


_SHOWN = (State.QUEUED, State.SENDING, State.IN_DOUBT)


def _flows(flows: tuple[FlowStatus, ...]) -> Table:
    numbers = (Column(name, justify="right") for name in ("waiting", "due", "octets"))
    table = Table("lane", "credential", "sender domain", "configuration set", *numbers)
    for each in flows:
        flow = each.flow
        own = flow.configuration_set or "(the relay's own)"
        add_row(table, flow.lane, flow.credential, flow.identity, own, str(each.open), str(each.due), str(each.octets))
    return table


def _holds(holds: tuple[HoldRecord, ...], now: float) -> Table:
    table = Table("held", "by", "reason", "since", "until")
    for hold in holds:
        add_row(table, place(hold.scope, hold.subject), hold.holder, hold.reason, when(hold.since), _until(hold, now))
    return table


def _until(hold: HoldRecord, now: float) -> str:
    if hold.holder is not Holder.SES:
        return "it is resumed"
    return f"a probe gets through, in {lasting(hold.until - now)}" if hold.until > now else "a probe gets through, now"


def _account(account: Account | None, now: float) -> str:
    if account is None:
        return "SES has not said yet what the account may send."
    quota = DailyQuota()
    quota.told(account)
    used = "no limit a day" if account.quota < 0 else f"{account.sent:.0f} of {account.quota:.0f} used in 24 hours"
    waits = next((words for lane, words in _USED_UP if quota.left(lane, now) < 1), "")
    return f"The account may send {account.rate:g} a second; {used}{waits} (SES, {when(account.at)})"


_USED_UP = ((Lane.TRANSACTIONAL, ": all mail waits"), (Lane.BULK, ": bulk mail waits"))
