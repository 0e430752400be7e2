"""The set-up of the way back at AWS, and the look at every hop of mail and its events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from relay.findings import Finding
from relay.provisioning import Setup, Step, Wishes


class SettingUp(Protocol):
    """What is wanted in the account that the credentials are of. All raise AwsRefused."""

    @property
    def setup(self) -> Setup: ...

    @property
    def caller(self) -> str:
        """The ARN of whoever asks."""

    @property
    def is_known(self) -> bool:
        """Whether the relay takes posts of the topic: only then it confirms the subscription."""

    async def senders(self) -> tuple[str, ...]:
        """Addresses and domains that may be sent from; of the first thousand."""

    async def steps(self) -> tuple[Step, ...]:
        """What has to be done; nothing where all is as it is wanted."""

    async def take(self, step: Step) -> None: ...

    async def is_confirmed(self) -> bool:
        """Whether the topic delivers to the relay."""

    async def lacking(self) -> tuple[str, ...]:
        """Lines that the settings still need, in TOML."""


Begin = Callable[[Wishes], Awaitable[SettingUp]]
"""Raises AwsRefused, NoWebhook where SNS could not reach the relay, or ConfigError."""

Examine = Callable[[], Awaitable[tuple[Finding, ...]]]
"""All that `relay doctor` looks at, without mail. It takes up to 40 seconds, and raises nothing."""
