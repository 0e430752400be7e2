"""SNS, as far as we speak to it: confirming a subscription."""

from __future__ import annotations

from typing import Any

from relay.aws.threads import in_daemon
from relay.errors import TryAgain


class SnsTopics:
    """Implements ports.Topics with a boto3 client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def confirm(self, topic_arn: str, token: str) -> None:
        """AuthenticateOnUnsubscribe: without it anyone who sees an UnsubscribeURL could end the subscription."""
        try:
            await in_daemon(
                lambda: self._client.confirm_subscription(TopicArn=topic_arn, Token=token, AuthenticateOnUnsubscribe="true")
            )
        except Exception as error:  # botocore's, urllib3's, a credential process's, and those of an answer that is none of AWS
            raise TryAgain(f"ConfirmSubscription failed: {error!r}") from error
