"""The verbs of the queue: stop it and start it, and move what waits in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from relay.cli import arguments
from relay.cli.access import changing, find_credential, on_config, on_store, reading
from relay.cli.rescue import queue_accept_loss, queue_rescue
from relay.cli.terminal import Failure, when
from relay.cli.waiting import queue_status
from relay.holds import Holder, HoldRecord, place
from relay.lifecycle import NEVER, Cause
from relay.outcome import Hold, HoldScope
from relay.queueing import Selection, Tally
from relay.settings import Config, StoreConfig

_SUBJECTS = (
    click.option("--credential", HoldScope.CREDENTIAL.value, type=arguments.name, help="Only mail of this login."),
    click.option("--sender-domain", HoldScope.IDENTITY.value, type=arguments.domain, help="Only mail from this domain."),
    click.option(
        "--configuration-set", HoldScope.CONFIGURATION_SET.value, type=arguments.name, help="Only mail sent under this one."
    ),
)


@click.group()
def queue() -> None:
    """What waits to be sent: see it, stop it, start it, change it."""


queue.add_command(queue_status)
queue.add_command(queue_rescue)
queue.add_command(queue_accept_loss)


def _subject(verb: Callable[..., None]) -> Callable[..., None]:
    """Without any of these it is the whole account."""
    for option in reversed(_SUBJECTS):
        verb = option(verb)
    return verb


@queue.command("pause")
@_subject
@click.option("--bulk", is_flag=True, help="Of a login only its mail to many.")
@click.option("--reason", default="paused", show_default=True, help="Why, for whoever looks later.")
@on_config
async def queue_pause(config: Config, *, reason: str, bulk: bool, **subjects: str | None) -> None:
    """Send nothing until `resume`: of the whole account, or of what is named. Mail is still accepted."""
    if name := subjects["credential"]:
        await find_credential(config.store, name)
    async with changing(config.store) as admin:
        for scope, subject in _bulk(subjects) if bulk else _places(config, subjects):
            is_new = await admin.hold(Hold(scope, reason, NEVER, subject))
            click.echo(f"{place(scope, subject)}: {'paused' if is_new else 'was paused already'}")


@queue.command("resume")
@_subject
@on_config
async def queue_resume(config: Config, **subjects: str | None) -> None:
    """Lift what was paused, and what SES stopped there."""
    async with changing(config.store) as admin:
        for scope, subject in _places(config, subjects):
            lifted = await admin.lift(scope, subject)
            if scope is HoldScope.CREDENTIAL:
                lifted += await admin.lift(HoldScope.CREDENTIAL_BULK, subject)
            for said in map(_lifted, lifted) if lifted else ["was not held"]:
                click.echo(f"{place(scope, subject)}: {said}")


def _places(config: Config, subjects: dict[str, str | None]) -> list[tuple[HoldScope, str]]:
    """What is meant. The relay's own configuration set is held by no name, unless a sender named it."""
    given = [(HoldScope(scope), subject) for scope, subject in subjects.items() if subject]
    if len(given) > 1:
        raise Failure("name one: a credential, a sender domain or a configuration set")
    own = [(HoldScope.CONFIGURATION_SET, "")] if (HoldScope.CONFIGURATION_SET, config.ses.configuration_set) in given else []
    return [*own, *given] or [(HoldScope.ACCOUNT, "")]


def _bulk(subjects: dict[str, str | None]) -> list[tuple[HoldScope, str]]:
    name = subjects["credential"]
    if not name or any(subject for scope, subject in subjects.items() if scope != HoldScope.CREDENTIAL):
        raise Failure("--bulk is for a --credential")
    return [(HoldScope.CREDENTIAL_BULK, name)]


def _lifted(hold: HoldRecord) -> str:
    what = "its bulk mail " if hold.scope is HoldScope.CREDENTIAL_BULK else ""
    return f"resumed; {what}{_PUT[hold.holder]} since {when(hold.since)}: {hold.reason}"


_PUT = {
    Holder.SES: "stopped by SES",
    Holder.OPERATOR: "paused by the operator",
    Holder.RELAY: "paused by the relay",
    Holder.LOGIN: "paused by itself",
}


@dataclass(frozen=True, slots=True)
class _Verb:
    """What becomes of what is meant, and what that means where SES may have it already."""

    name: str
    cause: Cause
    help: str
    done: str
    doubt: str


_VERBS = (
    _Verb("retry", Cause.RETRIED, "Send what waits at once.", "due now", "may be sent twice"),
    _Verb("cancel", Cause.CANCELLED, "End what waits; it is not sent.", "cancelled", "may have been sent already"),
    _Verb("hold", Cause.HELD_BACK, "Hold back what waits, until `retry`.", "held back", "may have been sent already"),
)


def _selection(verb: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--all", "everything", is_flag=True, help="All that waits."),
        click.option("--older-than", type=arguments.duration, metavar="TIME", help="Accepted before that: 30m, 2h, 3d."),
        click.option("--recipient-domain", type=arguments.domain, help="To addresses of this domain."),
        click.option("--credential", type=arguments.name, help="Of this login."),
        click.argument("ids", metavar="[ID]...", nargs=-1),
    ):
        verb = option(verb)
    return verb


def _add_verb(verb: _Verb) -> None:
    @queue.command(verb.name, help=f"{verb.help} IDs are of messages, or of single deliveries; all that is said must fit.")
    @_selection
    @on_store
    async def command(where: StoreConfig, *, yes: bool, **said: Any) -> None:
        selection = _meant(**said)
        meant = await _count(where, verb.cause, selection)
        if not meant.deliveries:
            click.echo("Nothing that waits fits.")
            return
        if not yes:
            click.confirm(f"{_told(meant, 'waiting', verb)}. {verb.name.capitalize()}?", abort=True)
        async with changing(where) as admin:
            click.echo(_told(await admin.move(verb.cause, selection), verb.done, verb))


for _each in _VERBS:
    _add_verb(_each)


def _meant(
    ids: tuple[str, ...], credential: str | None, recipient_domain: str | None, older_than: float | None, everything: bool
) -> Selection:
    selection = Selection(
        ids=tuple(id.upper() for id in ids),
        credential=credential or "",
        recipient_domain=recipient_domain or "",
        accepted_before=0.0 if older_than is None else time.time() - older_than,
    )
    if everything == (selection != Selection()):
        raise Failure("say which: IDs, --credential, --recipient-domain, --older-than; or --all")
    return selection


async def _count(where: StoreConfig, cause: Cause, selection: Selection) -> Tally:
    """Raises Failure for an ID that nothing has."""
    async with reading(where) as store:
        for id in selection.ids:
            life = await store.messages.show(id)
            if life is None or id not in {life.message.id, *(each.id for each in life.deliveries)}:
                raise Failure(f"no message {id}")
        return await store.desk.count(cause, selection)


def _told(tally: Tally, what: str, verb: _Verb) -> str:
    number = "1 delivery" if tally.deliveries == 1 else f"{tally.deliveries} deliveries"
    return f"{number} {what}" + (f"; {tally.doubtful} of them {verb.doubt}" if tally.doubtful else "")
