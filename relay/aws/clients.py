"""boto3 clients for all calls but sending. Their endpoints follow configuration, then environment."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config as BotoConfig

# Retries are ours, and slow calls must not pile up: one attempt, short time-outs.
_BOTO = BotoConfig(
    retries={"total_max_attempts": 1, "mode": "standard"}, connect_timeout=5, read_timeout=5, max_pool_connections=4
)


# A long poll takes 20 seconds, and one queue has several readers.
_POLLING = _BOTO.merge(BotoConfig(read_timeout=30, max_pool_connections=32))


def client(session: boto3.Session, service: str, endpoint: str) -> Any:
    """A client; an empty `endpoint` leaves AWS_ENDPOINT_URL_<SERVICE> and the region's own in force."""
    return session.client(service, config=_BOTO, endpoint_url=endpoint or None)


def polling_client(session: boto3.Session, service: str, *, endpoint: str, region: str) -> Any:
    """One that waits for answers that take their time."""
    return session.client(service, config=_POLLING, endpoint_url=endpoint, region_name=region)
