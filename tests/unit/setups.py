"""What is wanted at AWS, both ways."""

from __future__ import annotations

from dataclasses import replace

from relay.provisioning import Setup, Transport

WEBHOOK = Setup(
    partition="aws",
    region="eu-west-1",
    account="123456789012",
    configuration_set="relay",
    topic="relay-events",
    transport=Transport.HTTPS,
    webhook="https://relay.example.com/sns",
)
QUEUE = replace(WEBHOOK, transport=Transport.SQS, webhook="")
