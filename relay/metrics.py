"""Counters and gauges, for whoever watches. Importable by all, imports nothing of ours."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each counter, of which nobody asks anything
registry = CollectorRegistry()

build = Gauge("relay_build_info", "1, for the release that runs", ["version"], registry=registry)
accepted = Counter("relay_messages_accepted", "Messages that were told 250, by how they came", ["protocol"], registry=registry)
refusals = Counter("relay_refusals", "Messages, or steps towards one, that were refused", ["rule", "class"], registry=registry)
intake_seconds = Histogram(
    "relay_intake_seconds",
    "From the last octet of a message to its answer: judged and stored, or refused",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=registry,
)
ses_calls = Counter("relay_ses_calls", "Calls to SES that take mail, by what came of them", ["outcome"], registry=registry)
ses_call_seconds = Histogram(
    "relay_ses_call_seconds",
    "How long such a call took",
    buckets=(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=registry,
)
events = Counter("relay_events", "Facts that SES reported, each once", ["type"], registry=registry)
sns_posts = Counter("relay_sns_posts", "Posts to the webhook of SNS, by what they were answered", ["status"], registry=registry)
api_requests = Counter("relay_api_requests", "Calls of the HTTP doors for programs", ["door", "class"], registry=registry)

certificate_ends = Gauge(
    "relay_certificate_ends_timestamp_seconds",
    "When a certificate that is served ends, in seconds since the epoch",
    ["section", "name"],
    registry=registry,
)
identities_synced = Gauge(
    "relay_identities_synced_timestamp_seconds",
    "When SES said last what it has verified, in seconds since the epoch; 0 before the first time",
    registry=registry,
)
identities = Gauge("relay_identities", "Addresses and domains at SES", ["state"], registry=registry)
smtp_connections = Gauge("relay_smtp_connections", "Open SMTP connections, half handshakes included", registry=registry)
observed_refusals = Counter(
    "relay_observed_refusals",
    "Accepted messages that a rule would have refused, were it not only observed",
    ["rule"],
    registry=registry,
)
queue_messages = Gauge("relay_queue_messages", "Deliveries that are not over", registry=registry)
queue_octets = Gauge("relay_queue_octets", "Octets of messages that wait to be sent", registry=registry)
queue_oldest = Gauge(
    "relay_queue_oldest_seconds", "How long the oldest message waits that could be sent and was never tried", registry=registry
)
queue_refusals = Counter("relay_queue_refusals", "Refusals for want of room in the queue or on the disk", registry=registry)
queue_readable = Gauge(
    "relay_feedback_queue_readable", "Whether a queue of events could be read last", ["queue"], registry=registry
)
queue_depth = Gauge(
    "relay_feedback_queue_messages", "About how many messages wait in a queue of events", ["queue"], registry=registry
)
dead_letters = Gauge("relay_feedback_dead_letters", "About how many messages the queue gave up", ["queue"], registry=registry)
quarantined = Counter("relay_feedback_quarantined", "Messages of a queue that could not be used", ["queue"], registry=registry)
reputation_rate = Gauge(
    "relay_reputation_rate",
    "Hard bounces and complaints as a share of what was sent: the worst of the last day and the last week",
    ["measure", "scope", "name"],
    registry=registry,
)
reputation_level = Gauge(
    "relay_reputation_level",
    "How bad that is: 0 fine, 1 SES reviews the account, 2 SES may pause it",
    ["measure", "scope", "name"],
    registry=registry,
)
feedback_silent = Gauge("relay_feedback_silent", "1 while mail goes out and no events come back", registry=registry)
account_healthy = Gauge("relay_account_healthy", "1 while SES enforces nothing against the account", registry=registry)
account_sending = Gauge("relay_account_sending_enabled", "1 while SES lets the account send", registry=registry)
webhook_requests = Counter("relay_webhook_requests", "Requests to webhooks", ["webhook", "outcome"], registry=registry)
webhook_waiting = Gauge("relay_webhook_waiting", "What a webhook is still to be told", ["webhook"], registry=registry)
webhook_disabled = Gauge("relay_webhook_disabled", "1 for a webhook that was given up", ["webhook"], registry=registry)
alarm = Gauge("relay_alarm", "How many alarms of a kind stand, as this node sees it", ["alarm"], registry=registry)
disk_free = Gauge("relay_disk_free_octets", "Octets that are free on the disk of the store", registry=registry)
