"""SendEmail of the SES v2 API: one POST, one try, one recipient. What went wrong becomes an Outcome here.

Wire: SES v2 API reference, SendEmail with Content.Raw. Destination is always given: without it SES would read the
recipients out of the headers. FromEmailAddress is the envelope sender, so that VERP addresses come back in events.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from hashlib import sha256
from typing import Any, NamedTuple

import pybase64

from relay import address, ses_errors, sigv4
from relay.aws.clock import SigningClock
from relay.aws.credentials import KEY_REFUSED, ChainCredentials
from relay.aws.http import Body, HttpClient, NoAnswer, NoConnection, NotSent
from relay.aws.http_answers import Answer
from relay.links import Linker
from relay.model import Claimed
from relay.outcome import Hold, HoldScope, Later, Outcome, Sent, Unknown
from relay.ports.clock import Clock
from relay.reading.octets import PIECE, Slices
from relay.writing import edits, merging

_PATH = "/v2/email/outbound-emails"
_IN_THREAD = 256 * 1024  # encoding and hashing more than this would be felt by other connections
_ENCODED_ANEW_IN_THREAD = 8 * 1024  # quoted-printable takes many times as long; most text in 8-bit is short
# Larger ones take turns: sent all at once they would share the line for longer than a call may take, and end in doubt.
_LARGE = 2 * 1024 * 1024
_LARGE_AT_ONCE = 4
_WHOLE_AT_ONCE = 16  # calls with a body of some size that is made once and held; those of others are made in pieces
_WHOLE_PIECE = 512 * 1024  # octets; each costs some changes between threads
_NO_KEY_SECONDS = 30.0
_NO_LINKS = 300.0
_UNREACHABLE_SECONDS = 5.0  # no fault of any message: all wait, and one of them tries whether SES is back
_MARGIN = 5.0  # seconds of lease left when a call is given up


class _Measure(NamedTuple):
    """A body's octets, and its SHA-256 in hexadecimal."""

    length: int
    digest: str


class SesSender:
    """Implements ports.Sender. `endpoint` is a URL without a path; time-outs are seconds."""

    def __init__(
        self,
        *,
        endpoint: str,
        region: str,
        configuration_set: str,
        credentials: ChainCredentials,
        clock: Clock,
        connections: int,
        connect_timeout: float,
        read_timeout: float,
        tls: ssl.SSLContext | None = None,
        linker: Linker | None = None,
    ) -> None:
        self._linker = linker
        self._region = region
        self._configuration_set = configuration_set
        self._credentials = credentials
        self._clock = SigningClock(clock)
        self._large_calls = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._whole_calls = asyncio.Semaphore(_WHOLE_AT_ONCE)
        self._http = HttpClient(
            endpoint, tls=tls, connections=connections, connect_timeout=connect_timeout, read_timeout=read_timeout
        )

    @property
    def clock_ahead(self) -> float:
        """Seconds by which AWS's clock is ahead of ours, as far as it has told."""
        return self._clock.ahead

    async def close(self) -> None:
        await self._http.close()

    async def send(self, claimed: Claimed, content: Slices, *, time_left: Callable[[], float]) -> Outcome:
        if claimed.message.links and not self._linker:  # it was accepted while there was a key
            return Hold(
                HoldScope.DELIVERY, "its links cannot be made: secrets.keys or callbacks.public_url is missing", _NO_LINKS
            )
        if _is_light(claimed, content):
            body = b"".join(self._payload(claimed, content))
            return await self._call(claimed, body, _measured([body]), time_left)
        if len(content) <= _LARGE and not self._whole_calls.locked():
            async with self._whole_calls:
                pieces, measure = await asyncio.to_thread(_made, self._payload(claimed, content, length=_WHOLE_PIECE))
                return await self._call(claimed, _at_hand(pieces), measure, time_left)
        async with self._large_calls if len(content) > _LARGE else nullcontext():
            # Made twice, so that no call holds a large message in memory: to sign it, and to write it.
            measure = await asyncio.to_thread(_measured, self._payload(claimed, content))
            return await self._call(claimed, _in_thread(self._payload(claimed, content)), measure, time_left)

    async def _call(self, claimed: Claimed, body: Body, measure: _Measure, time_left: Callable[[], float]) -> Outcome:
        key = await self._credentials.key()
        if key is None:
            return Hold(HoldScope.ACCOUNT, "no AWS credentials", _NO_KEY_SECONDS)
        answer = await self._post(body, self._headers(measure, key), time_left)
        return self._outcome(answer, claimed, key) if isinstance(answer, Answer) else answer

    def _headers(self, measure: _Measure, key: sigv4.AccessKey) -> dict[str, str]:
        return sigv4.sign(
            method="POST",
            host=self._http.host,
            path=_PATH,
            headers={"Content-Type": "application/json", "Content-Length": str(measure.length)},
            payload_sha256=measure.digest,
            key=key,
            region=self._region,
            service="ses",
            at=self._clock(),
        )

    def _payload(self, claimed: Claimed, content: Slices, *, length: int = PIECE) -> Iterator[bytes]:
        """The JSON around the base64, which is put in as it is: it needs no escaping. No piece is empty."""
        delivery, message = claimed.delivery, claimed.message
        request: dict[str, Any] = {
            "FromEmailAddress": message.sender,
            "Destination": {"ToAddresses": [delivery.recipient]},
            "EmailTags": [
                {"Name": "relay_id", "Value": delivery.id},
                {"Name": "relay_try", "Value": str(delivery.attempt)},
                *({"Name": name, "Value": value} for name, value in message.labels.ses_tags),
            ],
            "Content": {"Raw": {"Data": ""}},
        }
        if configuration_set := message.labels.configuration_set or self._configuration_set:
            request["ConfigurationSetName"] = configuration_set
        before, _, after = json.dumps(request).partition('"Data": "')
        yield before.encode() + b'"Data": "'
        links = self._linker.of(message.id, delivery.number) if self._linker and message.links else {}
        values = merging.values(delivery.fields)
        yield from _in_base64(edits.edited(content, message.edits, links, values, length=length))
        yield after.encode()

    async def _post(self, payload: Body, headers: dict[str, str], time_left: Callable[[], float]) -> Answer | Outcome:
        """Before the connection stands nothing was sent; after that, silence means we do not know."""
        try:
            return await self._http.post(_PATH, headers, payload, seconds=lambda: time_left() - _MARGIN)
        except NoConnection as error:
            return Hold(HoldScope.ACCOUNT, f"no connection: {error}", _UNREACHABLE_SECONDS)
        except NotSent as error:
            return Later(str(error))
        except NoAnswer as error:
            return Unknown(f"no answer: {error}")

    def _outcome(self, answer: Answer, claimed: Claimed, key: sigv4.AccessKey) -> Outcome:
        fields = _fields(answer.body)
        if answer.status == 200:
            found = fields.get("MessageId")
            return Sent(_clean(found)) if found else Unknown("200 without a MessageId")
        text = _clean(fields.get("message") or fields.get("Message") or "")
        code = _clean(answer.headers.get("x-amzn-errortype") or fields.get("__type") or fields.get("code") or "")
        code = code.rpartition("#")[2]
        self._clock.heed(code, text, answer.headers.get("date", ""))
        if code.startswith(KEY_REFUSED):
            self._credentials.refused(key)
        outcome = ses_errors.outcome_of(answer.status, code, text, _about(claimed))
        if isinstance(outcome, Hold) and outcome.scope is HoldScope.CONFIGURATION_SET:
            named = claimed.message.labels.configuration_set
            return replace(outcome, subject=named, bounded=bool(named))
        return outcome


def _is_light(claimed: Claimed, content: Slices) -> bool:
    """Whether its body is made before other connections feel it."""
    encoded_anew = sum(edit.end - edit.start for edit in claimed.message.edits if edit.encode or edit.links or edit.fields)
    return len(content) <= _IN_THREAD and encoded_anew <= _ENCODED_ANEW_IN_THREAD


def _about(claimed: Claimed) -> ses_errors.About:
    message = claimed.message
    return ses_errors.About(
        sender_domain=address.domain(message.sender),
        senders=frozenset((message.sender.lower(), message.header_from.lower())),
        recipient=claimed.delivery.recipient.lower(),
    )


def _in_base64(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """One base64 of all the pieces put together, without line ends."""
    held = b""
    for piece in pieces:
        held += piece
        whole = len(held) - len(held) % 3
        if whole:
            yield pybase64.b64encode(held[:whole])
            held = held[whole:]
    if held:
        yield pybase64.b64encode(held)


def _measured(pieces: Iterable[bytes]) -> _Measure:
    length, digest = 0, sha256()
    for piece in pieces:
        length += len(piece)
        digest.update(piece)
    return _Measure(length, digest.hexdigest())


def _made(pieces: Iterable[bytes]) -> tuple[list[bytes], _Measure]:
    made = list(pieces)
    return made, _measured(made)


async def _at_hand(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def _in_thread(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece


def _fields(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    return document if isinstance(document, dict) else {}


def _clean(text: object) -> str:
    """Without lone surrogates and NUL, which no database takes."""
    return str(text).replace("\0", "").encode("utf-8", "replace").decode("utf-8")
