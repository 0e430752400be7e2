"""`relay doctor`: each check against what it is for, and the whole way with mail."""

from __future__ import annotations

import asyncio
import errno
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from relay import documents, provisioning
from relay.assembly import at_aws
from relay.aws.provision import Provisioner
from relay.config import load
from relay.credential import Macros
from relay.doctor import rounds
from relay.doctor.look import Look
from relay.doctor.rounds import CHECKS, Check
from relay.findings import Finding, Grade, Report, Verdict
from relay.provisioning import Setup, Transport
from relay.rights import Role, policy
from relay.sandbox.cloud import ACCESS_KEYS, Cloud
from relay.sandbox.faults import SesError
from relay.sandbox.sns import Topic
from relay.sandbox.suppressed import Entry
from relay.sandbox.topics import Subscription
from relay.security.certificates import make_server_pair, self_signed
from relay.settings import Config
from relay.store.sqlite.store import SqliteStore
from tests.harness import APPLICATION, TOPIC, Relay

SET = "relay"
URL = "https://relay.example.com"
SETUP = Setup(
    partition="aws",
    region="us-east-1",
    account="123456789012",
    configuration_set=SET,
    topic=TOPIC.rpartition(":")[2],
    transport=Transport.HTTPS,
    webhook=f"{URL}/sns",
)


@pytest.fixture
async def cloud(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cloud]:
    """With everything set up, and the subscription confirmed."""
    for key, secret in ACCESS_KEYS.items():
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    cloud = Cloud()
    await cloud.start()
    await set_up(cloud)
    yield cloud
    await cloud.stop()


async def set_up(cloud: Cloud) -> None:
    config = settings(cloud)
    provisioner = Provisioner(at_aws.asking(config, at_aws.session(config)), SETUP)
    for step in provisioning.steps(provisioning.wanted(SETUP), await provisioner.found()):
        await provisioner.take(step)
    cloud.topics.subscriptions[0].is_confirmed = True


def settings(cloud: Cloud, **changed: str) -> Config:
    endpoint = f"http://127.0.0.1:{cloud.port}"
    return load(
        None,
        {
            "RELAY_SES__ENDPOINT": endpoint,
            "RELAY_SES__CONFIGURATION_SET": SET,
            "RELAY_FEEDBACK__SNS_ENDPOINT": endpoint,
            "RELAY_FEEDBACK__TOPICS": TOPIC,
            "RELAY_CALLBACKS__PUBLIC_URL": URL,
            **changed,
        },
    )


async def found(check: str, config: Config) -> Finding:
    findings = await rounds.examine(Look(config, pause=0.0), {check: CHECKS[check]})
    return findings[0]


def policy_gone(cloud: Cloud) -> None:
    cloud.topics.attributes[TOPIC]["Policy"] = ""


def policy_for_all(cloud: Cloud) -> None:
    policy = json.loads(cloud.topics.attributes[TOPIC]["Policy"])
    del policy["Statement"][0]["Condition"]
    cloud.topics.attributes[TOPIC]["Policy"] = json.dumps(policy)


def set_on(what: Callable[[Cloud], Any], key: str, value: object) -> Callable[[Cloud], None]:
    def change(cloud: Cloud) -> None:
        what(cloud)[key] = value

    return change


def attribute(what: Callable[[Cloud], Any], name: str, value: object) -> Callable[[Cloud], None]:
    return lambda cloud: setattr(what(cloud), name, value)


def destination(cloud: Cloud) -> dict[str, Any]:
    [found] = cloud.configuration_sets[SET].values()
    return found


def account(**details: object) -> Callable[[Cloud], None]:
    return lambda cloud: cloud.account.details.update(details)


def example_com(**details: object) -> Callable[[Cloud], None]:
    return lambda cloud: cloud.identities.details.update({"example.com": details})


def verified_behind_a_thousand(cloud: Cloud) -> None:
    pending = {f"d{number:04}.example": ("PENDING", False) for number in range(1000)}
    cloud.identities.states = {**pending, "z.example": ("SUCCESS", True)}


def gone(cloud: Cloud) -> Subscription:
    return replace(cloud.topics.subscriptions[0], is_deleted=True)


def nothing(cloud: Cloud) -> None:
    pass


ALL = set(provisioning.EVENT_TYPES)

# The check, what is changed at AWS, how it stands then, and a part of what is said.
CASES: list[tuple[str, Callable[[Cloud], None], Grade, str]] = [
    ("credentials", nothing, Grade.OK, "arn:aws:iam::123456789012:user/sandbox"),
    ("region", nothing, Grade.OK, "us-east-1"),
    ("clock", nothing, Grade.OK, "AWS"),
    ("clock", attribute(lambda cloud: cloud, "clock_ahead", 60.0), Grade.WARNING, " s behind AWS"),
    ("clock", attribute(lambda cloud: cloud, "clock_ahead", -400.0), Grade.FAIL, " s ahead of AWS"),
    ("account", nothing, Grade.OK, "healthy"),
    ("account", account(EnforcementStatus="PROBATION"), Grade.WARNING, "probation"),
    ("account", account(EnforcementStatus="SHUTDOWN"), Grade.FAIL, "stopped the account"),
    ("account", account(SendingEnabled=False), Grade.FAIL, "switched off"),
    ("production", nothing, Grade.OK, "production"),
    ("production", account(ProductionAccessEnabled=False), Grade.WARNING, "sandbox"),
    ("quota", nothing, Grade.OK, "0 of 1000000"),
    ("quota", attribute(lambda cloud: cloud.account, "sent", 800_000), Grade.WARNING, "800000 of 1000000"),
    ("quota", attribute(lambda cloud: cloud.account, "sent", 1_000_000), Grade.FAIL, "1000000 of 1000000"),
    ("quota", attribute(lambda cloud: cloud.account, "quota", -1.0), Grade.OK, "no limit a day"),
    ("suppression list", nothing, Grade.OK, "empty"),
    (
        "suppression list",
        set_on(lambda cloud: cloud.suppressed, "a@example.net", Entry("BOUNCE")),
        Grade.WARNING,
        "not compared",
    ),
    ("identities", nothing, Grade.OK, "example.com"),
    ("identities", set_on(lambda cloud: cloud.identities.states, "b.example", ("PENDING", False)), Grade.WARNING, "b.example"),
    ("identities", verified_behind_a_thousand, Grade.WARNING, "d0000.example: verification at SES is pending;"),
    ("identities", lambda cloud: cloud.identities.states.clear(), Grade.FAIL, "no domain"),
    ("DKIM", nothing, Grade.OK, "example.com"),
    ("DKIM", verified_behind_a_thousand, Grade.OK, "z.example"),
    ("DKIM", example_com(DkimAttributes={"Status": "PENDING"}), Grade.WARNING, "not signed for: example.com"),
    ("MAIL FROM", nothing, Grade.OK, "DKIM alone"),
    ("MAIL FROM", example_com(MailFromAttributes={"MailFromDomainStatus": "FAILED"}), Grade.WARNING, "example.com (failed)"),
    ("MAIL FROM", example_com(MailFromAttributes={"MailFromDomainStatus": "SUCCESS"}), Grade.OK, "example.com"),
    ("feedback forwarding", nothing, Grade.WARNING, "example.com"),
    ("feedback forwarding", example_com(FeedbackForwardingStatus=False), Grade.OK, "off"),
    ("configuration set", nothing, Grade.OK, SET),
    ("configuration set", lambda cloud: cloud.configuration_sets.clear(), Grade.FAIL, "does not exist"),
    ("configuration set", lambda cloud: cloud.configuration_sets.paused.add(SET), Grade.FAIL, "switched off"),
    ("event destination", nothing, Grade.OK, TOPIC),
    ("event destination", lambda cloud: cloud.configuration_sets.clear(), Grade.WARNING, "not looked at"),
    ("event destination", lambda cloud: cloud.configuration_sets[SET].clear(), Grade.FAIL, "nowhere"),
    ("event destination", set_on(destination, "SnsDestination", {"TopicArn": f"{TOPIC}-2"}), Grade.FAIL, f"{TOPIC}-2"),
    ("event destination", set_on(destination, "Enabled", False), Grade.FAIL, "switched off"),
    ("event types", nothing, Grade.OK, "SEND"),
    ("event types", set_on(destination, "MatchingEventTypes", sorted(ALL - {"SEND"})), Grade.FAIL, "SEND"),
    ("event types", set_on(destination, "MatchingEventTypes", sorted(ALL - {"COMPLAINT"})), Grade.FAIL, "COMPLAINT"),
    ("event types", set_on(destination, "MatchingEventTypes", sorted(ALL - {"DELIVERY"})), Grade.WARNING, "DELIVERY"),
    ("event types", set_on(destination, "MatchingEventTypes", sorted(ALL - {"OPEN", "CLICK"})), Grade.OK, "SEND"),
    ("topic", nothing, Grade.OK, TOPIC),
    ("topic", lambda cloud: cloud.topics.attributes.clear(), Grade.FAIL, "does not exist"),
    ("topic", policy_gone, Grade.FAIL, "does not let SES publish"),
    ("topic", policy_for_all, Grade.WARNING, "anybody's SES"),
    ("topic", set_on(lambda cloud: cloud.topics.attributes[TOPIC], "SignatureVersion", "1"), Grade.WARNING, "SHA-1"),
    ("topic", set_on(lambda cloud: cloud.topics.attributes[TOPIC], "KmsMasterKeyId", "alias/own"), Grade.WARNING, "encrypted"),
    ("subscription", nothing, Grade.OK, f"confirmed: {URL}/sns"),
    ("subscription", lambda cloud: cloud.topics.subscriptions.clear(), Grade.FAIL, "is not subscribed"),
    (
        "subscription",
        attribute(lambda cloud: cloud.topics.subscriptions[0], "is_deleted", True),
        Grade.FAIL,
        "is not subscribed",
    ),
    ("subscription", lambda cloud: cloud.topics.subscriptions.append(gone(cloud)), Grade.OK, f"confirmed: {URL}/sns"),
    (
        "subscription",
        attribute(lambda cloud: cloud.topics.subscriptions[0], "is_confirmed", False),
        Grade.FAIL,
        "is not confirmed",
    ),
    (
        "subscription",
        set_on(lambda cloud: cloud.topics.subscriptions[0].attributes, "RawMessageDelivery", "true"),
        Grade.FAIL,
        "raw delivery",
    ),
    (
        "subscription",
        lambda cloud: cloud.topics.subscriptions[0].attributes.clear(),
        Grade.WARNING,
        "gives up early",
    ),
    ("queues", nothing, Grade.OK, "webhook"),
]


@pytest.mark.parametrize(("check", "change", "grade", "words"), CASES)
async def test_each_check_sees_what_it_is_for(
    cloud: Cloud, check: str, change: Callable[[Cloud], None], grade: Grade, words: str
) -> None:
    change(cloud)
    finding = await found(check, settings(cloud))
    assert (finding.grade, words in finding.seen) == (grade, True), finding
    assert bool(finding.remedy) == (grade is not Grade.OK)


async def test_all_checks_that_aws_answers_have_a_case() -> None:
    of_this_machine = {
        "public URL",
        "SMTP certificate",
        "callbacks certificate",
        "api certificate",
        "ports",
        "disk",
        "store",
        "links",
    }
    assert {case[0] for case in CASES} == CHECKS.keys() - of_this_machine


SETTINGS: list[tuple[str, dict[str, str], Grade, str]] = [
    ("region", {"RELAY_SES__REGION": "eu-west-1"}, Grade.FAIL, "is not of eu-west-1"),
    ("configuration set", {"RELAY_SES__CONFIGURATION_SET": ""}, Grade.FAIL, "SES reports nothing"),
    ("event destination", {"RELAY_FEEDBACK__TOPICS": ""}, Grade.FAIL, "feedback.topics is empty"),
    ("subscription", {"RELAY_FEEDBACK__TOPICS": ""}, Grade.WARNING, "not looked at"),
    ("subscription", {"RELAY_CALLBACKS__PUBLIC_URL": ""}, Grade.FAIL, "neither callbacks.public_url nor"),
    ("public URL", {"RELAY_CALLBACKS__PUBLIC_URL": ""}, Grade.WARNING, "not looked at"),
    ("credentials", {"RELAY_SES__PROFILE": "nobodys"}, Grade.FAIL, "AWS does not know us"),
    ("quota", {"RELAY_SES__PROFILE": "nobodys"}, Grade.WARNING, "not looked at"),
    ("suppression list", {"RELAY_SUPPRESSION__SYNC_MINUTES": "60"}, Grade.OK, "every 60 minutes"),
    ("SMTP certificate", {"RELAY_SMTP__CERTIFICATE": "/nowhere/cert.pem"}, Grade.FAIL, "/nowhere/cert.pem does not exist"),
    ("callbacks certificate", {}, Grade.OK, "it speaks plain HTTP"),
    ("api certificate", {}, Grade.OK, "it speaks plain HTTP"),
    (
        "api certificate",
        {"RELAY_API__CERTIFICATE": "/nowhere/c.pem", "RELAY_API__KEY": "/nowhere/k.pem"},
        Grade.FAIL,
        "not exist",
    ),
    ("disk", {"RELAY_QUEUE__MIN_FREE_OCTETS": "1"}, Grade.OK, "GB free"),
    ("disk", {"RELAY_QUEUE__MIN_FREE_OCTETS": str(1 << 60)}, Grade.FAIL, "no mail is taken"),
    ("store", {"RELAY_STORE__PATH": "/proc/relay/relay.db"}, Grade.WARNING, "there is none yet"),
]


@pytest.mark.parametrize(("check", "changed", "grade", "words"), SETTINGS)
async def test_settings_that_do_not_fit_are_seen(
    cloud: Cloud, check: str, changed: dict[str, str], grade: Grade, words: str
) -> None:
    finding = await found(check, settings(cloud, **changed))
    assert (finding.grade, words in finding.seen) == (grade, True), finding


@pytest.mark.parametrize(
    ("key", "grade", "words"), [("", Grade.FAIL, "wanted by news"), (f"1:{'A' * 44}", Grade.OK, "wanted by news")]
)
async def test_links_that_a_login_wants_must_be_on(cloud: Cloud, tmp_path: Path, key: str, grade: Grade, words: str) -> None:
    opened = await SqliteStore.open(tmp_path / "relay.db")
    await opened.credentials.put(replace(APPLICATION, name="news", macros=Macros.FOOTER))
    await opened.close()
    url = "https://relay.example.com"
    changed = {"RELAY_STORE__PATH": str(tmp_path / "relay.db"), "RELAY_SECRETS__KEYS": key, "RELAY_CALLBACKS__PUBLIC_URL": url}
    finding = await found("links", settings(cloud, **changed))
    assert (finding.grade, "wanted by news" in finding.seen) == (grade, True), finding


async def test_a_wrong_key_is_one_failure_and_not_a_dozen(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    checks = {name: CHECKS[name] for name in ("credentials", "quota", "identities", "topic")}
    findings = await rounds.examine(Look(settings(cloud)), checks)
    assert [finding.grade for finding in findings[:4]] == [Grade.FAIL, *[Grade.WARNING] * 3]
    assert {(finding.seen, finding.remedy) for finding in findings[1:]} == {("not looked at", "mend `credentials` first")}
    assert findings[-1].check == "permissions"


@pytest.mark.parametrize(
    ("right", "grade"), [("ses:GetAccount", Grade.FAIL), ("sns:GetTopicAttributes", Grade.WARNING), ("", Grade.OK)]
)
async def test_a_right_that_is_missing_is_named(cloud: Cloud, right: str, grade: Grade) -> None:
    cloud.denied = {right}
    checks = {name: CHECKS[name] for name in ("quota", "topic")}
    *seen, permissions = await rounds.examine(Look(settings(cloud)), checks)
    assert permissions.grade is grade
    assert right in permissions.seen
    assert sum(bool(right) and right in finding.seen for finding in seen) == bool(right)


class AllBut(set[str]):
    """All rights but these."""

    def __contains__(self, right: object) -> bool:
        return not super().__contains__(right)


async def test_the_rights_of_the_doctor_are_enough_for_it(cloud: Cloud) -> None:
    actions = [action for statement in policy(Role.DOCTOR, SETUP)["Statement"] for action in statement["Action"]]
    cloud.denied = AllBut([*actions, "sts:GetCallerIdentity"])
    findings = await rounds.examine(Look(settings(cloud)), CHECKS)
    assert {finding.check: finding.grade for finding in findings}["permissions"] is Grade.OK
    assert not [finding for finding in findings if "not allowed" in finding.seen]


async def test_ses_may_ask_for_patience(cloud: Cloud) -> None:
    cloud.identities.faults.times = 1
    cloud.identities.faults.error = SesError(429, "TooManyRequestsException", "Too many requests")
    assert (await found("identities", settings(cloud))).grade is Grade.OK
    assert cloud.identities.faults.struck == 1


async def test_every_thing_is_asked_once(cloud: Cloud) -> None:
    checks = {name: CHECKS[name] for name in ("identities", "DKIM", "MAIL FROM", "feedback forwarding")}
    await rounds.examine(Look(settings(cloud)), checks)
    assert cloud.identities.lists == 1


async def test_a_check_that_hangs_or_breaks_is_a_finding(cloud: Cloud) -> None:
    async def hangs(look: Look) -> Verdict:
        await asyncio.Event().wait()
        raise AssertionError

    async def breaks(look: Look) -> Verdict:
        raise KeyError("a field that AWS left out")

    async def may_not(look: Look) -> Verdict:
        raise PermissionError(errno.EACCES, "Permission denied", "/srv/relay.db")

    checks = {"hangs": Check(hangs, 0.05), "breaks": Check(breaks), "rights": Check(may_not), "region": CHECKS["region"]}
    hung, broken, refused, sound, _ = await rounds.examine(Look(settings(cloud)), checks)
    assert (hung.grade, hung.seen) == (Grade.FAIL, "no answer within 0.05 s")
    assert broken.grade is Grade.FAIL
    assert "a field that AWS left out" in broken.seen
    assert (refused.grade, refused.seen) == (Grade.FAIL, "/srv/relay.db: Permission denied")
    assert "the relay's user" in refused.remedy
    assert sound.grade is Grade.OK


async def test_forwarding_that_was_switched_off_at_ses_is_off(cloud: Cloud) -> None:
    config = settings(cloud)
    ses = at_aws.sesv2(config, at_aws.session(config))
    off = {"EmailIdentity": "example.com", "EmailForwardingEnabled": False}
    await asyncio.to_thread(ses.put_email_identity_feedback_attributes, **off)
    assert (await found("feedback forwarding", config)).seen == "off"


@pytest.mark.parametrize("ahead", [400.0, -400.0])
async def test_a_clock_for_which_aws_refuses_us_is_the_reason_that_is_told(cloud: Cloud, ahead: float) -> None:
    cloud.checks_clock, cloud.clock_ahead = True, ahead
    findings = await rounds.examine(Look(settings(cloud)), {name: CHECKS[name] for name in ("credentials", "clock", "quota")})
    assert [finding.grade for finding in findings[:3]] == [Grade.FAIL, Grade.FAIL, Grade.WARNING]
    assert "NTP" in findings[1].remedy


async def test_aws_that_is_away_is_a_finding(cloud: Cloud) -> None:
    config = settings(cloud)
    await cloud.close_door()
    finding = await found("credentials", config)
    assert finding.grade is Grade.FAIL
    assert "Could not connect" in finding.seen


@asynccontextmanager
async def web_server(folder: Path, *, status: int, days: int, name: str = "localhost") -> AsyncIterator[int]:
    """Answers all with a status, under a certificate that is good for so many days."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "web.pem").write_bytes(
        pem + self_signed(key, name=name, now=time.time() - (90 - days) * 86400, days=90).public_bytes(Encoding.PEM)
    )
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(folder / "web.pem")
    app = web.Application()
    app.add_routes([web.route("*", "/{path:.*}", answer)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "days", "is_trusted", "grade", "words"),
    [
        (405, 90, True, Grade.OK, "ends in 90 days"),
        (405, 10, True, Grade.WARNING, "ends in 10 days"),
        (405, -2, True, Grade.FAIL, "expired"),
        (405, 90, False, Grade.FAIL, "SNS would not take its certificate"),
        (404, 90, True, Grade.FAIL, "that is not the relay"),
        (301, 90, True, Grade.FAIL, "that is not the relay"),
        (502, 90, True, Grade.FAIL, "answers 502"),
    ],
)
async def test_the_public_url_is_judged_as_sns_would(
    cloud: Cloud,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    days: int,
    is_trusted: bool,
    grade: Grade,
    words: str,
) -> None:
    async with web_server(tmp_path, status=status, days=days) as port:
        if is_trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "web.pem"))
        finding = await found("public URL", settings(cloud, RELAY_CALLBACKS__PUBLIC_URL=f"https://localhost:{port}"))
    assert (finding.grade, words in finding.seen) == (grade, True), finding


async def test_a_public_url_that_nobody_answers_is_a_failure(cloud: Cloud, unused_tcp_port: int) -> None:
    finding = await found("public URL", settings(cloud, RELAY_CALLBACKS__PUBLIC_URL=f"https://localhost:{unused_tcp_port}"))
    assert finding.grade is Grade.FAIL


@pytest.mark.parametrize(
    ("days", "grade", "words"),
    [(825, Grade.OK, "in 825 days"), (10, Grade.WARNING, "in 10 days"), (-2, Grade.FAIL, "ended 2 days ago")],
)
async def test_the_end_of_the_smtp_certificate_is_seen(
    cloud: Cloud, tmp_path: Path, days: int, grade: Grade, words: str
) -> None:
    pair = {"key_file": tmp_path / "key.pem", "certificate_file": tmp_path / "cert.pem"}
    make_server_pair(**pair, name="mail.example.com", now=time.time() - (825 - days) * 86400)
    named = {"RELAY_SMTP__CERTIFICATE": str(pair["certificate_file"]), "RELAY_SMTP__KEY": str(pair["key_file"])}
    finding = await found("SMTP certificate", settings(cloud, **named))
    assert (finding.grade, words in finding.seen) == (grade, True), finding


async def test_a_port_that_somebody_has_is_a_failure(cloud: Cloud, tmp_path: Path) -> None:
    taken = f"127.0.0.1:{cloud.port}"
    off = {"RELAY_SMTP__SUBMISSIONS": "", "RELAY_CALLBACKS__LISTEN": "", "RELAY_API__LISTEN": "", "RELAY_PRIVATE__LISTEN": ""}
    here = {**off, "RELAY_STORE__PATH": str(tmp_path / "relay.db")}
    finding = await found("ports", settings(cloud, RELAY_SMTP__SUBMISSION=taken, **here))
    assert (finding.grade, finding.seen) == (Grade.FAIL, f"smtp.submission {taken}: somebody listens there")
    assert (await found("ports", settings(cloud, RELAY_SMTP__SUBMISSION="127.0.0.1:0", **here))).grade is Grade.OK


async def test_a_database_that_is_none_is_a_failure(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "relay.db").write_bytes(b"no database at all" * 1000)
    finding = await found("store", settings(cloud, RELAY_STORE__PATH=str(tmp_path / "relay.db")))
    assert finding.grade is Grade.FAIL


def free_ports(factory: Callable[[], int]) -> dict[str, str]:
    webhook = f"127.0.0.1:{factory()}"
    return {
        "RELAY_CALLBACKS__LISTEN": webhook,
        "RELAY_CALLBACKS__PUBLIC_URL": f"http://{webhook}",
        "RELAY_SMTP__SUBMISSION": f"127.0.0.1:{factory()}",
    }


@pytest.fixture
async def scene(tmp_path: Path, unused_tcp_port_factory: Callable[[], int]) -> AsyncIterator[tuple[Relay, Cloud]]:
    """A relay that runs, and whose way back was set up by its own verb."""
    cloud = Cloud()
    await cloud.start()
    relay = Relay(tmp_path, cloud.port, **free_ports(unused_tcp_port_factory))
    cloud.topic = Topic(arn=TOPIC, key_file=tmp_path / "sns.key", endpoint="")
    cloud.topic.delay = 0.0
    await cloud.topic.start()
    await relay.start(APPLICATION)
    await relay.cli("aws", "setup")
    yield relay, cloud
    await relay.stop()
    await cloud.stop()


async def report_of(relay: Relay, *words: str) -> tuple[int, dict[str, Finding]]:
    status, told = await relay.cli("doctor", "--json", *words, check=False)
    return status, {finding.check: finding for finding in documents.read(Report, told).findings}


async def test_mail_to_the_simulator_proves_the_whole_way_and_leaves_nothing_behind(scene: tuple[Relay, Cloud]) -> None:
    relay, cloud = scene
    for _ in range(2):  # the second run finds nothing suppressed
        status, findings = await report_of(relay, "--send", "shop@example.com")
        assert status == 0, findings
        assert {finding.grade for finding in findings.values()} <= {Grade.OK, Grade.WARNING}
        assert findings["mail to complaint"].seen.startswith("send, delivery, complaint after")
    assert len(cloud.calls) == 6
    assert "simulator" not in (await relay.cli("suppression", "list"))[1]
    assert "disabled" in next(line for line in (await relay.cli("credential", "list"))[1].splitlines() if "doctor" in line)
    assert not relay.faults()


async def test_events_that_do_not_come_are_a_failure(scene: tuple[Relay, Cloud]) -> None:
    relay, cloud = scene
    [destination] = cloud.configuration_sets["tests"].values()
    destination["MatchingEventTypes"].remove("COMPLAINT")
    status, findings = await report_of(relay, "--send", "shop@example.com", "--wait", "5")
    assert status == 1
    assert findings["mail to success"].grade is Grade.OK
    assert findings["mail to complaint"].seen == "sent, but complaint did not come"


async def test_a_sender_that_ses_has_not_verified_is_refused_in_the_relays_words(scene: tuple[Relay, Cloud]) -> None:
    relay, _ = scene
    status, findings = await report_of(relay, "--send", "shop@example.org")
    assert status == 1
    assert findings["mail to bounce"].seen.startswith("not accepted: 554 5.7.1 Disallowed source address")


async def test_the_table_has_a_row_for_every_check_and_a_remedy_for_what_fails(tmp_path: Path) -> None:
    """AWS is away, no relay runs, nothing is set up: no traceback, and exit 1."""
    cloud = Cloud()
    await cloud.start()
    relay = Relay(tmp_path, cloud.port)
    await cloud.stop()
    status, shown = await relay.cli("doctor", "--send", "shop@example.com", check=False)
    assert status == 1
    assert "Traceback" not in shown
    for check in (*CHECKS, "permissions", "mail"):
        assert f"│ {check} " in shown
    assert "no relay runs here" in shown


async def test_who_may_not_mail_hears_so_in_the_report(cloud: Cloud, tmp_path: Path) -> None:
    """A lock that is a folder is one that even root cannot open."""
    relay = Relay(tmp_path, cloud.port)
    await relay.cli("migrate")
    lock = tmp_path / "relay.lock"
    lock.unlink()
    lock.mkdir()
    status, findings = await report_of(relay, "--send", "shop@example.com")
    assert status == 1
    assert (findings["mail"].grade, findings["mail"].remedy) == (Grade.FAIL, "run this as the relay's user, on its machine")


async def test_moto_shows_queues_and_what_lies_in_the_one_for_dead_letters(moto_port: int, tmp_path: Path) -> None:
    """SNS, SQS and STS are moto's, SES the sandbox's."""
    cloud = Cloud()
    await cloud.start()
    at_moto = f"http://127.0.0.1:{moto_port}"
    queue = f"{at_moto}/123456789012/relay-events"
    relay = Relay(tmp_path, cloud.port, RELAY_FEEDBACK__SNS_ENDPOINT=at_moto, RELAY_FEEDBACK__QUEUES=queue)
    _, findings = await report_of(relay)
    assert findings["queues"].seen == f"{queue} does not exist"
    await relay.cli("aws", "setup", "--transport", "sqs")
    _, findings = await report_of(relay)
    assert findings["credentials"].grade is Grade.OK
    assert findings["subscription"].seen == "confirmed: arn:aws:sqs:us-east-1:123456789012:relay-events"
    assert (findings["queues"].grade, findings["queues"].seen) == (Grade.OK, "0 wait in relay-events")
    assert findings["public URL"].grade is Grade.OK
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    sqs = boto3.client("sqs", endpoint_url=at_moto, **keys)
    await asyncio.to_thread(sqs.send_message, QueueUrl=f"{queue}-dead", MessageBody="nobody could keep it")
    _, findings = await report_of(relay)
    assert (findings["queues"].grade, findings["queues"].seen) == (Grade.WARNING, "1 messages lie in relay-events-dead")
    await cloud.stop()
