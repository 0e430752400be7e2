"""Confirming a subscription, where what answers is not SNS or does not do it: the post is refused, and SNS posts it again."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectTimeoutError

from relay.aws import clients
from relay.aws.sns import SnsTopics
from relay.errors import TryAgain

DENIED = b"<ErrorResponse><Error><Code>AuthorizationError</Code><Message>not yours</Message></Error></ErrorResponse>"


def answered(status: int, body: bytes) -> AWSResponse:
    answer = AWSResponse("https://sns.us-east-1.amazonaws.com/", status, {"content-type": "text/html"}, None)
    answer._content = body
    return answer


def topics(answer: AWSResponse | Exception) -> SnsTopics:
    """Of a client that gets this answer; nothing is sent."""

    def give(**_: Any) -> AWSResponse:
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = clients.client(boto3.Session("key", "secret", region_name="us-east-1"), "sns", "")
    client.meta.events.register("before-send.sns.ConfirmSubscription", give)
    return SnsTopics(client)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (answered(200, b"<html><body>Please log in<br></body>"), "mismatched tag"),  # a proxy's, or a captive portal's
        (answered(200, b"no XML"), "syntax error"),
        (answered(403, DENIED), "not yours"),
        (ConnectTimeoutError(endpoint_url="https://sns"), "Connect timeout"),
        (OSError("a credential process is gone"), "is gone"),
    ],
)
async def test_what_is_not_confirmed_is_for_later(answer: AWSResponse | Exception, why: str) -> None:
    with pytest.raises(TryAgain, match=why):
        await topics(answer).confirm("arn:aws:sns:us-east-1:123456789012:topic", "token")


async def test_what_is_confirmed_is_so() -> None:
    body = b"<ConfirmSubscriptionResponse><ConfirmSubscriptionResult></ConfirmSubscriptionResult></ConfirmSubscriptionResponse>"
    await topics(answered(200, body)).confirm("arn:aws:sns:us-east-1:123456789012:topic", "token")
