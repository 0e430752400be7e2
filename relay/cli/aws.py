"""The verbs of the way back at AWS: make it, look at it, and the rights that this needs."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import click

from relay import config_rules, provisioning
from relay.assembly import at_aws
from relay.aws.asking import Aws
from relay.aws.identities import listed
from relay.aws.provision import Provisioner
from relay.cli.access import on_config
from relay.cli.terminal import Failure, line
from relay.errors import AwsRefused, RightMissing
from relay.identities import why_not
from relay.provisioning import EVENT_TYPES, TRACKING, Resource, Setup, Step, Transport
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
    asking, setup = await _setup(config, **said)
    provisioner = Provisioner(asking, setup)
    steps = provisioning.steps(provisioning.wanted(setup), await _answered(provisioner.found()))
    for step in steps:
        if not dry_run:
            await _answered(provisioner.take(step))
        _tell(step, _FUTURE if dry_run else _PAST)
    if not steps:
        line("Nothing to do: all is as it should be.")
    if dry_run:
        click.echo("\nThe rights of the relay, as an IAM policy:\n")
        _print_policy(Role.RELAY, setup)
        return
    is_confirmed = await _confirmed(config, provisioner, setup, patience)
    await _tell_settings(config, provisioner, setup)
    sys.exit(0 if is_confirmed else 1)


@aws.command("status")
@_options
@on_config
async def aws_status(config: Config, **said: Any) -> None:
    """What there is, and what `setup` would change; exit 1 if it would change something."""
    asking, setup = await _setup(config, **said)
    found = await _answered(Provisioner(asking, setup).found())
    resources = provisioning.wanted(setup)
    differing = {step.resource.part: step for step in provisioning.steps(resources, found)}
    for resource in resources:
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
    _, setup = await _setup(config, **said, quietly=True)
    _print_policy(Role(role), setup)


async def _setup(
    config: Config, *, transport: str, public_url: str | None, no_tracking: bool, quietly: bool = False
) -> tuple[Aws, Setup]:
    """What is wanted, in the account that the credentials are of. Names come from the settings where they have them."""
    asking = at_aws.asking(config, at_aws.session(config))
    caller = await _answered(asking.ask("sts", "get_caller_identity"))
    feedback = config.feedback
    webhook = _webhook(config, public_url or config.callbacks.public_url) if transport == Transport.HTTPS else ""
    configuration_set = config.ses.configuration_set or "relay"
    named = [topic.rpartition(":")[2] for topic in feedback.topics]
    setup = Setup(
        partition=caller["Arn"].split(":")[1],
        region=config.ses.region,
        account=caller["Account"],
        configuration_set=configuration_set,
        topic=named[0] if len(named) == 1 else f"{configuration_set}-events",
        transport=Transport(transport),
        webhook=webhook,
        login=(feedback.webhook_user, feedback.webhook_password) if webhook and feedback.webhook_password else None,
        event_types=tuple(each for each in EVENT_TYPES if not (no_tracking and each in TRACKING)),
        suppresses=config.suppression.push,
        verifies=bool(config.api.listen),
    )
    if not quietly:
        line(f"Account {setup.account} in {setup.region}, as {caller['Arn']}")
        await _tell_identities(asking)
    return asking, setup


def _webhook(config: Config, public_url: str) -> str:
    """Raises Failure where SNS could not reach it."""
    if not public_url:
        raise Failure("callbacks.public_url is not set: say how the Internet reaches the relay, or take --transport sqs")
    if not (public_url.startswith("https://") or config_rules.is_loopback(public_url)):
        raise Failure(f"{public_url}: SNS's posts come over https")
    return config.webhook_at(public_url)


async def _tell_identities(asking: Aws) -> None:
    """Of the first thousand."""
    answer = await _answered(asking.ask("sesv2", "list_email_identities", PageSize=1000))
    names = sorted(each.name for each in map(listed, answer.get("EmailIdentities", [])) if not why_not(each))
    if not names:
        line("No address and no domain is verified yet, so nothing can be sent: the console of SES has what DNS needs.")
        return
    line(f"May send from {', '.join(names[:_NAMED])}" + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""))


async def _confirmed(config: Config, provisioner: Provisioner, setup: Setup, patience: int) -> bool:
    """Waits for the relay to confirm. It takes posts only of the topics in its settings."""
    looks = patience if setup.topic_arn in config.feedback.topics else 0
    for look in range(looks + 1):
        if await _answered(provisioner.is_confirmed()):
            line("The subscription is confirmed.")
            return True
        if not look and looks:
            line(f"Waiting for the relay at {setup.endpoint} to confirm the subscription ...")
        await asyncio.sleep(look < looks)
    why = "does the relay run, and does SNS reach it?" if looks else "the relay must know the topic first."
    line(f"The subscription is not confirmed: {why} Then run this again.")
    return False


async def _tell_settings(config: Config, provisioner: Provisioner, setup: Setup) -> None:
    """What the settings still lack, ready to be put there."""
    lines = []
    if config.ses.configuration_set != setup.configuration_set:
        lines += ["[ses]", f'region = "{setup.region}"', f'configuration_set = "{setup.configuration_set}"']
    feedback = {}
    if setup.topic_arn not in config.feedback.topics:
        feedback["topics"] = [*config.feedback.topics, setup.topic_arn]
    if setup.transport is Transport.SQS:
        feedback["queues"] = [await _answered(provisioner.queue_url())]
    lines += ["[feedback]", *(f"{key} = {json.dumps(values)}" for key, values in feedback.items())] if feedback else []
    if lines:
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
    except AwsRefused as error:
        raise Failure(str(error)) from error
