"""Counters and gauges, for whoever watches. Importable by all, imports nothing of ours."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

registry = CollectorRegistry()

certificate_ends = Gauge(
    "relay_certificate_ends_timestamp_seconds",
    "When a certificate that is served ends, in seconds since the epoch",
    ["section", "name"],
    registry=registry,
)
smtp_connections = Gauge("relay_smtp_connections", "Open SMTP connections, half handshakes included", registry=registry)
observed_refusals = Counter(
    "relay_observed_refusals",
    "Accepted messages that a rule would have refused, were it not only observed",
    ["rule"],
    registry=registry,
)
