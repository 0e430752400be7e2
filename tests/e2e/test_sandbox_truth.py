"""The sandbox is checked against software that is not ours: boto3 speaks to it, sns-validator judges its signatures."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

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


async def test_sns_validator_finds_our_signatures_valid_and_tampered_ones_not(
    far_side: tuple[Cloud, Any], tmp_path: Path
) -> None:
    node = needs("node")
    if not (ROOT / ".node/node_modules/sns-validator").is_dir():
        assert os.environ.get("RELAY_CLIENTS") != "required"
        pytest.skip("sns-validator is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make_signing_pair(key_file=key, certificate_file=certificate, name="sns", now=1.7e9)
    cloud, _ = far_side
    await test_boto3_sends_through_the_sandbox(far_side)
    good = _envelopes(Topic(arn=TOPIC, key_file=key, endpoint=""), cloud.calls[0])
    bad = [{**envelope, "Message": envelope["Message"] + " "} for envelope in good]
    process = await asyncio.create_subprocess_exec(
        node,
        str(ROOT / "tests/e2e/node/judge_sns.js"),
        str(certificate),
        env={**os.environ, "NODE_PATH": str(ROOT / ".node/node_modules")},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    lines = "\n".join(json.dumps(envelope) for envelope in good + bad)
    output, _ = await process.communicate(lines.encode())
    assert output.decode().split() == ["valid"] * len(good) + ["invalid"] * len(bad)
