"""The webhook of Amazon SNS. The status decides what SNS does next.

SNS developer guide, "Amazon SNS message delivery retries": 2xx is delivered, 5xx and 429 are repeated, any other 4xx is
dropped for good. So 4xx only for what must be dropped, 503 for every trouble of our own. 401 makes SNS post once more, with
the credentials of the subscription's URL: only where there are some.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
from dataclasses import dataclass, field

from aiohttp import web

from relay import journal, metrics
from relay.errors import StoreUnavailable, TryAgain, Unreadable, Untrusted
from relay.feedback import Feedback
from relay.web.callbacks.refusals import RefusedPosts

_AT_ONCE = 500  # posts in work: more would not be answered within the 15 seconds that SNS waits
_BODY_SECONDS = 10.0
_STATUS: dict[type[Exception], int] = {Unreadable: 400, Untrusted: 403, TryAgain: 503, StoreUnavailable: 503}


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where SNS posts, and what it must know. Without a password anybody may knock, and genuine is what is signed."""

    path: str = "/sns"
    user: str = ""
    password: str = field(default="", repr=False)
    takes_raw: bool = False

    def is_open_to(self, authorization: str) -> bool:
        """Whether the header has the right words. RFC 7617."""
        expected = base64.b64encode(f"{self.user}:{self.password}".encode())
        scheme, _, given = authorization.partition(" ")
        is_right = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), expected)
        return not self.password or (scheme.lower() == "basic" and is_right)


class Webhook:
    """POST to the door's path."""

    def __init__(self, feedback: Feedback, door: Door, refused: RefusedPosts) -> None:
        self._feedback = feedback
        self._door = door
        self._refused_posts = refused
        self._at_work = 0

    def routes(self) -> list[web.RouteDef]:
        return [web.post(self._door.path, self._receive)]

    async def _receive(self, request: web.Request) -> web.Response:
        answer = await self._answered(request)
        metrics.sns_posts.labels(str(answer.status)).inc()
        return answer

    async def _answered(self, request: web.Request) -> web.Response:
        authorization = request.headers.get("Authorization", "")
        if not self._door.is_open_to(authorization):
            # SNS asks like this each time before it tells who it is: only who tells it wrongly is worth a line.
            answer = self._refused(request, 401, "wrong credentials" if authorization else "")
            answer.headers["WWW-Authenticate"] = 'Basic realm="relay"'
            return answer
        if request.headers.get("Content-Encoding"):
            return self._refused(request, 415, "an encoded body")
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await request.read()
        except TimeoutError:
            return self._refused(request, 408, "a body that does not come")
        except web.HTTPRequestEntityTooLarge:
            return self._refused(request, 413, "a body that is too large")
        if self._at_work >= _AT_ONCE:
            return self._refused(request, 429, "too many posts at once")
        return await self._work(request, body)

    async def _work(self, request: web.Request, body: bytes) -> web.Response:
        self._at_work += 1
        try:
            await self._take(request, body)
        except tuple(_STATUS) as error:
            status = next(status for kind, status in _STATUS.items() if isinstance(error, kind))
            return self._refused(request, status, str(error))
        finally:
            self._at_work -= 1
        return web.Response(status=200)

    async def _take(self, request: web.Request, body: bytes) -> None:
        """Of all headers but one the body knows better: they are not signed."""
        if request.headers.get("x-amz-sns-rawdelivery", "").lower() != "true":
            await self._feedback.receive(body)
        elif self._door.takes_raw:
            id, topic = (request.headers.get(f"x-amz-sns-{name}", "") for name in ("message-id", "topic-arn"))
            await self._feedback.receive_raw_post(body, id=id, topic=topic)
        else:
            raise Untrusted("raw delivery bears no signature and is not taken")

    def _refused(self, request: web.Request, status: int, why: str) -> web.Response:
        if why:
            peer = request.remote or ""
            journal.feedback_refused(peer=peer, why=f"{status} {why}")
            self._refused_posts.note(peer=peer, status=status, why=why)
        return web.Response(status=status)
