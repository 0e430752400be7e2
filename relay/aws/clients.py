"""boto3 clients for the calls that are rare: account, subscriptions. Their endpoints follow configuration, then environment."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config as BotoConfig

# Retries are ours, and slow calls must not pile up: one attempt, short time-outs.
_BOTO = BotoConfig(
    retries={"total_max_attempts": 1, "mode": "standard"}, connect_timeout=5, read_timeout=5, max_pool_connections=4
)


def client(session: boto3.Session, service: str, endpoint: str) -> Any:
    """A client; an empty `endpoint` leaves AWS_ENDPOINT_URL_<SERVICE> and the region's own in force."""
    return session.client(service, config=_BOTO, endpoint_url=endpoint or None)
