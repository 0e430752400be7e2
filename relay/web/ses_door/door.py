"""The one way into the SES door: whose signature it is, what is meant, the answer as SES gives it.

Whoever cannot sign learns nothing but what is wrong with his signature. A fault of ours is 5xx with a line in the log.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from aiohttp import web

from relay import journal, metrics
from relay.credential import Credential, Scope
from relay.errors import Refused, RelayError, Unsealable
from relay.model import Receipt
from relay.receiving import Budget
from relay.refusals import Refusals
from relay.signed_logins import Claimant, SignedLogin
from relay.sigv4 import Request
from relay.web import bodies
from relay.web.ses_door.calls import Action, Asked, Caller, Dialect
from relay.web.ses_door.faults import Kind, SesFault, fault, unread
from relay.windows import Window

_IN_THREAD = 256 * 1024  # hashing more than this would be felt by other connections
_INVOCATION = "amz-sdk-invocation-id"  # the same for all tries of one call, by all SDKs of AWS
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Octets of a body, octets of a message, and calls of a login in a minute."""

    body: int
    message: int


class SesDoor:
    """Both APIs, at the paths that they have at SES. `calls` are those of logins in a minute, by whatever door."""

    def __init__(
        self,
        *,
        query: Dialect,
        rest: Dialect,
        login: SignedLogin,
        refusals: Refusals,
        limits: Limits,
        calls: Window,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._query = query
        self._rest = rest
        self._login = login
        self._refusals = refusals
        self._limits = limits
        self._monotonic = monotonic
        self._calls = calls
        self._budget = Budget(4 * limits.body)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/", lambda request: self._receive(request, self._query)),
            web.route("*", r"/v2/email{rest:(?:/(?s:.*))?}", lambda request: self._receive(request, self._rest)),
        ]

    async def _receive(self, request: web.Request, dialect: Dialect) -> web.Response:
        request_id = str(uuid.uuid4())
        try:
            response = await self._work(request, dialect, request_id)
        except SesFault as found:
            response = _refused(dialect, found, request_id)
        except ConnectionError:
            raise
        except Exception:
            journal.bug(f"a call of the SES door failed: {request.method} {request.path}")
            response = _refused(dialect, SesFault(Kind.OUR_FAULT, "A fault of the relay. Try again later."), request_id)
        response.headers["x-amzn-RequestId"] = request_id
        response.headers["Cache-Control"] = "no-store"
        metrics.api_requests.labels("ses", f"{response.status // 100}xx").inc()
        return response

    async def _work(self, request: web.Request, dialect: Dialect, request_id: str) -> web.Response:
        came = _as_it_came(request)
        try:
            claimant = await self._login.claimant(came, peer=request.remote or "")
            bodies.size(request, self._limits.body)
            with self._arriving() as take:
                body = await bodies.read(request, self._limits.body, take=take)
                caller = await self._caller(request, came, claimant, body)
                asked = Asked(method=came.method, path=came.path, query=came.query, body=body)
                action = await dialect.read(asked)
                _check_scope(action, caller.credential)
                content_type, answer = dialect.result(action, await self._done(action, caller), request_id)
        except bodies.Unread as error:
            raise unread(error, most=self._limits.body) from None
        except RelayError as error:
            if isinstance(error, Unsealable):
                journal.trouble("an access key cannot be used", error)
            raise fault(error, most=self._limits.message) from None
        return web.Response(body=answer, headers={"Content-Type": content_type})

    @contextmanager
    def _arriving(self) -> Iterator[Callable[[int], None]]:
        """Counts what has come, not what is said to come: whose key it is anybody can say. What it gives raises NoRoom."""
        taken = 0

        def take(count: int) -> None:
            nonlocal taken
            self._budget.take(count)
            taken += count

        try:
            yield take
        finally:
            self._budget.give_back(taken)

    async def _caller(self, request: web.Request, came: Request, claimant: Claimant, body: bytes) -> Caller:
        """Raises BadSignature or SesFault."""
        digest = await asyncio.to_thread(_digest, body) if len(body) > _IN_THREAD else _digest(body)
        agent = _NO_TEXT.sub("?", request.headers.get("User-Agent", ""))[:200]
        credential = await self._login.check(claimant, came, payload_sha256=digest, agent=agent)
        now = self._monotonic()
        if self._calls.is_full(credential.name, now):
            raise SesFault(Kind.TOO_FAST, "Rate exceeded")
        self._calls.add(credential.name, now)
        receipt = _receipt(came, claimant, digest)
        return Caller(credential=credential, peer=claimant.peer, region=claimant.claim.region, receipt=receipt)

    async def _done(self, action: Action, caller: Caller) -> Mapping[str, Any]:
        """Raises SesFault."""
        try:
            return await action.does(caller)
        except RelayError as error:
            if isinstance(error, Refused) and action.scope is Scope.MESSAGES:
                self._refusals.note(error, caller.credential.name)
            raise fault(error, most=self._limits.message, region=caller.region) from None


def _as_it_came(request: web.Request) -> Request:
    return Request.of(request.method, request.raw_path, request.headers.items())


def _digest(body: bytes) -> str:
    return sha256(body).hexdigest()


def _check_scope(action: Action, credential: Credential) -> None:
    """Raises SesFault."""
    if action.scope not in credential.scopes:
        text = f"Login {credential.name} is not authorized to perform: ses:{action.name} (it lacks the scope {action.scope})"
        raise SesFault(Kind.DENIED, text)


def _receipt(came: Request, claimant: Claimant, digest: str) -> Receipt:
    """The same for the same signature: who sends a request once more, its owner or a stranger, gets the answer that there was.
    And for all tries of one call, whose signatures differ: each SDK gives them one id.
    """
    fingerprint = sha256(f"{came.path}\n{digest}".encode("utf-8", "surrogateescape")).digest()
    tries = ",".join(came.all(_INVOCATION))
    key = sha256(fingerprint + tries.encode("utf-8", "surrogateescape")).hexdigest()
    return Receipt(f"signature {claimant.claim.signature}", fingerprint, f"call {key}" if tries else "")


def _refused(dialect: Dialect, found: SesFault, request_id: str) -> web.Response:
    status, headers, body = dialect.fault(found, request_id)
    return web.Response(status=status, body=body, headers=headers)
