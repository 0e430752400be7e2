"""The set-up of the way back at AWS: what the settings and somebody's wishes make of it, and the steps to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from botocore.exceptions import NoCredentialsError

from relay import config_rules, provisioning
from relay.assembly import at_aws
from relay.aws.asking import Aws
from relay.aws.identities import listed
from relay.aws.provision import Provisioner
from relay.errors import AwsRefused, NoWebhook
from relay.identities import why_not
from relay.provisioning import EVENT_TYPES, TRACKING, Setup, Step, Transport, Wishes
from relay.settings import Config

UNKNOWN = "ACCOUNT"  # stands for the number where there are no credentials
_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}


class AwsSettingUp:
    """Implements ports.SettingUp."""

    def __init__(self, config: Config, asking: Aws, setup: Setup, caller: str) -> None:
        self._config = config
        self._asking = asking
        self._provisioner = Provisioner(asking, setup)
        self.setup = setup
        self.caller = caller

    @property
    def is_known(self) -> bool:
        return self.setup.topic_arn in self._config.feedback.topics

    async def senders(self) -> tuple[str, ...]:
        answer = await self._asking.ask("sesv2", "list_email_identities", PageSize=1000)
        return tuple(sorted(each.name for each in map(listed, answer.get("EmailIdentities", [])) if not why_not(each)))

    async def steps(self) -> tuple[Step, ...]:
        return provisioning.steps(provisioning.wanted(self.setup), await self._provisioner.found())

    async def take(self, step: Step) -> None:
        await self._provisioner.take(step)

    async def is_confirmed(self) -> bool:
        return await self._provisioner.is_confirmed()

    async def lacking(self) -> tuple[str, ...]:
        config, setup = self._config, self.setup
        lines = []
        if config.ses.configuration_set != setup.configuration_set:
            lines += ["[ses]", f'region = "{setup.region}"', f'configuration_set = "{setup.configuration_set}"']
        feedback: dict[str, Sequence[str]] = {}
        if not self.is_known:
            feedback["topics"] = [*config.feedback.topics, setup.topic_arn]
        if setup.transport is Transport.SQS and (queue := await self._provisioner.queue_url()) not in config.feedback.queues:
            feedback["queues"] = [queue]
        return (*lines, *_section("feedback", feedback))


def _section(name: str, values: Mapping[str, Sequence[str]]) -> Sequence[str]:
    return [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())] if values else []


async def begun(config: Config, wishes: Wishes) -> AwsSettingUp:
    """Names come from the settings where they have them. Raises AwsRefused, NoWebhook, or ConfigError for a profile that is not
    there.
    """
    asking = at_aws.asking(config, at_aws.session(config))
    caller = await asking.ask("sts", "get_caller_identity")
    return AwsSettingUp(config, asking, _setup(config, wishes, caller["Arn"]), caller["Arn"])


async def planned(config: Config, wishes: Wishes) -> Setup:
    """The same, with nothing to be done about it: without credentials the account is called ACCOUNT. Raises as `begun` does."""
    try:
        return (await begun(config, wishes)).setup
    except AwsRefused as error:
        if error.code != NoCredentialsError.__name__:
            raise
    return _setup(config, wishes, f"arn:{_partition(config.ses.region)}:iam::{UNKNOWN}:root")


def _partition(region: str) -> str:
    return next((found for beginning, found in _PARTITIONS.items() if region.startswith(beginning)), "aws")


def _setup(config: Config, wishes: Wishes, caller: str) -> Setup:
    """In the account that the ARN of the caller is of. Raises NoWebhook."""
    feedback = config.feedback
    webhook = _webhook(config, wishes.public_url or config.callbacks.public_url) if wishes.transport is Transport.HTTPS else ""
    configuration_set = config.ses.configuration_set or "relay"
    named = [topic.rpartition(":")[2] for topic in feedback.topics]
    return Setup(
        partition=caller.split(":")[1],
        region=config.ses.region,
        account=caller.split(":")[4],
        configuration_set=configuration_set,
        topic=named[0] if len(named) == 1 else f"{configuration_set}-events",
        transport=wishes.transport,
        webhook=webhook,
        login=(feedback.webhook_user, feedback.webhook_password) if webhook and feedback.webhook_password else None,
        event_types=tuple(each for each in EVENT_TYPES if wishes.tracks or each not in TRACKING),
        suppresses=config.suppression.push,
        verifies=bool(config.api.listen or (config.private.listen and config.private.console)),
    )


def _webhook(config: Config, public_url: str) -> str:
    """Raises NoWebhook."""
    if not public_url:
        raise NoWebhook("callbacks.public_url is not set: say how the Internet reaches the relay, or take the transport sqs")
    if not (public_url.startswith("https://") or config_rules.is_loopback(public_url)):
        raise NoWebhook(f"{public_url}: SNS's posts come over https")
    return config.webhook_at(public_url)
