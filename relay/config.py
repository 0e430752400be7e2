"""TOML and environment -> one frozen Config, or ConfigError naming file and key.

Every value can come from `RELAY_SECTION__KEY`, and from a file named by `RELAY_SECTION__KEY_FILE` (for secrets mounted
as files). Lists are written with commas there. config/relay.toml shows every key with its default; a test compares.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from relay import address as mail_address
from relay import failpoints
from relay.errors import ConfigError
from relay.judge import Rule
from relay.settings import Config

_PREFIX = "RELAY_"
_MAY_BE_ZERO = frozenset(
    f"{section}.{key}"
    for section, keys in {
        "ses": ["identities_seconds"],
        "queue": ["max_age_seconds", "min_free_octets", "ballast_octets"],
        "retention": ["bodies_days", "notifications_days", "facts_days"],
    }.items()
    for key in keys
)
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)
_REGION = re.compile(r"[a-z0-9-]{3,40}")
_LISTENER = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})", re.ASCII)
_URL = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?(/[^\s?#@]*)?", re.ASCII)


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Reads the file, lays the environment over it and checks. Raises ConfigError."""
    name = str(path) if path else "(no file)"
    tables = _read(path, name) if path else {}
    sections = {f.name: f for f in fields(Config) if f.metadata.get("section", True)}
    for section in tables:
        if section not in sections:
            raise ConfigError(name, section, "unknown section")
        if not isinstance(tables[section], dict):
            raise ConfigError(name, section, "must be a section: write [section] above the keys")
    _refuse_unknown_variables(environ, sections)
    built = {
        section: _section(section, f.default_factory, tables.get(section, {}), environ, name)  # type: ignore[arg-type]
        for section, f in sections.items()
    }
    config = Config(**built, file=name, failpoint=environ.get(failpoints.VARIABLE, ""))
    check(config)
    return config


def _read(path: Path, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(name, "-", "the file does not exist") from None
    except OSError as error:
        raise ConfigError(name, "-", f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(name, "-", f"is not TOML: {error}") from error


def _refuse_unknown_variables(environ: Mapping[str, str], sections: Mapping[str, Any]) -> None:
    for variable in environ:
        section, found, key = variable.removeprefix(_PREFIX).lower().partition("__")
        if not variable.startswith(_PREFIX) or not found:
            continue
        if variable != variable.upper():
            raise ConfigError("environment", variable, "must be written in capitals")
        known = {f.name for f in fields(sections[section].default_factory)} if section in sections else set()
        if key not in known and key.removesuffix("_file") not in known:
            raise ConfigError("environment", variable, "unknown setting")


def _section(section: str, kind: type[Any], table: Mapping[str, Any], environ: Mapping[str, str], name: str) -> Any:
    types = get_type_hints(kind)
    values = {}
    for key, value in table.items():
        if key not in types:
            raise ConfigError(name, f"{section}.{key}", "unknown key")
        values[key] = _typed(value, types[key], name, f"{section}.{key}")
    for key, wanted in types.items():
        variable = f"{_PREFIX}{section}__{key}".upper()
        text = _from_environment(variable, environ)
        if text is not None:
            values[key] = _parsed(text, wanted, variable)
    return kind(**values)


def _from_environment(variable: str, environ: Mapping[str, str]) -> str | None:
    if file := environ.get(f"{variable}_FILE"):
        try:
            return Path(file).read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError("environment", f"{variable}_FILE", f"{file} cannot be read: {error}") from error
    return environ.get(variable)


def _typed(value: object, wanted: object, name: str, key: str) -> Any:
    """A TOML value as the type of its key."""
    if wanted is Path and isinstance(value, str):
        return Path(value)
    if wanted in (bool, int, str) and type(value) is wanted:
        return value
    for kind, sequence in ((int, tuple[int, ...]), (str, tuple[str, ...])):
        if wanted == sequence and isinstance(value, list) and all(type(item) is kind for item in value):
            return tuple(value)
    raise ConfigError(name, key, f"must be {_WORDS[wanted]}")


def _parsed(text: str, wanted: object, variable: str) -> Any:
    """A variable's text as the type of its key."""
    try:
        if wanted is bool:
            return {"true": True, "false": False}[text.lower()]
        if wanted is int:
            return int(text)
        if wanted in (tuple[int, ...], tuple[str, ...]):
            words = [word.strip() for word in text.split(",") if word.strip()]
            return tuple(words) if wanted == tuple[str, ...] else tuple(int(word) for word in words)
        return Path(text) if wanted is Path else text
    except (KeyError, ValueError):
        raise ConfigError("environment", variable, f"must be {_WORDS[wanted]}") from None


_WORDS: dict[object, str] = {
    bool: "true or false",
    int: "a whole number",
    str: "text",
    Path: "a path",
    tuple[int, ...]: "a list of whole numbers",
    tuple[str, ...]: "a list of texts",
}


def check(config: Config) -> None:
    """What types cannot say. Raises ConfigError."""
    if not _HOSTNAME.fullmatch(config.smtp.hostname):
        raise ConfigError(config.file, "smtp.hostname", "must be a host name: letters, digits, hyphens and dots")
    if not _REGION.fullmatch(config.ses.region):
        raise ConfigError(config.file, "ses.region", "must be the name of an AWS region, like us-east-1")
    _check_numbers(config)
    if config.queue.max_octets <= config.smtp.max_size:
        raise ConfigError(config.file, "queue.max_octets", "must be more than smtp.max_size")
    _check_smtp(config)
    for key, listener in (
        ("smtp.submission", config.smtp.submission),
        ("smtp.submissions", config.smtp.submissions),
        ("smtp.trusted", config.smtp.trusted),
        ("callbacks.listen", config.callbacks.listen),
        ("private.listen", config.private.listen),
    ):
        if listener:
            address(listener, config.file, key)
    if unknown := set(config.policy.observed) - set(Rule):
        raise ConfigError(config.file, "policy.observed", f"no rule {min(unknown)}: there are {', '.join(Rule)}")
    if config.retry.doubt not in ("resend", "hold"):
        raise ConfigError(config.file, "retry.doubt", 'must be "resend" or "hold"')
    _check_playpen(config)
    _check_feedback(config)
    for key, endpoint in (("ses.endpoint", config.ses.endpoint), ("feedback.sns_endpoint", config.feedback.sns_endpoint)):
        if endpoint and not _is_url(endpoint):
            raise ConfigError(config.file, key, "must be a URL, like https://email.us-east-1.amazonaws.com")
    _check_failpoint(config)


def _check_numbers(config: Config) -> None:
    """Every number is 1 or more, but for those that are turned off by 0."""
    for section in (f.name for f in fields(Config) if f.metadata.get("section", True)):
        part = getattr(config, section)
        for key, kind in get_type_hints(type(part)).items():
            value = getattr(part, key)
            if f"{section}.{key}" in _MAY_BE_ZERO:
                if value < 0:
                    raise ConfigError(config.file, f"{section}.{key}", "must be 0 or more")
            elif (kind is int and value < 1) or (kind == tuple[int, ...] and min(value, default=0) < 1):
                raise ConfigError(config.file, f"{section}.{key}", "must be 1 or more")


def _check_smtp(config: Config) -> None:
    smtp = config.smtp
    if len(smtp.further_certificates) != len(smtp.further_keys):
        raise ConfigError(config.file, "smtp.further_keys", "must be as many as smtp.further_certificates, in their order")
    for key, blocks in (("smtp.proxies", smtp.proxies), ("smtp.trusted_networks", smtp.trusted_networks)):
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


def _check_feedback(config: Config) -> None:
    for topic in config.feedback.topics:
        if len(topic.split(":")) != 6 or not topic.startswith("arn:"):
            raise ConfigError(config.file, "feedback.topics", f"{topic} is not the ARN of a topic")
    if not set(config.feedback.signature_versions) <= {"1", "2"} or not config.feedback.signature_versions:
        raise ConfigError(config.file, "feedback.signature_versions", 'must be some of "1" and "2"')
    if bool(config.callbacks.certificate) != bool(config.callbacks.key):
        raise ConfigError(config.file, "callbacks.key", "certificate and key come together")
    if config.feedback.pinned_certificate:
        # Whoever holds that key could suppress every address: only where nothing real is reached.
        _check_sandbox(config, config.file, "feedback.pinned_certificate")


def _check_failpoint(config: Config) -> None:
    try:
        failpoints.parsed(config.failpoint)
    except ValueError as error:
        raise ConfigError("environment", failpoints.VARIABLE, str(error)) from None
    if config.failpoint:
        _check_sandbox(config, "environment", failpoints.VARIABLE)


def _check_sandbox(config: Config, file: str, what: str) -> None:
    for key, endpoint in (("ses.endpoint", config.ses.endpoint), ("feedback.sns_endpoint", config.feedback.sns_endpoint)):
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
