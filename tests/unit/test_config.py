from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from relay import config, config_rules
from relay.errors import ConfigError
from relay.settings import Config

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config" / "relay.toml"
BAD = sorted((ROOT / "tests" / "configs").glob("bad-*"))
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/relay-events"
TOPIC = "arn:aws:sns:us-east-1:123456789012:relay-events"


def sections() -> Iterator[tuple[str, Any]]:
    """The sections by name, each with its defaults."""
    for found in fields(Config):
        if found.metadata.get("section", True):
            yield found.name, getattr(Config(), found.name)


def settings() -> Iterator[tuple[str, str, object]]:
    """Section, key and default of every setting there is."""
    for section, defaults in sections():
        for found in fields(defaults):
            yield section, found.name, getattr(defaults, found.name)


KEYS = [(section, key) for section, key, _ in settings()]

# Another value for every setting, as it is written in a variable, and as it is then read.
SECRET = "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
KEY = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="

OTHERS: dict[str, tuple[str, object]] = {
    "store.path": ("/srv/relay/relay.db", Path("/srv/relay/relay.db")),
    "smtp.hostname": ("mail.example.com", "mail.example.com"),
    "smtp.submission": ("127.0.0.1:2587", "127.0.0.1:2587"),
    "smtp.submissions": ("[::1]:2465", "[::1]:2465"),
    "smtp.certificate": ("/srv/cert.pem", Path("/srv/cert.pem")),
    "smtp.key": ("/srv/key.pem", Path("/srv/key.pem")),
    "smtp.max_size": ("1000", 1000),
    "smtp.max_octets_in_flight": ("5000", 5000),
    "smtp.timeout_seconds": ("10", 10),
    "smtp.max_connections": ("20", 20),
    "smtp.max_connections_per_client": ("5", 5),
    "smtp.max_errors": ("3", 3),
    "store.url": ("postgresql://relay@db.example.com/relay", "postgresql://relay@db.example.com/relay"),
    "store.direct_url": ("postgresql://relay@db.example.com/relay", "postgresql://relay@db.example.com/relay"),
    "node.name": ("one", "one"),
    "node.roles": ("smtp, web", ("smtp", "web")),
    "queue.max_messages": ("31", 31),
    "queue.max_octets": ("20000000", 20_000_000),
    "queue.max_age_seconds": ("0", 0),
    "queue.min_free_octets": ("0", 0),
    "queue.ballast_octets": ("0", 0),
    "ses.region": ("eu-west-1", "eu-west-1"),
    "ses.profile": ("relay", "relay"),
    "ses.configuration_set": ("relay", "relay"),
    "ses.endpoint": ("http://127.0.0.1:4566", "http://127.0.0.1:4566"),
    "ses.connections": ("7", 7),
    "ses.connect_timeout_seconds": ("8", 8),
    "ses.read_timeout_seconds": ("9", 9),
    "ses.identities_seconds": ("0", 0),
    "retry.delays_seconds": ("1, 2,3", (1, 2, 3)),
    "smtp.further_certificates": ("/srv/b.pem, /srv/c.pem", ("/srv/b.pem", "/srv/c.pem")),
    "smtp.further_keys": ("/srv/b.key", ("/srv/b.key",)),
    "smtp.proxies": ("192.0.2.1, 2001:db8::/64", ("192.0.2.1", "2001:db8::/64")),
    "smtp.trusted": ("10.0.0.1:25", "10.0.0.1:25"),
    "smtp.trusted_networks": ("10.0.0.0/8", ("10.0.0.0/8",)),
    "smtp.trusted_credential": ("printers", "printers"),
    "smtp.handshake_seconds": ("11", 11),
    "smtp.login_seconds": ("12", 12),
    "smtp.line_seconds": ("13", 13),
    "smtp.session_seconds": ("14", 14),
    "smtp.min_data_rate": ("15", 15),
    "smtp.max_messages_per_connection": ("16", 16),
    "smtp.max_recipients": ("160", 160),
    "smtp.soft_errors": ("17", 17),
    "smtp.error_seconds": ("18", 18),
    "logins.messages_per_minute": ("21", 21),
    "logins.messages_per_day": ("22", 22),
    "playpen.recipient": ("simulator", "simulator"),
    "policy.observed": ("from, hops", ("from", "hops")),
    "logins.failures_per_connection": ("26", 26),
    "logins.failures_per_address": ("23", 23),
    "logins.failures_per_name": ("24", 24),
    "logins.failure_seconds": ("25", 25),
    "retry.lifetime_seconds": ("60", 60),
    "retry.in_doubt_seconds": ("61", 61),
    "retry.max_hold_seconds": ("62", 62),
    "retry.doubt": ("hold", "hold"),
    "alarms.webhook": ("https://hooks.example.com/relay", "https://hooks.example.com/relay"),
    "alarms.webhook_secret": (SECRET, SECRET),
    "alarms.webhook_private": ("true", True),
    "alarms.mail_to": ("a@example.com, b@example.com", ("a@example.com", "b@example.com")),
    "alarms.mail_from": ("relay@example.com", "relay@example.com"),
    "alarms.after_seconds": ("1", 1),
    "alarms.repeat_hours": ("0", 0),
    "alarms.queue_age_seconds": ("0", 0),
    "alarms.certificate_days": ("0", 0),
    "bounces.soft_count": ("0", 0),
    "bounces.soft_days": ("8", 8),
    "bounces.mailbox_full_count": ("0", 0),
    "bounces.mailbox_full_days": ("9", 9),
    "bounces.trust_diagnostics": ("true", True),
    "bounces.trust_predictions": ("true", True),
    "reputation.volume": ("41", 41),
    "reputation.review_bounces": ("0", 0),
    "reputation.pause_bounces": ("0", 0),
    "reputation.review_complaints": ("0", 0),
    "reputation.pause_complaints": ("0", 0),
    "reputation.pause_bulk": ("true", True),
    "feedback.alarm_after_sent": ("0", 0),
    "feedback.alarm_after_minutes": ("0", 0),
    "suppression.sync_minutes": ("15", 15),
    "suppression.push": ("true", True),
    "retention.bodies_days": ("7", 7),
    "retention.web_versions_days": ("0", 0),
    "retention.notifications_days": ("0", 0),
    "retention.facts_days": ("0", 0),
    "retention.links_days": ("1100", 1100),
    "retention.history_days": ("800", 800),
    "retention.audit_days": ("1100", 1100),
    "feedback.topics": (f"{TOPIC}, {TOPIC}-2", (TOPIC, f"{TOPIC}-2")),
    "feedback.signature_versions": ("2", ("2",)),
    "feedback.queues": (QUEUE, (QUEUE,)),
    "feedback.raw_queues": ("true", True),
    "feedback.webhook_path": ("/events/of-ses", "/events/of-ses"),
    "feedback.webhook_user": ("sns", "sns"),
    "feedback.webhook_password": ("a secret", "a secret"),
    "feedback.raw_webhook": ("true", True),
    "feedback.sns_endpoint": ("http://127.0.0.1:4567", "http://127.0.0.1:4567"),
    "feedback.pinned_certificate": ("/srv/sns.pem", "/srv/sns.pem"),
    "callbacks.listen": ("127.0.0.1:8025", "127.0.0.1:8025"),
    "callbacks.public_url": ("https://relay.example.com", "https://relay.example.com"),
    "callbacks.certificate": ("/srv/cert.pem", "/srv/cert.pem"),
    "callbacks.key": ("/srv/key.pem", "/srv/key.pem"),
    "callbacks.proxies": ("10.1.0.0/16", ("10.1.0.0/16",)),
    "pages.company": ("Example Shop", "Example Shop"),
    "pages.logo": ("/srv/logo.svg", "/srv/logo.svg"),
    "pages.colour": ("#14532d", "#14532d"),
    "pages.background": ("#ffffff", "#ffffff"),
    "pages.language": ("ru", "ru"),
    "pages.texts": ("/srv/texts", "/srv/texts"),
    "pages.unsubscribe_mailbox": ("leave@in.example.com", "leave@in.example.com"),
    "secrets.keys": (f"1:{KEY}\n2:{KEY}", (f"1:{KEY}", f"2:{KEY}")),
    "api.listen": ("127.0.0.1:8028", "127.0.0.1:8028"),
    "api.certificate": ("/srv/cert.pem", "/srv/cert.pem"),
    "api.key": ("/srv/key.pem", "/srv/key.pem"),
    "api.proxies": ("10.1.0.0/16", ("10.1.0.0/16",)),
    "api.max_body": ("1000000", 1000000),
    "api.calls_per_minute": ("60", 60),
    "webhooks.connections": ("20", 20),
    "webhooks.timeout_seconds": ("30", 30),
    "webhooks.delays_seconds": ("1, 2,3", (1, 2, 3)),
    "webhooks.give_up_days": ("2", 2),
    "private.listen": ("127.0.0.1:8026", "127.0.0.1:8026"),
    "private.console": ("false", False),
    "private.certificate": ("/srv/cert.pem", "/srv/cert.pem"),
    "private.key": ("/srv/key.pem", "/srv/key.pem"),
    "private.proxies": ("10.1.0.0/16", ("10.1.0.0/16",)),
    "log.addresses": ("false", False),
    "log.client_addresses": ("false", False),
}

# What some of them need beside them.
COMPANIONS: dict[str, dict[str, str]] = {
    "smtp.further_certificates": {"RELAY_SMTP__FURTHER_KEYS": "/srv/b.key,/srv/c.key"},
    "smtp.further_keys": {"RELAY_SMTP__FURTHER_CERTIFICATES": "/srv/b.pem"},
    "smtp.trusted": {"RELAY_SMTP__TRUSTED_NETWORKS": "10.0.0.0/8", "RELAY_SMTP__TRUSTED_CREDENTIAL": "printers"},
    "alarms.webhook_secret": {"RELAY_ALARMS__WEBHOOK": "https://hooks.example.com/relay"},
    "alarms.mail_to": {"RELAY_ALARMS__MAIL_FROM": "relay@example.com"},
    "alarms.mail_from": {"RELAY_ALARMS__MAIL_TO": "a@example.com"},
    "callbacks.certificate": {"RELAY_CALLBACKS__KEY": "/srv/key.pem"},
    "callbacks.key": {"RELAY_CALLBACKS__CERTIFICATE": "/srv/cert.pem"},
    "api.certificate": {"RELAY_API__KEY": "/srv/key.pem"},
    "api.key": {"RELAY_API__CERTIFICATE": "/srv/cert.pem"},
    "private.certificate": {"RELAY_PRIVATE__KEY": "/srv/key.pem"},
    "private.key": {"RELAY_PRIVATE__CERTIFICATE": "/srv/cert.pem"},
    "store.direct_url": {"RELAY_STORE__URL": "postgresql://relay@pooler.example.com/relay"},
    "node.roles": {"RELAY_STORE__URL": "postgresql://relay@db.example.com/relay"},
    "feedback.webhook_user": {"RELAY_FEEDBACK__WEBHOOK_PASSWORD": "a secret"},
    "feedback.webhook_password": {"RELAY_FEEDBACK__WEBHOOK_USER": "sns"},
    "feedback.raw_webhook": {"RELAY_FEEDBACK__WEBHOOK_PATH": f"/{'x' * 31}"},
    "feedback.raw_queues": {"RELAY_FEEDBACK__QUEUES": QUEUE},
    "feedback.pinned_certificate": {
        "RELAY_SES__ENDPOINT": "http://127.0.0.1:4566",
        "RELAY_FEEDBACK__SNS_ENDPOINT": "http://127.0.0.1:4567",
    },
}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "relay.toml"
    path.write_text(text, "utf-8")
    return path


def value(loaded: Config, section: str, key: str) -> object:
    return getattr(getattr(loaded, section), key)


# The annotated example.


def test_the_example_shows_every_setting_and_none_that_is_not() -> None:
    shown = tomllib.loads(EXAMPLE.read_text("utf-8"))
    assert {(section, key) for section, table in shown.items() for key in table} == set(KEYS)


@pytest.mark.parametrize(("section", "key", "default"), list(settings()))
def test_the_example_shows_the_default_of_the_code(section: str, key: str, default: object) -> None:
    shown = tomllib.loads(EXAMPLE.read_text("utf-8"))[section][key]
    if isinstance(default, Path):
        assert Path(shown) == default
    elif isinstance(default, tuple):
        assert tuple(shown) == default
    else:
        assert (type(shown), shown) == (type(default), default)


def test_the_example_loads_and_is_the_default() -> None:
    loaded = config.load(EXAMPLE, {})
    assert [getattr(loaded, section) for section, _ in sections()] == [defaults for _, defaults in sections()]
    assert loaded.file == str(EXAMPLE)


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_the_example_explains_a_setting_above_it_or_above_its_neighbours(section: str, key: str) -> None:
    lines = EXAMPLE.read_text("utf-8").split(f"[{section}]\n", 1)[1].splitlines()
    before = lines[: next(n for n, line in enumerate(lines) if line.startswith(f"{key} ="))]
    assert any(line.startswith("# ") for line in before)


def test_without_file_and_environment_the_defaults_apply() -> None:
    loaded = config.load(None, {})
    assert [getattr(loaded, section) for section, _ in sections()] == [defaults for _, defaults in sections()]
    assert "no file" in loaded.file


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert config.load(written(tmp_path, ""), {}).smtp == Config().smtp


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    loaded = config.load(written(tmp_path, '[smtp]\nhostname = "mail.example.com"\nsubmissions = ""\n'), {})
    changed = {(s, k) for s, k, default in settings() if value(loaded, s, k) != default}
    assert changed == {("smtp", "hostname"), ("smtp", "submissions")}


def test_what_lies_beside_the_database_moves_with_it() -> None:
    store = config.load(None, {"RELAY_STORE__PATH": "/srv/mail/queue.db"}).store
    assert (store.spool, store.lock, store.control) == (
        Path("/srv/mail/spool"),
        Path("/srv/mail/relay.lock"),
        Path("/srv/mail/control.sock"),
    )


@pytest.mark.parametrize("url", ["sqlite:/srv/relay/relay.db", "sqlite:///srv/relay/relay.db"])
def test_sqlite_s_url_is_its_path(url: str) -> None:
    found = config.load(None, {"RELAY_STORE__URL": url}).store
    assert (found.path, found.is_postgres) == (Path("/srv/relay/relay.db"), False)


def test_a_password_in_a_url_is_shown_to_nobody() -> None:
    found = config.load(None, {"RELAY_STORE__URL": "postgresql://relay:secret@db.example.com/relay"}).store
    assert found.where == "postgresql://relay@db.example.com/relay"
    assert "secret" not in repr(found)


@pytest.mark.parametrize("url", ["mysql://x:secret@y/z", "/srv/relay.db", "postgresql"])
def test_another_url_is_refused_and_not_told(url: str) -> None:
    with pytest.raises(ConfigError, match="must be like") as refused:
        config.load(None, {"RELAY_STORE__URL": url})
    assert "secret" not in str(refused.value)


def test_the_defaults_are_those_decided_on() -> None:
    defaults = Config()
    assert (defaults.smtp.submission, defaults.smtp.submissions) == ("0.0.0.0:587", "0.0.0.0:465")
    assert defaults.callbacks.listen == "0.0.0.0:8080"
    assert defaults.retry.delays_seconds == (60, 120, 300, 600, 1200, 2400, 3600)
    assert (defaults.retry.lifetime_seconds, defaults.retry.in_doubt_seconds) == (3 * 86400, 900)
    assert (defaults.retry.max_hold_seconds, defaults.retry.doubt) == (14 * 86400, "resend")
    assert defaults.feedback.topics == ()


# The environment.


def test_there_is_another_value_for_every_setting() -> None:
    assert set(OTHERS) == {f"{section}.{key}" for section, key in KEYS}
    for section, key, default in settings():
        assert OTHERS[f"{section}.{key}"][1] != default


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_setting_can_come_from_the_environment(tmp_path: Path, section: str, key: str) -> None:
    text, expected = OTHERS[f"{section}.{key}"]
    variables = {f"RELAY_{section}__{key}".upper(): text} | COMPANIONS.get(f"{section}.{key}", {})
    for path in (None, EXAMPLE):
        assert value(config.load(path, variables), section, key) == expected


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_setting_can_come_from_a_file_named_in_the_environment(tmp_path: Path, section: str, key: str) -> None:
    text, expected = OTHERS[f"{section}.{key}"]
    secret = tmp_path / "secret"
    secret.write_text(f"{text}\n", "utf-8")
    variables = {f"RELAY_{section}__{key}_FILE".upper(): str(secret)} | COMPANIONS.get(f"{section}.{key}", {})
    assert value(config.load(EXAMPLE, variables), section, key) == expected


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_the_environment_changes_one_setting_only(section: str, key: str) -> None:
    variables = {f"RELAY_{section}__{key}".upper(): OTHERS[f"{section}.{key}"][0]} | COMPANIONS.get(f"{section}.{key}", {})
    loaded = config.load(None, variables)
    assert sum(value(loaded, s, k) != default for s, k, default in settings()) == len(variables)


@pytest.mark.parametrize(
    ("text", "expected"), [("true", True), ("TRUE", True), ("True", True), ("false", False), ("False", False), ("FALSE", False)]
)
def test_true_and_false_are_read_in_any_case(text: str, expected: bool) -> None:
    assert config.load(None, {"RELAY_LOG__ADDRESSES": text}).log.addresses is expected


@pytest.mark.parametrize("text", ["", " ", ","])
def test_an_empty_variable_is_an_empty_list(text: str) -> None:
    assert config.load(None, {"RELAY_FEEDBACK__TOPICS": text}).feedback.topics == ()


def test_an_empty_variable_turns_a_listener_off() -> None:
    assert config.load(None, {"RELAY_SMTP__SUBMISSIONS": ""}).smtp.submissions == ""


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_line_end_of_a_secret_s_file_is_no_part_of_it(tmp_path: Path, end: str) -> None:
    (tmp_path / "secret").write_bytes(b" a profile " + end.encode())
    assert config.load(None, {"RELAY_SES__PROFILE_FILE": str(tmp_path / "secret")}).ses.profile == " a profile "


def test_the_toml_may_name_the_file_of_a_secret(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"1:{KEY}\n2:{KEY}\n")
    text = f'[secrets]\nkeys_file = "{tmp_path}/keys"\n[store]\nurl_file = "{tmp_path}/url"\n'
    (tmp_path / "url").write_text("postgresql://relay:secret@db.example.com/relay\n")
    found = config.parsed(text, "relay.toml", {})
    assert (found.secrets.keys, found.store.where) == ((f"1:{KEY}", f"2:{KEY}"), "postgresql://relay@db.example.com/relay")
    assert config.parsed(text, "relay.toml", {"RELAY_SECRETS__KEYS": f"3:{KEY}"}).secrets.keys == (f"3:{KEY}",)


@pytest.mark.parametrize("key", ["smtp.key", "callbacks.key", "ses.profile", "smtp.max_size"])
def test_and_of_nothing_else(tmp_path: Path, key: str) -> None:
    section, _, name = key.partition(".")
    with pytest.raises(ConfigError, match="unknown key"):
        config.parsed(f'[{section}]\n{name}_file = "{tmp_path}/x"\n', "relay.toml", {})


def test_a_variable_of_others_is_none_of_our_business() -> None:
    variables = {
        "RELAY_MASTER_KEY_FILE": "/run/secrets/key",
        "RELAYED__X": "1",
        "PATH": "/bin",
        "relay_smtp__max_size": "1",
        "": "",
    }
    assert config.load(None, variables).smtp == Config().smtp


@pytest.mark.parametrize(
    "variable",
    [
        "RELAY_SMTP__MAX_SIEZ",
        "RELAY_SMTP__MAX_SIEZ_FILE",
        "RELAY_SMPT__MAX_SIZE",
        "RELAY_SMTP__",
        "RELAY___",
        "RELAY_SMTP__FILE",
        "RELAY_SMTP__SPOOL",
        "RELAY_STORE__SPOOL",
        "RELAY_FILE__X",
        "RELAY_SMTP__MAX_SIZE__X",
        "RELAY_SMTP__MAX_SIZE_FILE_FILE",
    ],
)
def test_an_unknown_variable_is_refused_by_its_name(variable: str) -> None:
    with pytest.raises(ConfigError) as refused:
        config.load(None, {variable: "1"})
    assert (refused.value.file, refused.value.key, refused.value.reason) == ("environment", variable, "unknown setting")


@pytest.mark.parametrize("variable", ["RELAY_smtp__max_size", "RELAY_Smtp__Max_Size", "RELAY_SMTP__max_size_file"])
def test_a_variable_in_another_case_counts_or_is_refused_but_is_never_passed_over(tmp_path: Path, variable: str) -> None:
    (tmp_path / "secret").write_text("1234")
    text = str(tmp_path / "secret") if variable.lower().endswith("_file") else "1234"
    with suppress(ConfigError):
        assert config.load(None, {variable: text}).smtp.max_size == 1234


@pytest.mark.parametrize(
    ("variable", "text", "reason"),
    [
        ("RELAY_SMTP__MAX_SIZE", "10 MB", "must be a whole number"),
        ("RELAY_SMTP__MAX_SIZE", "", "must be a whole number"),
        ("RELAY_SMTP__MAX_SIZE", "1.5", "must be a whole number"),
        ("RELAY_SMTP__MAX_SIZE", "true", "must be a whole number"),
        ("RELAY_LOG__ADDRESSES", "yes", "must be true or false"),
        ("RELAY_LOG__ADDRESSES", "1", "must be true or false"),
        ("RELAY_LOG__ADDRESSES", "", "must be true or false"),
        ("RELAY_RETRY__DELAYS_SECONDS", "60,soon", "must be a list of whole numbers"),
        ("RELAY_RETRY__DELAYS_SECONDS", "60 120", "must be a list of whole numbers"),
    ],
)
def test_a_variable_of_the_wrong_type_is_refused_by_its_name(variable: str, text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as refused:
        config.load(None, {variable: text})
    assert str(refused.value) == f"environment: {variable}: {reason}"


@pytest.mark.parametrize(
    ("variable", "text", "key"),
    [
        ("RELAY_SMTP__MAX_SIZE", "0", "smtp.max_size"),
        ("RELAY_SMTP__SUBMISSION", "587", "smtp.submission"),
        ("RELAY_RETRY__DELAYS_SECONDS", "", "retry.delays_seconds"),
        ("RELAY_WEBHOOKS__DELAYS_SECONDS", "", "webhooks.delays_seconds"),
        ("RELAY_FEEDBACK__TOPICS", "relay-events", "feedback.topics"),
        ("RELAY_FEEDBACK__SIGNATURE_VERSIONS", "0", "feedback.signature_versions"),
        ("RELAY_STORE__PATH", "", "store.path"),
        ("RELAY_STORE__PATH", "/var/lib/relay\0/relay.db", "store.path"),
        ("RELAY_STORE__URL", "sqlite:", "store.path"),
    ],
)
def test_a_bad_value_is_refused_by_its_key_wherever_it_came_from(variable: str, text: str, key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        config.load(EXAMPLE, {variable: text})
    assert refused.value.key == key


def test_a_secret_s_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    with pytest.raises(ConfigError, match="cannot be read") as refused:
        config.load(None, {"RELAY_SES__PROFILE_FILE": str(missing)})
    assert (refused.value.file, refused.value.key) == ("environment", "RELAY_SES__PROFILE_FILE")
    assert str(missing) in refused.value.reason


def test_a_secret_s_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(None, {"RELAY_SES__PROFILE_FILE": str(tmp_path / "secret")})


# Files that cannot be used.


@pytest.mark.parametrize("folder", BAD, ids=lambda folder: folder.name)
def test_a_bad_file_is_refused_with_exactly_these_words(folder: Path) -> None:
    path = folder / "relay.toml"
    with pytest.raises(ConfigError) as refused:
        config.load(path, {})
    assert str(refused.value).replace(str(path), "FILE") == (folder / "expected.txt").read_text("utf-8").rstrip("\n")
    assert refused.value.file == str(path)


def test_there_are_bad_files_enough_to_mean_something() -> None:
    assert len(BAD) >= 15
    assert len({(folder / "relay.toml").read_text("utf-8") for folder in BAD}) == len(BAD)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        config.load(tmp_path / "nowhere.toml", {})
    assert str(refused.value) == f"{tmp_path / 'nowhere.toml'}: -: the file does not exist"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path, {})


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "relay.toml").write_bytes(b"\xff\xfe[smtp]")
    with pytest.raises(ConfigError, match="is not TOML"):
        config.load(tmp_path / "relay.toml", {})


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_setting_refuses_a_value_of_the_wrong_type(tmp_path: Path, section: str, key: str) -> None:
    wanted = get_type_hints(type(dict(sections())[section]))[key]
    wrong = ["{ a = 1 }", "1.5", "2025-01-15", "[1.5]"]
    wrong += ['"text"'] if wanted not in (str, Path) else ["1", "true"]
    for text in wrong:
        with pytest.raises(ConfigError, match="must be ") as refused:
            config.load(written(tmp_path, f"[{section}]\n{key} = {text}\n"), {})
        assert refused.value.key == f"{section}.{key}"


OFF_BY_ZERO = {
    ("ses", "identities_seconds"),
    *(("queue", key) for key in ("max_age_seconds", "min_free_octets", "ballast_octets")),
    ("bounces", "soft_count"),
    ("bounces", "mailbox_full_count"),
    *(("reputation", f"{level}_{what}") for level in ("review", "pause") for what in ("bounces", "complaints")),
    *(("feedback", f"alarm_after_{what}") for what in ("sent", "minutes")),
    ("suppression", "sync_minutes"),
    *(("alarms", key) for key in ("repeat_hours", "queue_age_seconds", "certificate_days")),
    *(
        ("retention", f"{what}_days")
        for what in ("bodies", "web_versions", "notifications", "facts", "links", "history", "audit")
    ),
}
NUMBERS = [(s, k) for s, k, default in settings() if type(default) is int and (s, k) not in OFF_BY_ZERO]


@pytest.mark.parametrize(("section", "key"), sorted(OFF_BY_ZERO))
def test_a_number_that_is_turned_off_by_0_must_be_0_or_more(tmp_path: Path, section: str, key: str) -> None:
    assert value(config.load(written(tmp_path, f"[{section}]\n{key} = 0\n"), {}), section, key) == 0
    with pytest.raises(ConfigError, match="must be 0 or more") as refused:
        config.load(written(tmp_path, f"[{section}]\n{key} = -1\n"), {})
    assert refused.value.key == f"{section}.{key}"


@pytest.mark.parametrize(("section", "key"), NUMBERS)
@pytest.mark.parametrize("number", [0, -1])
def test_every_number_must_be_1_or_more(tmp_path: Path, section: str, key: str, number: int) -> None:
    with pytest.raises(ConfigError, match="must be 1 or more") as refused:
        config.load(written(tmp_path, f"[{section}]\n{key} = {number}\n"), {})
    assert refused.value.key == f"{section}.{key}"


@pytest.mark.parametrize(("section", "key"), [*NUMBERS, *sorted(OFF_BY_ZERO)])
def test_no_number_is_larger_than_any_clock_or_disk(tmp_path: Path, section: str, key: str) -> None:
    with pytest.raises(ConfigError, match=r"must be [0-9]+ or less") as refused:
        config.load(written(tmp_path, f"[{section}]\n{key} = {2**60 + 1}\n"), {})
    assert refused.value.key == f"{section}.{key}"


@pytest.mark.parametrize(
    ("section", "key", "most"),
    [
        ("retention", "bodies_days", 36_525),
        ("alarms", "repeat_hours", 876_600),
        ("suppression", "sync_minutes", 52_596_000),
        ("smtp", "timeout_seconds", 3_155_760_000),
        ("queue", "max_octets", 2**60),
    ],
)
def test_times_end_with_a_century_and_octets_with_an_exabyte(tmp_path: Path, section: str, key: str, most: int) -> None:
    assert value(config.load(written(tmp_path, f"[{section}]\n{key} = {most}\n"), {}), section, key) == most
    with pytest.raises(ConfigError, match=f"must be {most} or less"):
        config.load(written(tmp_path, f"[{section}]\n{key} = {most + 1}\n"), {})


def test_each_number_of_a_list_is_within_its_bounds(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be 3155760000 or less"):
        config.load(written(tmp_path, "[retry]\ndelays_seconds = [1, 3155760001, 2]\n"), {})


@pytest.mark.parametrize(
    "hostname",
    ["", "mail.example.com\\r\\nBcc: evil@example.net", "mail example.com", "münchen.example", "a\\u0000b", "<x>", "a;b"],
)
def test_a_hostname_that_no_received_line_can_hold_is_refused(tmp_path: Path, hostname: str) -> None:
    with pytest.raises(ConfigError) as refused:
        config.load(written(tmp_path, f'[smtp]\nhostname = "{hostname}"\n'), {})
    assert refused.value.key == "smtp.hostname"


@pytest.mark.parametrize("hostname", ["localhost", "mail", "mail.example.com", "MAIL-1.example.com", "xn--mnchen-3ya.example"])
def test_an_ordinary_hostname_is_taken(tmp_path: Path, hostname: str) -> None:
    assert config.load(written(tmp_path, f'[smtp]\nhostname = "{hostname}"\n'), {}).smtp.hostname == hostname


# Listeners and endpoints.


@pytest.mark.parametrize(
    ("listener", "expected"),
    [
        ("127.0.0.1:587", ("127.0.0.1", 587)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        ("[::1]:465", ("::1", 465)),
        ("[::]:65535", ("::", 65535)),
    ],
)
def test_a_listener_is_an_address_and_a_port(listener: str, expected: tuple[str, int]) -> None:
    assert config_rules.address(listener, "relay.toml", "smtp.submission") == expected


@pytest.mark.parametrize(
    "listener",
    [
        "",
        ":587",
        "587",
        "localhost:587",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:smtp",
        "127.0.0.1:-1",
        "127.0.0.1:65536",
        "[::1]",
        "256.0.0.1:25",
    ],
)
def test_anything_else_is_no_listener(listener: str) -> None:
    with pytest.raises(ConfigError) as refused:
        config_rules.address(listener, "relay.toml", "smtp.submission")
    assert (refused.value.file, refused.value.key) == ("relay.toml", "smtp.submission")


@pytest.mark.parametrize(
    "listener", ["::1:587", "[127.0.0.1:587", "127.0.0.1]:587", "127.0.0.1: 587", "127.0.0.1:5_8_7", "127.0.0.1:+587"]
)
def test_a_listener_that_can_be_misread_is_refused(listener: str) -> None:
    with pytest.raises(ConfigError):
        config_rules.address(listener, "relay.toml", "smtp.submission")


LOOPBACK = ["http://127.0.0.1:4566", "http://127.8.9.10", "https://localhost:4566/path", "http://[::1]:4566"]
ELSEWHERE = [
    "",
    "https://email.us-east-1.amazonaws.com",
    "http://0.0.0.0:4566",
    "http://10.0.0.1:4566",
    "http://127.0.0.1.example.com",
    "http://localhost.example.com",
    "http://127.0.0.1@evil.example",
    "http://evil.example/127.0.0.1",
    "http://evil.example#@127.0.0.1",
    "http://evil.example?127.0.0.1",
    "127.0.0.1:4566",
    "localhost",
    "http://[::ffff:10.0.0.1]:4566",
]


@pytest.mark.parametrize("endpoint", LOOPBACK)
def test_an_endpoint_on_this_machine_is_loopback(endpoint: str) -> None:
    assert config_rules.is_loopback(endpoint)


@pytest.mark.parametrize("endpoint", [*ELSEWHERE, "http://[::1:4566", "http://[127.0.0.1]:4566"])
def test_any_other_endpoint_is_not(endpoint: str) -> None:
    assert not config_rules.is_loopback(endpoint)


@pytest.mark.parametrize("ses", LOOPBACK)
@pytest.mark.parametrize("sns", LOOPBACK)
def test_a_pinned_certificate_is_for_loopback_endpoints(tmp_path: Path, ses: str, sns: str) -> None:
    text = f'[ses]\nendpoint = "{ses}"\n[feedback]\nsns_endpoint = "{sns}"\npinned_certificate = "/tmp/sns.pem"\n'
    assert config.load(written(tmp_path, text), {}).feedback.pinned_certificate == "/tmp/sns.pem"


@pytest.mark.parametrize("endpoint", [*ELSEWHERE, "http://[::1:4566"])
def test_a_pinned_certificate_is_refused_where_one_endpoint_is_not(tmp_path: Path, endpoint: str) -> None:
    for ses, sns, key in ((endpoint, LOOPBACK[0], "ses.endpoint"), (LOOPBACK[0], endpoint, "feedback.sns_endpoint")):
        text = f'[ses]\nendpoint = "{ses}"\n[feedback]\nsns_endpoint = "{sns}"\npinned_certificate = "/tmp/sns.pem"\n'
        with pytest.raises(ConfigError, match=key) as refused:
            config.load(written(tmp_path, text), {})
        assert refused.value.key == "feedback.pinned_certificate"


def test_a_pinned_certificate_from_the_environment_is_refused_all_the_same() -> None:
    with pytest.raises(ConfigError, match="pinned_certificate"):
        config.load(EXAMPLE, {"RELAY_FEEDBACK__PINNED_CERTIFICATE": "/tmp/sns.pem"})


SANDBOX = {
    "RELAY_SES__ENDPOINT": "http://127.0.0.1:4566",
    "RELAY_FEEDBACK__SNS_ENDPOINT": "http://127.0.0.1:4566",
}


def test_a_failpoint_comes_from_the_environment_of_a_sandbox() -> None:
    assert config.load(None, SANDBOX).failpoint == ""
    assert config.load(None, {**SANDBOX, "RELAY_FAILPOINT": "before-call:7"}).failpoint == "before-call:7"


@pytest.mark.parametrize("missing", SANDBOX)
def test_a_failpoint_is_refused_where_one_endpoint_is_not_loopback(missing: str) -> None:
    environ = {**SANDBOX, "RELAY_FAILPOINT": "before-call"}
    del environ[missing]
    with pytest.raises(ConfigError, match=r"RELAY_FAILPOINT: is for sandboxes: .* is not loopback"):
        config.load(None, environ)


@pytest.mark.parametrize("text", ["during-call", "before-call:soon", "before-call:-1", ":3x"])
def test_what_is_no_failpoint_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="no failpoint"):
        config.load(None, {**SANDBOX, "RELAY_FAILPOINT": text})


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "1" * 5000])
def test_what_no_reader_of_toml_takes_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "relay.toml").write_text(text)
    with pytest.raises(ConfigError, match="is not TOML"):
        config.load(tmp_path / "relay.toml", {})


def test_a_file_that_no_file_can_be_called_is_refused(tmp_path: Path) -> None:
    (tmp_path / "relay.toml").write_text('[secrets]\nkeys_file = "a\\u0000b"\n')
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path / "relay.toml", {})
