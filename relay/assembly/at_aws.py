"""What asks AWS for anything but to send."""

from __future__ import annotations

import time
from typing import Any

import boto3

from relay.aws import clients, credentials
from relay.aws.asking import Aws
from relay.aws.identities import BotoIdentities
from relay.aws.suppressed import BotoAccountList
from relay.config_rules import is_loopback
from relay.errors import ConfigError
from relay.list_sync import SuppressionSync
from relay.senders import IdentitySync
from relay.settings import Config
from relay.store.sql.store import SqlStore


def session(config: Config) -> boto3.Session:
    """Raises ConfigError for a profile that is not there."""
    try:
        return credentials.session(profile=config.ses.profile, region=config.ses.region)
    except Exception as error:  # botocore raises its own kinds
        raise ConfigError(config.file, "ses.profile", str(error)) from error


def sesv2(config: Config, session: boto3.Session) -> Any:
    """The client for all of SES but sending."""
    return clients.client(session, "sesv2", config.ses.endpoint)


def asking(config: Config, session: boto3.Session) -> Aws:
    """For the verbs that look at AWS as a whole. Where SNS is on loopback, as in the sandbox, nothing real is asked."""
    endpoints = {"sesv2": config.ses.endpoint, "sns": config.feedback.sns_endpoint}
    elsewhere = config.feedback.sns_endpoint if is_loopback(config.feedback.sns_endpoint) else ""
    return Aws(lambda service: clients.client(session, service, endpoints.get(service, elsewhere)))


async def identity_sync(store: SqlStore, client: Any) -> IdentitySync:
    """What SES has verified, as far as it is known. Raises StoreUnavailable."""
    sync = IdentitySync(ses=BotoIdentities(client, time.time), store=store.identities, clock=time.time)
    await sync.restore()
    return sync


def suppression_sync(config: Config, store: SqlStore, client: Any) -> SuppressionSync:
    """Our suppression list beside SES's own."""
    return SuppressionSync(
        ses=BotoAccountList(client),
        store=store.account_list,
        clock=time.time,
        pushes=config.suppression.push,
        compares=bool(config.suppression.sync_minutes),
    )
