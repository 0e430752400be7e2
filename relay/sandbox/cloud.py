"""The AWS endpoints in miniature on one port: SES v2 (SendEmail, GetAccount, suppression list, identities, configuration sets),
topics and subscriptions of SNS, and of STS GetCallerIdentity.

What it accepted is its own log, the only truth about what was delivered: `GET /sandbox/calls`, `GET /sandbox/raw/{id}`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, TextIO
from urllib.parse import parse_qs

from aiohttp import web

from relay.sandbox import mailbox
from relay.sandbox.account import SendingAccount
from relay.sandbox.configuration_sets import ConfigurationSets
from relay.sandbox.denials import action_of, denied
from relay.sandbox.events import ACCOUNT, Call, compose, kind_of
from relay.sandbox.faults import NONE, Faults, Reset, SesError, cut
from relay.sandbox.identities import IdentityBook
from relay.sandbox.signature import expired, fault_of, has_ended
from relay.sandbox.sns import Topic
from relay.sandbox.suppressed import SuppressionList
from relay.sandbox.topics import TopicBook, answered, refused

ACCESS_KEYS = {"AKIASANDBOX": "sandbox-secret"}
CALLER = f"arn:aws:iam::{ACCOUNT}:user/sandbox"

_MAX_BODY = 80 * 1024 * 1024
_MAX_MESSAGE = 40 * 1024 * 1024
_MAX_LINE = 1000  # with its CRLF
_KEPT_CALLS = 100_000
_SEND_EMAIL = "/v2/email/outbound-emails"
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Cloud:
    """On loopback from `start` to `stop`. `log` gets a JSON line per accepted call; `rate` and `quota` are the account's.

    `plan` has the faults of SendEmail: the first that strikes a call is that call's. `faults` is the one that is always there.
    With `checks_clock` signatures are good for five minutes, as at AWS, by a clock that is `clock_ahead` seconds ahead of ours.
    Session tokens in `revoked` are good no more, whatever they say. Who calls may do all but what is `denied`: IAM actions.
    """

    def __init__(
        self, *, rate: float = 200.0, quota: float = 1_000_000.0, log: TextIO | None = None, keep_bodies: bool = True
    ) -> None:
        self.account = SendingAccount(rate=rate, quota=quota)
        self.topic: Topic | None = None
        self.calls: deque[Call] = deque(maxlen=_KEPT_CALLS)
        self.accepted = 0
        self.checks_clock = False
        self.clock_ahead = 0.0
        self.revoked: set[str] = set()
        self.suppressed = SuppressionList()
        self.faults = Faults()
        self.plan = [self.faults]
        self.identities = IdentityBook()
        self.topics = TopicBook(lambda: self.topic)
        self.configuration_sets = ConfigurationSets(self._publish)
        self.denied: set[str] = set()
        self._log = log
        self._keep_bodies = keep_bodies
        app = web.Application(client_max_size=_MAX_BODY, middlewares=[self._cut_short, self._check_signature])
        app.add_routes(
            [
                web.post(_SEND_EMAIL, self._send_email),
                *self.account.routes(),
                *self.suppressed.routes(),
                *self.identities.routes(),
                *self.configuration_sets.routes(),
                web.post("/", self._query),
                web.get("/sandbox/calls", self._show_calls),
                web.get("/sandbox/raw/{id}", self._show_raw),
            ]
        )
        app.on_response_prepare.append(self._add_date)
        self._app = app
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, port: int = 0) -> int:
        """Opens the door; returns its port."""
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.port = self._runner.addresses[0][1]
        return self.port

    async def close_door(self) -> None:
        """AWS is gone, until the next `start`; what was accepted is kept."""
        if self._runner:
            await self._runner.cleanup()

    async def stop(self) -> None:
        await self.topics.stop()
        if self.topic:
            await self.topic.stop()
        await self.close_door()

    @web.middleware
    async def _cut_short(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        fault = next((fault for fault in self.plan if request.path == _SEND_EMAIL and fault.cuts_short()), None)
        if fault is None:
            return await handler(request)
        if fault.reset == "within":
            await request.content.readexactly((request.content_length or 0) // 2)
        return cut(request)

    @web.middleware
    async def _check_signature(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/sandbox/"):
            return await handler(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        url = f"http://{request.host}{request.raw_path}"
        fault = fault_of(request.method, url, headers, await request.read(), keys=ACCESS_KEYS)
        if fault:
            return _refused(request, fault, "The request signature we calculated does not match the one you provided.")
        token = headers.get("x-amz-security-token", "")
        if token in self.revoked or has_ended(token, self._now()):
            return _refused(request, "ExpiredTokenException", "The security token included in the request is expired")
        if self.checks_clock and (text := expired(headers, self._now())):
            return _refused(request, "InvalidSignatureException", text)
        if self.denied and (action := action_of(request, await request.read())) in self.denied:
            return denied(action, CALLER)
        return await handler(request)

    def _now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.clock_ahead)

    async def _add_date(self, request: web.Request, answer: web.StreamResponse) -> None:
        answer.headers["Date"] = format_datetime(self._now(), usegmt=True)

    async def _send_email(self, request: web.Request) -> web.StreamResponse:
        if self.faults.latency:
            await asyncio.sleep(self.faults.latency)
        body = await request.read()
        fault = next((fault for fault in self.plan if fault.strikes(body)), NONE)
        try:
            await fault.before()
            call = self._read_call(json.loads(body))
            self._accept(call)
            await fault.after()
        except Reset:
            return cut(request)
        except SesError as error:
            return error.response()
        answer = json.dumps({"MessageId": call.ses_message_id}).encode() if fault.answer is None else fault.answer
        return web.Response(body=answer, content_type="application/json")

    def _read_call(self, request: dict[str, Any]) -> Call:
        recipients = tuple(request.get("Destination", {}).get("ToAddresses", []))
        tags = {tag["Name"]: tag["Value"] for tag in request.get("EmailTags", [])}
        if not recipients or not request.get("FromEmailAddress"):
            raise SesError(400, "BadRequestException", "There are no recipients specified.")
        if not all(_TAG.fullmatch(name) and _TAG.fullmatch(value) for name, value in tags.items()):
            raise SesError(400, "BadRequestException", "Invalid tag.")
        try:
            raw = base64.b64decode(request["Content"]["Raw"]["Data"], validate=True)
        except (KeyError, binascii.Error):
            raise SesError(400, "BadRequestException", "Raw message data is missing or not base64.") from None
        if len(raw) > _MAX_MESSAGE:
            raise SesError(400, "BadRequestException", f"Message length is more than {_MAX_MESSAGE} bytes long.")
        _check_headers(raw)
        _check_lines(raw)
        return Call(
            ses_message_id=f"0100{secrets.token_hex(6)}-{secrets.token_hex(4)}-000000",
            at=datetime.now(UTC),
            source=request["FromEmailAddress"],
            recipients=recipients,
            tags=tags,
            configuration_set=request.get("ConfigurationSetName", ""),
            raw=raw,
        )

    def _accept(self, call: Call) -> None:
        """Raises SesError where the quota has nothing left."""
        self.account.use(call.recipients)
        self.accepted += 1
        if self._keep_bodies:
            self.calls.append(call)
        if self._log:
            line = {"id": call.ses_message_id, "to": call.recipients, "tags": call.tags, "size": len(call.raw)}
            self._log.write(json.dumps(line) + "\n")
            self._log.flush()
        if self.topic and call.configuration_set:
            for recipient in call.recipients:
                for template in mailbox.events_for(recipient, call.raw, is_suppressed=self.suppressed.covers(recipient)):
                    if self.configuration_sets.publishes(call.configuration_set, kind_of(template)):
                        self.topic.publish(compose(template, call, recipient))

    def _publish(self, arn: str, configuration_set: str, text: str) -> bool:
        is_let = self.topics.lets_publish(arn, configuration_set)
        if is_let and self.topic and self.topic.arn == arn:
            self.topic.publish(text)
        return is_let

    async def _query(self, request: web.Request) -> web.StreamResponse:
        """The query protocol of STS and SNS."""
        form = {key: values[0] for key, values in parse_qs((await request.read()).decode()).items()}
        if form.get("Action") == "GetCallerIdentity":
            caller = f"<Arn>{CALLER}</Arn><UserId>AIDASANDBOX</UserId><Account>{ACCOUNT}</Account>"
            return answered("GetCallerIdentity", caller, "https://sts.amazonaws.com/doc/2011-06-15/")
        return self.topics.answer(form)

    async def _show_calls(self, request: web.Request) -> web.StreamResponse:
        found = [{"id": c.ses_message_id, "from": c.source, "to": c.recipients, "tags": c.tags} for c in self.calls]
        return web.json_response(found)

    async def _show_raw(self, request: web.Request) -> web.StreamResponse:
        for call in self.calls:
            if call.ses_message_id == request.match_info["id"]:
                return web.Response(body=call.raw, content_type="message/rfc822")
        raise web.HTTPNotFound


def _refused(request: web.Request, code: str, text: str) -> web.Response:
    """403 in the protocol of SES, or of STS and SNS."""
    return refused(code, text, 403) if request.path == "/" else SesError(403, code, text).response()


def _check_headers(raw: bytes) -> None:
    """What SES refuses of a header block: no From, or a header twice that may be there once."""
    block = raw.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0].lower() for line in block.split(b"\r\n") if line[:1] not in (b" ", b"\t")]
    if b"from" not in names:
        raise SesError(400, "BadRequestException", "Missing required header 'From'.")
    for name in (b"from", b"to", b"subject", b"date", b"message-id"):
        if names.count(name) > 1:
            raise SesError(400, "BadRequestException", f"Duplicate header '{name.decode().title()}'.")


def _check_lines(raw: bytes) -> None:
    """The last line end in each thousand octets is the farthest the lines before it can reach."""
    position = 0
    while len(raw) - position > _MAX_LINE:
        position = raw.rfind(b"\n", position, position + _MAX_LINE) + 1
        if not position:
            raise SesError(400, "BadRequestException", f"A line is more than {_MAX_LINE} bytes long.")
