"""The verbs of the way back at AWS: make it, look at it, and the rights that this needs."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

import click

from relay import provisioning
from relay.assembly import setting_up
from relay.assembly.setting_up import AwsSettingUp
from relay.cli.access import on_config
from relay.cli.terminal import Failure, line
from relay.errors import AwsRefused, NoWebhook, RightMissing
from relay.provisioning import Resource, Setup, Step, Transport, Wishes
from relay.rights import Role, policy
from relay.settings import Config

T = TypeVar("T")

_SHOWN = 100  # characters of a value
_NAMED = 5  # identities
_TRANSPORTS = click.Choice([str(each) for each in Transport])


@click.group()
def aws() -> None:
    """The way of SES's events to the relay: configuration set, topic, subscription."""


def _options(verb: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--no-tracking", is_flag=True, help="No Open and Click events: for them SES changes the mail."),
        click.option("--public-url", help="Instead of callbacks.public_url."),
        click.option("--transport", type=_TRANSPORTS, default=str(Transport.HTTPS), show_default=True),
    ):
        verb = option(verb)
    return verb


@aws.command("setup")
@_options
@click.option("--dry-run", is_flag=True, help="Show the plan and the rights of the relay, and change nothing.")
@click.option("--wait", "patience", type=click.IntRange(0), default=60, show_default=True, help="Seconds to be confirmed.")
@on_config
async def aws_setup(config: Config, *, dry_run: bool, patience: int, **said: Any) -> None:
    """Make what is missing, mend what differs, leave the rest. It may be run again at any time."""
    work = await _begun(config, **said)
    steps = await _answered(work.steps())
    for step in steps:
        if not dry_run:
            await _answered(work.take(step))
        _tell(step, _FUTURE if dry_run else _PAST)
    if not steps:
        line("Nothing to do: all is as it should be.")
    if dry_run:
        click.echo("\nThe rights of the relay, as an IAM policy:\n")
        _print_policy(Role.RELAY, work.setup)
        return
    is_confirmed = await _confirmed(work, patience)
    await _tell_settings(config, work)
    sys.exit(0 if is_confirmed else 1)


@aws.command("status")
@_options
@on_config
async def aws_status(config: Config, **said: Any) -> None:
    """What there is, and what `setup` would change; exit 1 if it would change something."""
    work = await _begun(config, **said)
    differing = {step.resource.part: step for step in await _answered(work.steps())}
    for resource in provisioning.wanted(work.setup):
        if step := differing.get(resource.part):
            _tell(step, _PRESENT)
        else:
            line(f"{resource.part} {resource.name}: as it should be")
    sys.exit(1 if differing else 0)


@aws.command("policy")
@_options
@click.option("--for", "role", type=click.Choice([str(each) for each in Role]), default=str(Role.RELAY), show_default=True)
@on_config
async def aws_policy(config: Config, *, role: str, **said: Any) -> None:
    """The least-privilege IAM policy of the relay, of `relay doctor` or of `relay aws setup`."""
    setup = await _answered(setting_up.planned(config, _wishes(**said)))
    if setup.account == setting_up.UNKNOWN:
        line(f"relay: no credentials of AWS: {setting_up.UNKNOWN} stands where the number of your account must", err=True)
    _print_policy(Role(role), setup)


async def _begun(config: Config, **said: Any) -> AwsSettingUp:
    """What is wanted, in the account that the credentials are of."""
    work = await _answered(setting_up.begun(config, _wishes(**said)))
    line(f"Account {work.setup.account} in {work.setup.region}, as {work.caller}")
    _tell_senders(await _answered(work.senders()))
    return work


def _wishes(*, transport: str, public_url: str | None, no_tracking: bool) -> Wishes:
    return Wishes(transport=Transport(transport), public_url=public_url or "", tracks=not no_tracking)


def _tell_senders(names: Sequence[str]) -> None:
    if not names:
        line("No address and no domain is verified yet, so nothing can be sent: the console of SES has what DNS needs.")
        return
    line(f"May send from {', '.join(names[:_NAMED])}" + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""))


async def _confirmed(work: AwsSettingUp, patience: int) -> bool:
    """Waits for the relay to confirm. It takes posts only of the topics in its settings."""
    looks = patience if work.is_known else 0
    for look in range(looks + 1):
        if await _answered(work.is_confirmed()):
            line("The subscription is confirmed.")
            return True
        if not look and looks:
            line(f"Waiting for the relay at {work.setup.endpoint} to confirm the subscription ...")
        await asyncio.sleep(look < looks)
    why = "does the relay run, and does SNS reach it?" if looks else "the relay must know the topic first."
    line(f"The subscription is not confirmed: {why} Then run this again.")
    return False


async def _tell_settings(config: Config, work: AwsSettingUp) -> None:
    """What the settings still lack, ready to be put there."""
    if lines := await _answered(work.lacking()):
        click.echo(f"\nThis must stand in the settings ({config.file}):\n")
        click.echo("\n".join(lines))


_FUTURE = ("would be made", "would be changed")
_PAST = ("made", "changed")
_PRESENT = ("is missing", "differs")


def _tell(step: Step, words: tuple[str, str]) -> None:
    line(f"{step.resource.part} {step.resource.name}: {words[0] if step.is_new else words[1]}")
    for told in _told(step.resource, step):
        line(f"    {told}")


def _told(resource: Resource, step: Step) -> Iterable[str]:
    for change in step.changes:
        was = "" if step.is_new else f"{_short(change.was) or 'nothing'} -> "
        yield f"{change.key}: {was}{_short(change.becomes)}"


def _short(value: str) -> str:
    return value if len(value) <= _SHOWN else value[: _SHOWN - 3] + "..."


def _print_policy(role: Role, setup: Setup) -> None:
    click.echo(json.dumps(policy(role, setup), indent=2))


async def _answered(asked: Awaitable[T]) -> T:
    try:
        return await asked
    except RightMissing as error:
        why = f"the right {error.right} is missing (`relay aws policy --for setup` has all that are needed): {error}"
        raise Failure(why) from error
    except (AwsRefused, NoWebhook) as error:
        raise Failure(str(error)) from error
