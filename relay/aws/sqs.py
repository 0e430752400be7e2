"""One queue of Amazon SQS: boto3 in threads, one try for each call.

Sources: SQS API reference (ReceiveMessage, DeleteMessageBatch, ChangeMessageVisibilityBatch, GetQueueAttributes) and SQS
developer guide, "Amazon SQS visibility timeout" and "Amazon SQS dead-letter queues".
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from relay.aws.threads import in_daemon
from relay.collector import HIDDEN_SECONDS
from relay.errors import QueueUnavailable
from relay.ports.event_queues import FULL, Queued

# A region's own endpoint, one in a VPC (vpce-1.sqs.REGION.vpce.amazonaws.com), and the oldest form.
_REGION = re.compile(r"(?:^|\.)sqs(?:-fips)?\.([a-z0-9-]+)\.|^([a-z0-9-]+)\.queue\.amazonaws\.")


def endpoint_and_region(url: str, region: str) -> tuple[str, str]:
    """Where the queue of a URL is asked for; in `region` where its host does not say."""
    parts = urlsplit(url)
    found = _REGION.search(parts.hostname or "")
    return f"{parts.scheme}://{parts.netloc}", (found[1] or found[2]) if found else region


class SqsQueue:
    """Implements ports.FeedbackQueue with a boto3 client, whose read time-out is beyond that of a long poll."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url
        self._is_closed = False

    @property
    def url(self) -> str:
        return self._url

    def close(self) -> None:
        self._is_closed = True

    async def receive(self, *, wait: int) -> tuple[Queued, ...]:
        options = {
            "MaxNumberOfMessages": FULL,
            "WaitTimeSeconds": wait,
            "VisibilityTimeout": int(HIDDEN_SECONDS),
            "MessageSystemAttributeNames": ["SentTimestamp"],
        }
        return await in_daemon(lambda: self._receive(options))

    def _receive(self, options: Mapping[str, Any]) -> tuple[Queued, ...]:
        answer = self._ask("receive_message", **options)
        try:
            messages = tuple(map(_queued, answer.get("Messages", ())))
        except (KeyError, ValueError) as error:
            raise QueueUnavailable("unreadable", f"messages without what belongs to them: {error!r}") from error
        if self._is_closed and messages:  # nobody is there to take them
            self._hide(messages, 0)
        return messages

    async def delete(self, messages: Collection[Queued]) -> tuple[Queued, ...]:
        entries = [{"Id": str(number), "ReceiptHandle": message.handle} for number, message in enumerate(messages)]
        answer = await in_daemon(lambda: self._ask("delete_message_batch", Entries=entries))
        failed = {entry.get("Id") for entry in answer.get("Failed", ())}  # the status is 200 for them as well
        return tuple(message for number, message in enumerate(messages) if str(number) in failed)

    async def hide(self, messages: Collection[Queued], seconds: float) -> None:
        if messages:
            await in_daemon(lambda: self._hide(messages, int(seconds)))

    def _hide(self, messages: Collection[Queued], seconds: int) -> None:
        entries = [
            {"Id": str(number), "ReceiptHandle": message.handle, "VisibilityTimeout": seconds}
            for number, message in enumerate(messages)
        ]
        self._ask("change_message_visibility_batch", Entries=entries)

    async def depth(self) -> int:
        return int((await self._attributes("ApproximateNumberOfMessages")).get("ApproximateNumberOfMessages", 0))

    async def dead_letters(self) -> SqsQueue | None:
        """It is of the same account and region, so its URL differs in nothing but the name."""
        policy = (await self._attributes("RedrivePolicy")).get("RedrivePolicy")
        if not policy:
            return None
        try:
            name = str(json.loads(policy)["deadLetterTargetArn"]).rpartition(":")[2]
        except (KeyError, TypeError, ValueError) as error:
            raise QueueUnavailable("unreadable", f"a redrive policy that cannot be read: {policy}") from error
        return SqsQueue(self._client, f"{self._url.rpartition('/')[0]}/{name}")

    async def _attributes(self, name: str) -> Mapping[str, str]:
        answer = await in_daemon(lambda: self._ask("get_queue_attributes", AttributeNames=[name]))
        found: Mapping[str, str] = answer.get("Attributes") or {}
        return found

    def _ask(self, verb: str, **options: Any) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = getattr(self._client, verb)(QueueUrl=self._url, **options)
        except ClientError as error:
            raise QueueUnavailable(str(error.response.get("Error", {}).get("Code", "")), str(error)) from error
        except BotoCoreError as error:
            raise QueueUnavailable(type(error).__name__, str(error)) from error
        except Exception as error:  # urllib3's, and those of an answer that cannot be read
            raise QueueUnavailable(type(error).__name__, repr(error)) from error
        return answer


def _queued(message: Mapping[str, Any]) -> Queued:
    sent_at = (message.get("Attributes") or {}).get("SentTimestamp", 0)  # milliseconds
    return Queued(
        id=message["MessageId"],
        handle=message["ReceiptHandle"],
        body=message["Body"],
        sent_at=int(sent_at) / 1000,
    )
