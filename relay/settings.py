"""What Config holds: every setting with its default, in sections."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from relay.bounces import BounceClass, BounceRules, Threshold
from relay.reputation import ReputationRules, Thresholds
from relay.webhooks.webhook import Proof, Webhook

POSTGRES, SQLITE = ("postgresql://", "postgres://"), "sqlite:"

_SIMULATOR = "success@simulator.amazonses.com"  # SES developer guide, "Using the mailbox simulator"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig:
    """Where everything is kept."""

    url: str = field(default="", repr=False)  # it may have a password
    direct_url: str = field(default="", repr=False)
    path: Path = Path("/var/lib/relay/relay.db")

    @property
    def is_postgres(self) -> bool:
        return self.url.startswith(POSTGRES)

    @property
    def where(self) -> str:
        """For people: without a password."""
        return re.sub(r"(//[^/@]*):[^/@]*@", r"\1@", self.url) if self.is_postgres else str(self.path)

    @property
    def spool(self) -> Path:
        return self.path.parent / "spool"

    @property
    def lost(self) -> Path:
        return self.spool / "lost"

    @property
    def lock(self) -> Path:
        return self.path.parent / "relay.lock"

    @property
    def control(self) -> Path:
        return self.path.parent / "control.sock"

    @property
    def ballast(self) -> Path:
        return self.path.parent / "relay.ballast"


class Role(StrEnum):
    """What a node does."""

    SMTP = "smtp"  # takes mail in
    DISPATCH = "dispatch"  # sends it
    WEB = "web"  # shows pages to readers of mail, and answers the HTTP API
    FEEDBACK = "feedback"  # hears what SES says of it
    UPKEEP = "upkeep"  # does the chores of all, when it is its turn


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """One of several relays on a PostgreSQL database. The name is for people; without one it is the machine's."""

    name: str = ""
    roles: tuple[str, ...] = tuple(Role)

    def does(self, *roles: Role) -> bool:
        """Whether it has any of these."""
        return any(role in self.roles for role in roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfig:
    """How much may wait before clients get 452. Ages and octets of 0 are off."""

    max_messages: int = 1_000_000
    max_octets: int = 50 * 1024 * 1024 * 1024
    max_age_seconds: int = 2 * 86400
    min_free_octets: int = 512 * 1024 * 1024
    ballast_octets: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpConfig:
    """The SMTP door. An empty listener is off."""

    hostname: str = "localhost"
    submission: str = "0.0.0.0:587"
    submissions: str = "0.0.0.0:465"
    certificate: Path = Path("/etc/relay/tls/cert.pem")
    key: Path = Path("/etc/relay/tls/key.pem")
    further_certificates: tuple[str, ...] = ()
    further_keys: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    trusted: str = ""
    trusted_networks: tuple[str, ...] = ()
    trusted_credential: str = ""
    max_size: int = 10 * 1024 * 1024
    max_octets_in_flight: int = 256 * 1024 * 1024
    handshake_seconds: int = 10
    login_seconds: int = 60
    line_seconds: int = 30
    timeout_seconds: int = 300
    session_seconds: int = 3600
    min_data_rate: int = 500
    max_connections: int = 2500
    max_connections_per_client: int = 250
    max_messages_per_connection: int = 10000
    max_recipients: int = 1000
    soft_errors: int = 10
    error_seconds: int = 1
    max_errors: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginsConfig:
    """What logins may do, whatever the door."""

    messages_per_minute: int = 60_000
    messages_per_day: int = 1_000_000
    failures_per_connection: int = 3
    failures_per_address: int = 20
    failures_per_name: int = 50
    failure_seconds: int = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyConfig:
    """What may pass. Rules that are observed refuse nothing."""

    observed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaypenConfig:
    """Where all mail goes instead of to its recipients."""

    recipient: str = ""

    @property
    def address(self) -> str:
        """Empty where it goes to its recipients."""
        return _SIMULATOR if self.recipient == "simulator" else self.recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class SesConfig:
    """The way out. Credentials come from the AWS chain and have no key here."""

    region: str = "us-east-1"
    profile: str = ""
    configuration_set: str = ""
    endpoint: str = ""
    connections: int = 50
    connect_timeout_seconds: int = 5
    read_timeout_seconds: int = 60
    identities_seconds: int = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryConfig:
    """How long and how often."""

    delays_seconds: tuple[int, ...] = (60, 120, 300, 600, 1200, 2400, 3600)
    lifetime_seconds: int = 3 * 86400
    max_hold_seconds: int = 14 * 86400
    in_doubt_seconds: int = 900
    doubt: str = "resend"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionConfig:
    """How long what is over is kept; 0 is for ever. Facts stay as long as their content does."""

    bodies_days: int = 3
    web_versions_days: int = 90
    notifications_days: int = 30
    facts_days: int = 400
    links_days: int = 0
    history_days: int = 0
    audit_days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BouncesConfig:
    """What bounces mean for an address. A count of 0 is never reached."""

    soft_count: int = 5
    soft_days: int = 30
    mailbox_full_count: int = 5
    mailbox_full_days: int = 30
    trust_diagnostics: bool = False
    trust_predictions: bool = False

    @property
    def rules(self) -> BounceRules:
        return BounceRules(
            thresholds={
                BounceClass.SOFT: Threshold(self.soft_count, self.soft_days),
                BounceClass.MAILBOX_FULL: Threshold(self.mailbox_full_count, self.mailbox_full_days),
            },
            trusts_diagnostics=self.trust_diagnostics,
            trusts_predictions=self.trust_predictions,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionConfig:
    """The suppression list beside SES's own. Minutes of 0 are off."""

    sync_minutes: int = 0
    push: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackConfig:
    """The way back."""

    topics: tuple[str, ...] = ()
    signature_versions: tuple[str, ...] = ("1", "2")
    queues: tuple[str, ...] = ()
    raw_queues: bool = False
    webhook_path: str = "/sns"
    webhook_user: str = ""
    webhook_password: str = field(default="", repr=False)
    raw_webhook: bool = False
    sns_endpoint: str = ""
    pinned_certificate: str = ""
    alarm_after_sent: int = 100
    alarm_after_minutes: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ReputationConfig:
    """From which rates on an alarm rings. Thresholds are of 10,000 sent, and 0 is never reached."""

    volume: int = 1000
    review_bounces: int = 500
    pause_bounces: int = 1000
    review_complaints: int = 10
    pause_complaints: int = 50
    pause_bulk: bool = False

    @property
    def rules(self) -> ReputationRules:
        return ReputationRules(
            volume=self.volume,
            bounces=Thresholds(self.review_bounces, self.pause_bounces),
            complaints=Thresholds(self.review_complaints, self.pause_complaints),
            pauses=self.pause_bulk,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbacksConfig:
    """The HTTP listener the Internet may reach. Without a certificate it speaks plain HTTP, for a proxy in front of it."""

    listen: str = "0.0.0.0:8080"
    public_url: str = ""
    certificate: str = ""
    key: str = ""
    proxies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PagesConfig:
    """What readers of mail see where its links lead."""

    company: str = ""
    logo: str = ""
    colour: str = ""
    background: str = ""
    language: str = ""
    texts: str = ""
    unsubscribe_mailbox: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsConfig:
    """Keys of the relay's own: NUMBER:BASE64 each."""

    keys: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiConfig:
    """The HTTP API. Without a certificate it speaks plain HTTP, to this machine alone or to a proxy in front of it."""

    listen: str = "127.0.0.1:8081"
    certificate: str = ""
    key: str = ""
    proxies: tuple[str, ...] = ()
    max_body: int = 16 * 1024 * 1024
    calls_per_minute: int = 6000


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhooksConfig:
    """How others are told what becomes of mail. What fails for `give_up_days` is not tried any more."""

    connections: int = 10
    timeout_seconds: int = 15
    delays_seconds: tuple[int, ...] = (5, 30, 120, 600, 1800, 3600)
    give_up_days: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmsConfig:
    """Who is told what is wrong, beside journal and metrics, and from when on it is. Hours, days and ages of 0 are off."""

    webhook: str = field(default="", repr=False)  # a chat's has a password in its path
    webhook_secret: str = field(default="", repr=False)
    webhook_private: bool = False
    mail_to: tuple[str, ...] = ()
    mail_from: str = ""
    after_seconds: int = 60
    repeat_hours: int = 24
    queue_age_seconds: int = 900
    certificate_days: int = 14

    @property
    def receiver(self) -> Webhook | None:
        """As webhooks are described; None where there is none."""
        proof = Proof.STANDARD if self.webhook_secret else Proof.NONE
        return Webhook(name="alarms", url=self.webhook, proof=proof, is_private=self.webhook_private) if self.webhook else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateConfig:
    """The HTTP listener for those who run the relay: metrics, and the console. Empty is off. As with the API."""

    listen: str = "127.0.0.1:8082"
    console: bool = True
    certificate: str = ""
    key: str = ""
    proxies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """The journal, on standard error."""

    addresses: bool = True
    client_addresses: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings of one relay."""

    store: StoreConfig = field(default_factory=StoreConfig)
    node: NodeConfig = field(default_factory=NodeConfig)
    queue: QueueConfig = field(default_factory=QueueConfig)
    smtp: SmtpConfig = field(default_factory=SmtpConfig)
    logins: LoginsConfig = field(default_factory=LoginsConfig)
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    playpen: PlaypenConfig = field(default_factory=PlaypenConfig)
    ses: SesConfig = field(default_factory=SesConfig)
    retry: RetryConfig = field(default_factory=RetryConfig)
    retention: RetentionConfig = field(default_factory=RetentionConfig)
    bounces: BouncesConfig = field(default_factory=BouncesConfig)
    suppression: SuppressionConfig = field(default_factory=SuppressionConfig)
    feedback: FeedbackConfig = field(default_factory=FeedbackConfig)
    reputation: ReputationConfig = field(default_factory=ReputationConfig)
    callbacks: CallbacksConfig = field(default_factory=CallbacksConfig)
    pages: PagesConfig = field(default_factory=PagesConfig)
    secrets: SecretsConfig = field(default_factory=SecretsConfig)
    api: ApiConfig = field(default_factory=ApiConfig)
    webhooks: WebhooksConfig = field(default_factory=WebhooksConfig)
    alarms: AlarmsConfig = field(default_factory=AlarmsConfig)
    private: PrivateConfig = field(default_factory=PrivateConfig)
    log: LogConfig = field(default_factory=LogConfig)
    file: str = field(default="(defaults)", metadata={"section": False})
    worker: int = field(default=0, metadata={"section": False})  # its number, where several processes share the ports
    failpoint: str = field(default="", metadata={"section": False})  # for tests, and from the environment alone

    @property
    def webhook(self) -> str:
        """Where SNS posts to, without credentials; empty where nothing says how the Internet reaches the relay."""
        return self.webhook_at(self.callbacks.public_url)

    def webhook_at(self, public_url: str) -> str:
        """The same for another public URL."""
        return f"{public_url.rstrip('/')}{self.feedback.webhook_path}" if public_url else ""
