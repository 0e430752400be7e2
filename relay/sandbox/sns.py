"""SNS in miniature: one topic, one HTTP subscription, confirmed through the API, then signed notifications.

Signs as the SNS developer guide says ("Verifying the signatures of Amazon SNS messages"); headers and retries as "Amazon SNS
message delivery retries" has them, but that it never gives up. Like SNS it may post twice and out of order.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import secrets
import ssl
import uuid
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_PATIENCE = aiohttp.ClientTimeout(total=15)  # an endpoint must answer within it
_SIGNED_OF_NOTIFICATION = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
_SIGNED_OF_CONFIRMATION = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
_CHANCE = random.SystemRandom()  # of its own: who runs it may count on the numbers of the other


class Topic:
    """Publishes to one webhook, over and over until it is taken: at once, then after pauses that double up to `longest_pause`.

    `delay` is the seconds between a fact and its post; `shuffle` breaks the order; `repeats` is the share of what is posted
    once more after it was taken. `posted` counts what was taken, `dropped` what the webhook refused for good.
    """

    def __init__(self, *, arn: str, key_file: Path, endpoint: str, signature_version: str = "2") -> None:
        # The key is the sandbox's own: to check its numbers takes 40 ms.
        key = load_pem_private_key(key_file.read_bytes(), None, unsafe_skip_rsa_key_validation=True)
        assert isinstance(key, rsa.RSAPrivateKey)
        self._key = key
        self.arn = arn
        self.endpoint = endpoint
        self.signature_version = signature_version
        self.delay = 0.05
        self.shuffle = False
        self.repeats = 0.0
        self.longest_pause = 60.0
        self.confirmed = asyncio.Event()
        self.posted = 0
        self.dropped = 0
        self._region = arn.split(":")[3]
        self._token = secrets.token_hex(32)
        self._http: aiohttp.ClientSession | None = None
        self._posts: set[asyncio.Task[None]] = set()
        self._order = asyncio.Lock()

    @property
    def pending(self) -> int:
        """Events that are not posted yet."""
        return len(self._posts)

    async def start(self) -> None:
        unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the sandbox's own listener has a certificate nobody signed
        unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=unverified), timeout=_PATIENCE)

    async def stop(self) -> None:
        for post in self._posts:
            post.cancel()
        await asyncio.gather(*self._posts, return_exceptions=True)
        if self._http:
            await self._http.close()

    async def subscribe(self) -> None:
        """Posts the confirmation; the webhook confirms through the API, which calls `confirm`."""
        message = (
            f"You have chosen to subscribe to the topic {self.arn}.\n"
            "To confirm the subscription, visit the SubscribeURL included in this message."
        )
        url = f"https://sns.{self._region}.amazonaws.com/?Action=ConfirmSubscription&TopicArn={self.arn}&Token={self._token}"
        envelope = self._envelope("SubscriptionConfirmation", message)
        envelope.update(Token=self._token, SubscribeURL=url)
        await self._deliver(self.sign(envelope, _SIGNED_OF_CONFIRMATION))

    def confirm(self, token: str) -> bool:
        """ConfirmSubscription was called."""
        if not secrets.compare_digest(token.encode(), self._token.encode()):
            return False
        self.confirmed.set()
        return True

    def publish(self, message: str) -> None:
        """Posts it in the background, in order unless `shuffle` is on, once the subscription is confirmed."""
        envelope = self._envelope("Notification", message)
        envelope["Subject"] = "Amazon SES Email Event Notification"
        post = asyncio.create_task(self._publish(self.sign(envelope, _SIGNED_OF_NOTIFICATION)))
        self._posts.add(post)
        post.add_done_callback(self._posts.discard)

    def sign(self, envelope: dict[str, str], keys: list[str]) -> dict[str, str]:
        """The envelope with its signature."""
        text = "".join(f"{key}\n{envelope[key]}\n" for key in keys if key in envelope)
        algorithm = hashes.SHA1() if self.signature_version == "1" else hashes.SHA256()  # noqa: S303 - as SNS does
        signature = self._key.sign(text.encode(), padding.PKCS1v15(), algorithm)
        host = f"https://sns.{self._region}.amazonaws.com"
        return {
            **envelope,
            "SignatureVersion": self.signature_version,
            "Signature": base64.b64encode(signature).decode(),
            "SigningCertURL": f"{host}/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
            "UnsubscribeURL": f"{host}/?Action=Unsubscribe&SubscriptionArn={self.arn}:{uuid.UUID(int=1)}",
        }

    def _envelope(self, kind: str, message: str) -> dict[str, str]:
        now = datetime.now(UTC)
        return {
            "Type": kind,
            "MessageId": str(uuid.uuid4()),
            "TopicArn": self.arn,
            "Message": message,
            "Timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z",
        }

    async def _publish(self, envelope: dict[str, str]) -> None:
        await self.confirmed.wait()
        if self.shuffle:
            await asyncio.sleep(self.delay + _CHANCE.random())
            await self._deliver(envelope)
        else:
            async with self._order:
                await asyncio.sleep(self.delay)
                await self._deliver(envelope)
        if _CHANCE.random() < self.repeats:
            await self._deliver(envelope)

    async def _deliver(self, envelope: dict[str, str]) -> None:
        """2xx is delivered; 5xx, 429 and no answer are tried again; all else is dropped."""
        pause = self.longest_pause / 64
        wait = 0.0
        while (status := await self._post(envelope)) >= 500 or status == 429:
            await asyncio.sleep(wait)
            wait, pause = pause, min(2 * pause, self.longest_pause)
        self.posted += status < 300
        self.dropped += status >= 300

    async def _post(self, envelope: dict[str, str]) -> int:
        """The status; 503 for none."""
        assert self._http
        headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "User-Agent": "Amazon Simple Notification Service Agent",
            "x-amz-sns-message-type": envelope["Type"],
            "x-amz-sns-message-id": envelope["MessageId"],
            "x-amz-sns-topic-arn": self.arn,
        }
        try:
            async with self._http.post(self.endpoint, data=json.dumps(envelope), headers=headers) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 503
