"""SES refuses: a message for good, once; an account until it is mended, and then nothing was used up."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from relay.sandbox.faults import Faults, SesError
from tests.chaos.clients import SMALL, Clients
from tests.chaos.scene import FULL, Scene, scene

MESSAGES = 20
FOR_EVER = time.monotonic() + 86400

PERMANENT = (
    SesError(400, "MessageRejected", "Illegal content"),
    SesError(400, "BadRequestException", "Missing required header 'To'."),
    SesError(400, "InvalidParameterValue", "Local address contains control or whitespace"),
    SesError(400, "ValidationError", "Domain ends with dot."),
    SesError(413, "RequestEntityTooLarge", "Message length is more than 41943040 bytes long."),
)
ACCOUNT = (
    SesError(400, "AccountSuspendedException", "The account was permanently restricted."),
    SesError(400, "SendingPausedException", "Sending is paused."),
    SesError(400, "MessageRejected", "Sending paused for this account."),
    SesError(400, "ThrottlingException", "Daily message quota exceeded."),
    SesError(400, "LimitExceededException", "Daily message quota exceeded."),
    SesError(429, "TooManyRequestsException", "Daily message quota exceeded."),
    SesError(
        403, "AccessDeniedException", "User: arn:aws:iam::123456789012:role/relay is not authorized to perform ses:SendEmail"
    ),
    SesError(403, "UnrecognizedClientException", "The security token included in the request is invalid."),
    SesError(403, "InvalidClientTokenId", "The security token included in the request is invalid."),
    SesError(403, "SignatureDoesNotMatch", "The request signature we calculated does not match."),
    SesError(403, "InvalidSignatureException", "The request signature we calculated does not match."),
    SesError(403, "MissingAuthenticationToken", "Missing Authentication Token"),
    SesError(403, "IncompleteSignature", "Authorization header requires 'Signature' parameter."),
    SesError(403, "ExpiredTokenException", "The security token included in the request is expired."),
    SesError(403, "OptInRequired", "The AWS access key id needs a subscription for the service."),
    SesError(400, "RequestExpired", "Request expired."),
    SesError(403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
    SesError(403, "InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than 20260101T000100Z"),
)

pytestmark = pytest.mark.timeout(1200 if FULL else 120)


def numbers(recipients: Iterable[str], prefix: str) -> set[str]:
    return {recipient for recipient in recipients if recipient.startswith(prefix)}


async def test_a_message_that_ses_refuses_has_failed_after_one_call(tmp_path: Path) -> None:
    async with scene(tmp_path) as found:
        faults = [
            Faults(error=error, until=FOR_EVER, pattern=f'"refused{n}-[0-9]+@'.encode()) for n, error in enumerate(PERMANENT)
        ]
        found.cloud.plan += faults
        for n in range(len(PERMANENT)):
            await Clients(found.relay, 1, name=f"refused{n}-", body=SMALL).send(MESSAGES)
        good = Clients(found.relay, 1, body=SMALL)
        await good.send(MESSAGES)
        await found.settled(30)
        await asyncio.sleep(2)
        print(f"{len(PERMANENT)} codes, {sum(fault.struck for fault in faults)} calls for {len(PERMANENT) * MESSAGES} messages")
        assert [fault.struck for fault in faults] == [MESSAGES] * len(PERMANENT)
        stored = found.stored()
        for n, error in enumerate(PERMANENT):
            ended = [stored[recipient] for recipient in numbers(stored, f"refused{n}-")]
            assert {(delivery.state, delivery.attempt, delivery.failures) for delivery in ended} == {("failed", 1, 1)}
            assert all(str(error) in delivery.reason for delivery in ended)
        assert found.delivered().keys() == good.acked


async def mended(found: Scene) -> None:
    """The account is well again, and the time of the hold is over."""
    await found.relay.stop()
    with closing(sqlite3.connect(found.relay.path)) as database, database:
        database.execute("UPDATE holds SET until = 0")
    await found.relay.start()


async def test_a_fault_of_the_account_stops_it_and_uses_nothing_up(tmp_path: Path) -> None:
    errors = ACCOUNT if FULL else ACCOUNT[:1]
    async with scene(tmp_path) as found:
        for n, error in enumerate(errors):
            fault = Faults(error=error, until=FOR_EVER)
            found.cloud.plan[:] = [fault]
            clients = Clients(found.relay, 1, name=f"held{n}-", body=SMALL)
            await clients.send(MESSAGES)
            await found.until(lambda fault=fault: fault.struck > 0, 10)  # type: ignore[misc]
            await asyncio.sleep(1)
            calls = fault.struck
            await asyncio.sleep(1.5)
            held = [delivery for recipient, delivery in found.stored().items() if recipient in clients.acked]
            assert {(delivery.state, delivery.failures) for delivery in held} == {("queued", 0)}, error
            assert (len(held), fault.struck) == (MESSAGES, calls), error
            fault.until = 0.0
            await mended(found)
            await found.settled(30)
            assert {times for recipient, times in found.delivered().items() if recipient in clients.acked} == {1}
            assert clients.acked <= found.delivered().keys()
            print(f"{error.code}: held after {calls} calls, {MESSAGES} delivered when mended")
