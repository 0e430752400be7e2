"""What a configuration must be besides of the right types: numbers, names, addresses, and what goes together."""

from __future__ import annotations

import re
from dataclasses import fields
from ipaddress import ip_address, ip_network
from typing import get_type_hints
from urllib.parse import urlsplit

from relay import address as mail_address
from relay import failpoints, links, tokens
from relay.errors import ConfigError
from relay.judge import Rule
from relay.settings import POSTGRES, Config, Role
from relay.webhooks import rules as webhook_rules

_MAY_BE_ZERO = frozenset(
    f"{section}.{key}"
    for section, keys in {
        "ses": ["identities_seconds"],
        "queue": ["max_age_seconds", "min_free_octets", "ballast_octets"],
        "bounces": ["soft_count", "mailbox_full_count"],
        "reputation": ["review_bounces", "pause_bounces", "review_complaints", "pause_complaints"],
        "feedback": ["alarm_after_sent", "alarm_after_minutes"],
        "suppression": ["sync_minutes"],
        "alarms": ["repeat_hours", "queue_age_seconds", "certificate_days"],
        "retention": [
            f"{what}_days" for what in ("bodies", "web_versions", "notifications", "facts", "links", "history", "audit")
        ],
    }.items()
    for key in keys
)
_CENTURY = {"seconds": 36_525 * 86400, "minutes": 36_525 * 1440, "hours": 36_525 * 24, "days": 36_525}
_EXABYTE = 2**60
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)
_REGION = re.compile(r"[a-z0-9-]{3,40}")
_LISTENER = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})", re.ASCII)
_URL = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?(/[^\s?#@]*)?", re.ASCII)

_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)+", re.ASCII)
_SECRET_PATH = 32
_MAILBOX = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+", re.ASCII)

_LONGEST_PUBLIC_URL = 200  # a link has to fit into a line
_LONGEST_SOCKET = 107  # unix(7), and the 0 that ends it


def check(config: Config) -> None:
    """What types cannot say. Raises ConfigError."""
    if not _HOSTNAME.fullmatch(config.smtp.hostname):
        raise ConfigError(config.file, "smtp.hostname", "must be a host name: letters, digits, hyphens and dots")
    if not _REGION.fullmatch(config.ses.region):
        raise ConfigError(config.file, "ses.region", "must be the name of an AWS region, like us-east-1")
    _check_numbers(config)
    if not config.store.path.name or "\0" in str(config.store.path):
        raise ConfigError(config.file, "store.path", "must name a file, like /var/lib/relay/relay.db")
    if len(bytes(config.store.control)) > _LONGEST_SOCKET:
        why = f"the folder's path is too long: of {config.store.control}, a socket, it may be {_LONGEST_SOCKET} octets"
        raise ConfigError(config.file, "store.path", why)
    if config.queue.max_octets <= config.smtp.max_size:
        raise ConfigError(config.file, "queue.max_octets", "must be more than smtp.max_size")
    _check_store(config)
    _check_smtp(config)
    _check_secrets(config)
    _check_pages(config)
    for key, listener in (
        ("smtp.submission", config.smtp.submission),
        ("smtp.submissions", config.smtp.submissions),
        ("smtp.trusted", config.smtp.trusted),
        ("callbacks.listen", config.callbacks.listen),
        ("api.listen", config.api.listen),
        ("private.listen", config.private.listen),
    ):
        if listener:
            address(listener, config.file, key)
    if unknown := set(config.policy.observed) - set(Rule):
        raise ConfigError(config.file, "policy.observed", f"no rule {min(unknown)}: there are {', '.join(Rule)}")
    if config.retry.doubt not in ("resend", "hold"):
        raise ConfigError(config.file, "retry.doubt", 'must be "resend" or "hold"')
    _check_playpen(config)
    _check_api(config)
    _check_feedback(config)
    for key, endpoint in (("ses.endpoint", config.ses.endpoint), ("feedback.sns_endpoint", config.feedback.sns_endpoint)):
        if endpoint and not _is_url(endpoint):
            raise ConfigError(config.file, key, "must be a URL, like https://email.us-east-1.amazonaws.com")
    _check_alarms(config)
    _check_failpoint(config)


def _check_store(config: Config) -> None:
    """A wrong URL is not told: it may have a password in it."""
    store = config.store
    if store.url and not store.is_postgres:
        why = "must be like sqlite:/var/lib/relay/relay.db or postgresql://relay@db.example.com/relay"
        raise ConfigError(config.file, "store.url", why)
    if store.direct_url and not (store.is_postgres and store.direct_url.startswith(POSTGRES)):
        why = "is the way to the PostgreSQL of store.url that leads through no pooler: postgresql://relay@db.example.com/relay"
        raise ConfigError(config.file, "store.direct_url", why)
    if unknown := set(config.node.roles) - set(Role):
        raise ConfigError(config.file, "node.roles", f"no role {min(unknown)}: there are {', '.join(Role)}")
    if not config.node.roles or (set(config.node.roles) < set(Role) and not store.is_postgres):
        raise ConfigError(config.file, "node.roles", "a relay does everything, unless others share its PostgreSQL")


def _check_numbers(config: Config) -> None:
    """Every number is 1 or more, but for those that are turned off by 0, and none so large that no clock or disk has it."""
    for section in (f.name for f in fields(Config) if f.metadata.get("section", True)):
        part = getattr(config, section)
        for key, kind in get_type_hints(type(part)).items():
            if kind is int or kind == tuple[int, ...]:
                value = getattr(part, key)
                _check_number(config, f"{section}.{key}", (value,) if kind is int else value or (0,))


def _check_number(config: Config, name: str, numbers: tuple[int, ...]) -> None:
    least = 0 if name in _MAY_BE_ZERO else 1
    most = _CENTURY.get(name.rpartition("_")[2], _EXABYTE)
    if min(numbers) < least:
        raise ConfigError(config.file, name, f"must be {least} or more")
    if max(numbers) > most:
        raise ConfigError(config.file, name, f"must be {most} or less")


def _check_smtp(config: Config) -> None:
    smtp = config.smtp
    if len(smtp.further_certificates) != len(smtp.further_keys):
        raise ConfigError(config.file, "smtp.further_keys", "must be as many as smtp.further_certificates, in their order")
    all_blocks = {
        "smtp.proxies": smtp.proxies,
        "smtp.trusted_networks": smtp.trusted_networks,
        "callbacks.proxies": config.callbacks.proxies,
        "api.proxies": config.api.proxies,
        "private.proxies": config.private.proxies,
    }
    for key, blocks in all_blocks.items():
        for block in blocks:
            _check_network(block, config.file, key)
    if not smtp.trusted:
        return
    if not smtp.trusted_networks:
        raise ConfigError(config.file, "smtp.trusted_networks", "a listener without login needs the networks it is for")
    if not smtp.trusted_credential:
        raise ConfigError(config.file, "smtp.trusted_credential", "a listener without login needs a credential for its mail")


def _check_network(block: str, file: str, key: str) -> None:
    """No block may be so wide that it stands for the Internet."""
    try:
        network = ip_network(block)
    except ValueError as error:
        raise ConfigError(file, key, f"{block} is no CIDR block: {error}") from None
    if network.prefixlen < (8 if network.version == 4 else 32):
        raise ConfigError(file, key, f"{block} is too wide: /8 is the widest for IPv4, /32 for IPv6")


def _check_playpen(config: Config) -> None:
    recipient = config.playpen.recipient
    try:
        mail_address.parse(recipient.encode("utf-8") if recipient not in ("", "simulator") else b"a@example.com")
    except ValueError:
        raise ConfigError(config.file, "playpen.recipient", f'{recipient} is neither an address nor "simulator"') from None


def _check_api(config: Config) -> None:
    """Passwords go in the clear over plain HTTP: only from this machine, or from a proxy."""
    api, private = config.api, config.private
    for section, door, takes_passwords in (("api", api, True), ("private", private, private.console)):
        if bool(door.certificate) != bool(door.key):
            raise ConfigError(config.file, f"{section}.key", "certificate and key come together")
        is_plain = door.listen and not door.certificate
        if takes_passwords and is_plain and not door.proxies and not is_loopback(f"http://{door.listen}"):
            why = f"plain HTTP is for this machine, or for a proxy of {section}.proxies"
            remedy = f"set {section}.certificate and {section}.key"
            remedy += ", or private.console = false" if door is private else ""
            raise ConfigError(config.file, f"{section}.listen", f"{why}: {remedy}")


def _check_feedback(config: Config) -> None:
    for queue in config.feedback.queues:
        if not _is_url(queue) or len(urlsplit(queue).path.split("/")) < 3:
            why = f"{queue} is not the URL of a queue, like https://sqs.us-east-1.amazonaws.com/123456789012/relay-events"
            raise ConfigError(config.file, "feedback.queues", why)
    if len(set(config.feedback.queues)) < len(config.feedback.queues):
        raise ConfigError(config.file, "feedback.queues", "one of them is there twice")
    if config.feedback.raw_queues and not config.feedback.queues:
        raise ConfigError(config.file, "feedback.raw_queues", "there are no feedback.queues")
    for topic in config.feedback.topics:
        if len(topic.split(":")) != 6 or not topic.startswith("arn:"):
            raise ConfigError(config.file, "feedback.topics", f"{topic} is not the ARN of a topic")
    if not set(config.feedback.signature_versions) <= {"1", "2"} or not config.feedback.signature_versions:
        raise ConfigError(config.file, "feedback.signature_versions", 'must be some of "1" and "2"')
    public = config.callbacks.public_url
    if public and not (_is_url(public) and not public.endswith("/") and (public.startswith("https:") or is_loopback(public))):
        raise ConfigError(config.file, "callbacks.public_url", "must be a URL like https://relay.example.com")
    _check_webhook(config)
    if bool(config.callbacks.certificate) != bool(config.callbacks.key):
        raise ConfigError(config.file, "callbacks.key", "certificate and key come together")
    if config.feedback.pinned_certificate:
        # Whoever holds that key could suppress every address: only where nothing real is reached.
        _check_sandbox(config, config.file, "feedback.pinned_certificate")


def _check_webhook(config: Config) -> None:
    feedback = config.feedback
    if not _PATH.fullmatch(feedback.webhook_path) or feedback.webhook_path in ("/healthz", "/readyz"):
        raise ConfigError(
            config.file, "feedback.webhook_path", "must be a path of its own, like /sns: letters, digits, - _ . ~"
        )
    if bool(feedback.webhook_user) != bool(feedback.webhook_password):
        raise ConfigError(config.file, "feedback.webhook_password", "user and password come together")
    if ":" in feedback.webhook_user:
        raise ConfigError(config.file, "feedback.webhook_user", "may have no colon")
    if feedback.raw_webhook and not feedback.webhook_password and len(feedback.webhook_path) < _SECRET_PATH:
        why = f"needs a webhook_password, or a webhook_path of {_SECRET_PATH} characters or more"
        raise ConfigError(config.file, "feedback.raw_webhook", why)


def _check_secrets(config: Config) -> None:
    """A key that is wrong is not told: it may be right but for a letter."""
    try:
        keys = tokens.derived(config.secrets.keys, links.PURPOSE)
    except ValueError as error:
        raise ConfigError(config.file, "secrets.keys", str(error)) from None
    if keys and len(config.callbacks.public_url) > _LONGEST_PUBLIC_URL:
        why = f"is longer than {_LONGEST_PUBLIC_URL} characters: links in mail begin with it"
        raise ConfigError(config.file, "callbacks.public_url", why)


def _check_pages(config: Config) -> None:
    mailbox = config.pages.unsubscribe_mailbox
    try:
        mail_address.parse(mailbox.encode("utf-8") if mailbox else b"a@example.com")
    except ValueError:
        raise ConfigError(config.file, "pages.unsubscribe_mailbox", f"{mailbox} is no address") from None
    if mailbox and not _MAILBOX.fullmatch(mailbox):
        why = "must be of letters, digits and . _ + - alone: it stands in a URL"
        raise ConfigError(config.file, "pages.unsubscribe_mailbox", why)


def _check_alarms(config: Config) -> None:
    """A wrong URL is not told: a chat's has a password in it."""
    alarms = config.alarms
    if alarms.webhook_secret and not alarms.webhook:
        raise ConfigError(config.file, "alarms.webhook_secret", "there is no alarms.webhook")
    if receiver := alarms.receiver:
        for objection in webhook_rules.objections(receiver, alarms.webhook_secret):
            raise ConfigError(config.file, "alarms.webhook", objection.removeprefix(f"{alarms.webhook}: "))
    if bool(alarms.mail_to) != bool(alarms.mail_from):
        raise ConfigError(config.file, "alarms.mail_from", "alarms.mail_to and alarms.mail_from come together")
    for key, address in (("mail_from", alarms.mail_from), *(("mail_to", each) for each in alarms.mail_to)):
        try:
            mail_address.parse(address.encode("utf-8") if alarms.mail_from else b"a@example.com")
        except ValueError:
            raise ConfigError(config.file, f"alarms.{key}", f"{address} is no address") from None


def _check_failpoint(config: Config) -> None:
    try:
        failpoints.parsed(config.failpoint)
    except ValueError as error:
        raise ConfigError("environment", failpoints.VARIABLE, str(error)) from None
    if config.failpoint:
        _check_sandbox(config, "environment", failpoints.VARIABLE)


def _check_sandbox(config: Config, file: str, what: str) -> None:
    endpoints = [("ses.endpoint", config.ses.endpoint), ("feedback.sns_endpoint", config.feedback.sns_endpoint)]
    for key, endpoint in (*endpoints, *(("feedback.queues", queue) for queue in config.feedback.queues)):
        if not is_loopback(endpoint):
            raise ConfigError(file, what, f"is for sandboxes: {key} is not loopback")


def address(listener: str, file: str, key: str) -> tuple[str, int]:
    """`host:port` or `[v6]:port` as host and port. Raises ConfigError."""
    match = _LISTENER.fullmatch(listener)
    host = (match[1] or match[2]) if match else ""
    try:
        fits = bool(match) and ip_address(host).version == (6 if match and match[1] else 4)
    except ValueError:
        fits = False
    if not match or not fits:
        raise ConfigError(file, key, "must be an address and a port, like 127.0.0.1:587")
    if int(match[3]) > 65535:
        raise ConfigError(file, key, "the port must be 0 to 65535")
    return host, int(match[3])


def is_loopback(endpoint: str) -> bool:
    """Whether a URL can only reach this machine."""
    try:
        host = urlsplit(endpoint).hostname or ""
        return host == "localhost" or (_is_url(endpoint) and ip_address(host).is_loopback)
    except ValueError:
        return False


def _is_url(endpoint: str) -> bool:
    return bool(_URL.fullmatch(endpoint))
