"""What most parts stand on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from relay import tokens
from relay.admin import Admin
from relay.credential import Credential
from relay.errors import ConfigError
from relay.lifecycle import Patience
from relay.links import PURPOSE, Linker
from relay.listening import Listening
from relay.membership import Membership
from relay.ports.bodies import KeptBodies
from relay.ports.ses import Allowance
from relay.refusals import Refusals
from relay.settings import Config
from relay.steady import SteadyClock
from relay.store.sql.store import SqlStore
from relay.web.callbacks.texts import Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What most parts stand on. `wake` is set where something may have become due. Without a
    `linker` there are no links in mail.
    """

    config: Config
    store: SqlStore
    bodies: KeptBodies
    clock: SteadyClock
    listening: Listening
    refusals: Refusals
    linker: Linker | None
    wake: asyncio.Event
    allowance: Allowance
    membership: Membership

    def admin(self, *, tell: Callable[[Credential], None]) -> Admin:
        """What the control socket and the API change is changed by the same verbs. `tell` hears of changed logins."""
        return Admin(
            suppressions=self.store.suppressions,
            imports=self.store.imports,
            credentials=self.store.credentials,
            access_keys=self.store.access_keys,
            desk=self.store.desk,
            feedback=self.store.feedback,
            operators=self.store.operators,
            webhooks=self.store.webhooks,
            alarms=self.store.alarms,
            rules=self.config.bounces.rules,
            clock=self.clock,
            tell=tell,
            wake=self.wake.set,
            playpen=self.config.playpen.address,
        )


def linker(config: Config) -> Linker | None:
    """None where there are no links in mail: without a key, or without an address that the Internet reaches.

    Raises ConfigError as below.
    """
    keys, url = tokens.derived(config.secrets.keys, PURPOSE), config.callbacks.public_url
    footer, mailbox = texts(config).footer, config.pages.unsubscribe_mailbox
    return Linker(url, keys, footer=footer, mailbox=mailbox) if keys and url else None


def texts(config: Config) -> Texts:
    """What the pages and the footer of mail say. Raises ConfigError for texts that cannot be used."""
    pages = config.pages
    try:
        return Texts(Path(pages.texts) if pages.texts else None, pages.language)
    except (OSError, ValueError) as error:
        raise ConfigError(config.file, "pages.texts", str(error)) from error


def patience(config: Config) -> Patience:
    """The waits of the queue."""
    return Patience(
        delays=tuple(float(delay) for delay in config.retry.delays_seconds),
        lifetime=float(config.retry.lifetime_seconds),
        in_doubt=float(config.retry.in_doubt_seconds),
    )
