"""The sandbox is checked against software that is not ours: boto3 speaks to it, sns-validator judges its signatures."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography import x509

from relay import sns_message
from relay.errors import Unreadable, Untrusted
from relay.sandbox.cloud import ACCESS_KEYS, Cloud
from relay.sandbox.events import Call, compose
from relay.sandbox.sns import _SIGNED_OF_CONFIRMATION, _SIGNED_OF_NOTIFICATION, Topic
from relay.security.certificates import make_signing_pair
from tests.e2e.test_clients import needs
from tests.harness import TOPIC, mail

ROOT = Path(__file__).parents[2]
TAGS = [{"Name": "relay_id", "Value": "x"}]


@pytest.fixture
async def far_side() -> AsyncIterator[tuple[Cloud, Any]]:
    cloud = Cloud()
    port = await cloud.start()
    key, secret = next(iter(ACCESS_KEYS.items()))
    client = boto3.client(
        "sesv2",
        region_name="us-east-1",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )
    yield cloud, client
    await cloud.stop()


async def test_boto3_sends_through_the_sandbox(far_side: tuple[Cloud, Any]) -> None:
    cloud, ses = far_side
    content = mail()
    answer = await asyncio.to_thread(
        ses.send_email,
        FromEmailAddress="shop@example.com",
        Destination={"ToAddresses": ["reader@example.net"]},
        Content={"Raw": {"Data": content}},
        EmailTags=TAGS,
    )
    [call] = cloud.calls
    assert (answer["MessageId"], content) == (call.ses_message_id, call.raw)


async def test_boto3_reads_account_and_suppression_list(far_side: tuple[Cloud, Any]) -> None:
    _, ses = far_side
    account = await asyncio.to_thread(ses.get_account)
    assert account["SendQuota"]["MaxSendRate"] == 200.0
    await asyncio.to_thread(ses.put_suppressed_destination, EmailAddress="a+b@example.net", Reason="BOUNCE")
    found = await asyncio.to_thread(ses.get_suppressed_destination, EmailAddress="a+b@example.net")
    assert found["SuppressedDestination"]["Reason"] == "BOUNCE"
    listed = await asyncio.to_thread(ses.list_suppressed_destinations, Reasons=["BOUNCE"])
    assert [row["EmailAddress"] for row in listed["SuppressedDestinationSummaries"]] == ["a+b@example.net"]
    await asyncio.to_thread(ses.delete_suppressed_destination, EmailAddress="a+b@example.net")
    with pytest.raises(ses.exceptions.NotFoundException):
        await asyncio.to_thread(ses.get_suppressed_destination, EmailAddress="a+b@example.net")


async def test_boto3_reads_identities_page_by_page(far_side: tuple[Cloud, Any]) -> None:
    cloud, ses = far_side
    cloud.identities.states |= {f"d{number:04}.example": ("PENDING", False) for number in range(2500)}
    rows: list[dict[str, Any]] = []
    answer: dict[str, Any] = {"NextToken": ""}
    while "NextToken" in answer:
        page = {"NextToken": answer["NextToken"]} if answer["NextToken"] else {}
        answer = await asyncio.to_thread(ses.list_email_identities, PageSize=1000, **page)
        rows += answer["EmailIdentities"]
    assert (len(rows), cloud.identities.lists) == (2501, 3)
    assert rows[-1] == {
        "IdentityName": "example.com",
        "IdentityType": "DOMAIN",
        "VerificationStatus": "SUCCESS",
        "SendingEnabled": True,
    }


async def test_boto3_reads_one_identity_and_learns_of_none(far_side: tuple[Cloud, Any]) -> None:
    cloud, ses = far_side
    cloud.identities.states["a+b@example.net"] = ("PENDING", False)
    found = await asyncio.to_thread(ses.get_email_identity, EmailIdentity="a+b@example.net")
    assert (found["IdentityType"], found["VerificationStatus"]) == ("EMAIL_ADDRESS", "PENDING")
    with pytest.raises(ses.exceptions.NotFoundException):
        await asyncio.to_thread(ses.get_email_identity, EmailIdentity="other@example.net")


async def test_boto3_makes_identities_that_wait_to_be_verified(far_side: tuple[Cloud, Any]) -> None:
    cloud, ses = far_side
    for name, kind in (("a+b@example.net", "EMAIL_ADDRESS"), ("example.org", "DOMAIN")):
        made = await asyncio.to_thread(ses.create_email_identity, EmailIdentity=name)
        assert (made["IdentityType"], made["VerifiedForSendingStatus"]) == (kind, False)
        found = await asyncio.to_thread(ses.get_email_identity, EmailIdentity=name)
        assert found["VerificationStatus"] == "PENDING"
        tokens = [len(set(each["DkimAttributes"].get("Tokens", ()))) for each in (made, found)]
        assert tokens == ([3, 3] if kind == "DOMAIN" else [0, 0])
        with pytest.raises(ses.exceptions.AlreadyExistsException):
            await asyncio.to_thread(ses.create_email_identity, EmailIdentity=name)
    for name in ("no address", "@example.net", "a@b@example.net"):
        with pytest.raises(ses.exceptions.BadRequestException):
            await asyncio.to_thread(ses.create_email_identity, EmailIdentity=name)
    assert set(cloud.identities.states) == {"example.com", "a+b@example.net", "example.org"}


async def test_boto3_gets_errors_it_knows(far_side: tuple[Cloud, Any]) -> None:
    _, ses = far_side
    with pytest.raises(ses.exceptions.BadRequestException):
        await asyncio.to_thread(
            ses.send_email,
            FromEmailAddress="shop@example.com",
            Destination={"ToAddresses": ["reader@example.net"]},
            Content={"Raw": {"Data": b"Subject: no from\r\n\r\n"}},
        )


@pytest.mark.parametrize(("octets", "taken"), [(998, True), (999, False)])
async def test_a_line_may_have_1000_octets_with_its_end(far_side: tuple[Cloud, Any], octets: int, taken: bool) -> None:
    cloud, ses = far_side
    request = {
        "FromEmailAddress": "shop@example.com",
        "Destination": {"ToAddresses": ["reader@example.net"]},
        "Content": {"Raw": {"Data": mail(body="short\r\n" * 300 + "x" * octets + "\r\nshort\r\n")}},
    }
    with nullcontext() if taken else pytest.raises(ClientError, match="more than 1000 bytes"):
        await asyncio.to_thread(ses.send_email, **request)
    assert len(cloud.calls) == taken


async def test_a_wrong_secret_is_refused(far_side: tuple[Cloud, Any]) -> None:
    _, ses = far_side
    key = next(iter(ACCESS_KEYS))
    stranger = boto3.client(
        "sesv2",
        region_name="us-east-1",
        endpoint_url=ses.meta.endpoint_url,
        aws_access_key_id=key,
        aws_secret_access_key="wrong",
    )
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        await asyncio.to_thread(stranger.get_account)


def _envelopes(topic: Topic, call: Call) -> list[dict[str, Any]]:
    envelopes = []
    for version in ("1", "2"):
        topic.signature_version = version
        event = topic._envelope("Notification", compose("delivery", call, "reader@example.net"))
        envelopes.append(topic.sign({**event, "Subject": "Amazon SES Email Event Notification"}, _SIGNED_OF_NOTIFICATION))
        envelopes.append(topic.sign(event, _SIGNED_OF_NOTIFICATION))
        confirmation = {**topic._envelope("SubscriptionConfirmation", "You\nmay"), "Token": "t", "SubscribeURL": "https://x"}
        envelopes.append(topic.sign(confirmation, _SIGNED_OF_CONFIRMATION))
    return envelopes


async def _judged_by_sns_validator(envelopes: Sequence[dict[str, Any]], certificate: Path) -> list[str]:
    """Valid or invalid, each. Skips where it is not installed."""
    node = needs("node")
    if not (ROOT / ".node/node_modules/sns-validator").is_dir():
        assert os.environ.get("RELAY_CLIENTS") != "required"
        pytest.skip("sns-validator is not installed")
    process = await asyncio.create_subprocess_exec(
        node,
        str(ROOT / "tests/e2e/node/judge_sns.js"),
        str(certificate),
        env={**os.environ, "NODE_PATH": str(ROOT / ".node/node_modules")},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate("\n".join(map(json.dumps, envelopes)).encode())
    return output.decode().split()


async def test_sns_validator_finds_our_signatures_valid_and_tampered_ones_not(
    far_side: tuple[Cloud, Any], tmp_path: Path
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make_signing_pair(key_file=key, certificate_file=certificate, name="sns", now=1.7e9)
    cloud, _ = far_side
    await test_boto3_sends_through_the_sandbox(far_side)
    good = _envelopes(Topic(arn=TOPIC, key_file=key, endpoint=""), cloud.calls[0])
    bad = [{**envelope, "Message": envelope["Message"] + " "} for envelope in good]
    assert await _judged_by_sns_validator(good + bad, certificate) == ["valid"] * len(good) + ["invalid"] * len(bad)


def _generated(topic: Topic, chance: random.Random) -> dict[str, Any]:
    """A genuine message. sns-validator leaves the Token of an UnsubscribeConfirmation out of what is signed: none of those."""
    topic.signature_version = chance.choice("12")
    kind = chance.choice(["Notification", "SubscriptionConfirmation"])
    envelope = topic._envelope(kind, "".join(chance.choices('ab "\\/\n\t\u00e9\u20ac\U0001f600{}', k=chance.randrange(300))))
    if kind == "Notification":
        subject = {"Subject": "Amazon SES Email Event Notification"} if chance.random() < 0.5 else {}
        return topic.sign(envelope | subject, _SIGNED_OF_NOTIFICATION)
    confirmation = {"Token": f"{chance.getrandbits(256):x}", "SubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=x"}
    return topic.sign(envelope | confirmation, _SIGNED_OF_CONFIRMATION)


def _tampered(envelope: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """One thing of it changed: what is signed, by what, or where its certificate is."""
    signed = _SIGNED_OF_NOTIFICATION if envelope["Type"] == "Notification" else _SIGNED_OF_CONFIRMATION
    key = chance.choice(
        [*(set(signed) & set(envelope) - {"Type", "TopicArn"}), "Signature", "SignatureVersion", "SigningCertURL"]
    )
    others: dict[str, Callable[[str], str]] = {
        "Signature": lambda text: ("A" if text[0] != "A" else "B") + text[1:],
        "SignatureVersion": lambda text: {"1": "2", "2": "1"}[text],
        "SigningCertURL": lambda text: text.replace("amazonaws.com/", "amazonaws.com.evil.example/"),
    }
    change = others.get(key, "{}x".format)
    return envelope | {key: change(envelope[key])}


def _judged_by_us(envelope: dict[str, Any], certificate: x509.Certificate) -> str:
    try:
        message = sns_message.read(json.dumps(envelope).encode())
        sns_message.check_origin(message, topics=[TOPIC], versions=["1", "2"])
        sns_message.verify(message, certificate, now=1.7e9)
    except (Unreadable, Untrusted):
        return "invalid"
    return "valid"


async def test_sns_validator_and_the_relay_agree_on_200_messages(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make_signing_pair(key_file=key, certificate_file=certificate, name="sns", now=1.7e9)
    topic, chance = Topic(arn=TOPIC, key_file=key, endpoint=""), random.Random(6)
    good = [_generated(topic, chance) for _ in range(100)]
    bad = [_tampered(_generated(topic, chance), chance) for _ in range(100)]
    loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
    ours = [_judged_by_us(envelope, loaded) for envelope in good + bad]
    assert ours == ["valid"] * 100 + ["invalid"] * 100
    assert await _judged_by_sns_validator(good + bad, certificate) == ours
