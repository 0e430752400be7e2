"""What SES answers decides what becomes of a message: tried again, given up, held, or in doubt. Never lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from relay.model import Life
from relay.sandbox.faults import SesError
from tests.harness import Relay, mail, running_relay, submit

QUICK = {"RELAY_RETRY__DELAYS_SECONDS": "1", "RELAY_RETRY__IN_DOUBT_SECONDS": "2", "RELAY_SES__READ_TIMEOUT_SECONDS": "1"}
RETRIED = [
    SesError(503, "ServiceUnavailableException", "later"),
    SesError(429, "TooManyRequestsException", "Maximum sending rate exceeded."),
    SesError(400, "ThrottlingException", "try again"),
]


async def sent(relay: Relay, message_id: str) -> list[str]:
    return await relay.status(message_id, "delivered")


@pytest.mark.parametrize("error", RETRIED, ids=lambda error: error.code)
async def test_a_passing_error_is_tried_again(tmp_path: Path, error: SesError) -> None:
    async with running_relay(tmp_path, settings=QUICK) as (relay, cloud):
        cloud.faults.times, cloud.faults.error = 2, error
        with relay.smtp() as client:
            message_id = await asyncio.to_thread(submit, client, mail())
        assert await sent(relay, message_id) == ["delivered"]
        [call] = cloud.calls
        assert call.tags["relay_try"] == "3"
        life = await relay.life(message_id)
        assert life
        assert life.deliveries[0].failures == (0 if "TooMany" in error.code else 2)


async def test_a_lasting_error_fails_once_and_says_why(tmp_path: Path) -> None:
    async with running_relay(tmp_path, settings=QUICK) as (relay, cloud):
        cloud.faults.times, cloud.faults.error = 5, SesError(400, "MessageRejected", "Illegal content")
        with relay.smtp() as client:
            message_id = await asyncio.to_thread(submit, client, mail())
        assert await relay.status(message_id, "failed") == ["failed"]
        assert cloud.faults.times == 4
        _, shown = await relay.cli("message", "show", message_id)
        assert "400 MessageRejected: Illegal content" in shown


async def test_an_account_fault_holds_everything_and_uses_up_nothing(tmp_path: Path) -> None:
    async with running_relay(tmp_path, settings=QUICK) as (relay, cloud):
        cloud.faults.times, cloud.faults.error = 1, SesError(400, "AccountSuspendedException", "suspended")
        with relay.smtp() as client:
            first = await asyncio.to_thread(submit, client, mail())
            await relay.told("held")
            second = await asyncio.to_thread(submit, client, mail())
        await asyncio.sleep(2)
        for message_id in (first, second):
            life = await relay.life(message_id)
            assert life
            assert (life.statuses, life.deliveries[0].failures) == (("queued",), 0)
        assert cloud.accepted == 0


async def test_a_reset_after_the_message_was_taken_sends_it_once(tmp_path: Path) -> None:
    """The answer is lost, but the event with our tag comes back: nothing is repeated."""
    async with running_relay(tmp_path, settings=QUICK) as (relay, cloud):
        cloud.faults.times, cloud.faults.reset = 1, "after"
        with relay.smtp() as client:
            message_id = await asyncio.to_thread(submit, client, mail())
        assert await sent(relay, message_id) == ["delivered"]
        await asyncio.sleep(8)  # longer than the doubt and a round of upkeep
        assert cloud.accepted == 1


async def test_a_reset_before_the_message_was_taken_is_settled_after_the_doubt(tmp_path: Path) -> None:
    async with running_relay(tmp_path, settings=QUICK) as (relay, cloud):
        cloud.faults.times, cloud.faults.reset = 1, "before"
        with relay.smtp() as client:
            message_id = await asyncio.to_thread(submit, client, mail())
        assert await relay.status(message_id, "in doubt") == ["in doubt"]
        assert await sent(relay, message_id) == ["delivered"]
        assert cloud.accepted == 1
        assert any(line["event"] == "possible_duplicate" for line in relay.journal())


async def test_silence_is_in_doubt_too(tmp_path: Path) -> None:
    async with running_relay(tmp_path, settings=QUICK) as (relay, cloud):
        cloud.faults.times, cloud.faults.hang = 1, 3.0
        with relay.smtp() as client:
            message_id = await asyncio.to_thread(submit, client, mail())
        assert await relay.status(message_id, "in doubt") == ["in doubt"]
        assert await sent(relay, message_id) == ["delivered"]


async def test_a_far_side_that_is_gone_is_tried_again(tmp_path: Path) -> None:
    async with running_relay(tmp_path, settings=QUICK) as (relay, cloud):
        port = cloud.port
        await cloud.close_door()
        with relay.smtp() as client:
            message_id = await asyncio.to_thread(submit, client, mail())
        await asyncio.sleep(2)
        await cloud.start(port)
        assert await sent(relay, message_id) == ["delivered"]


async def test_a_damaged_body_is_held_and_not_sent(tmp_path: Path) -> None:
    async with running_relay(tmp_path, settings=QUICK) as (relay, cloud):
        cloud.faults.times, cloud.faults.error = 1, SesError(503, "ServiceUnavailableException", "later")
        with relay.smtp() as client:
            message_id = await asyncio.to_thread(submit, client, mail(body="x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 1000))
        file = relay.folder / "spool" / f"{message_id}.eml"
        content = bytearray(file.read_bytes())
        content[-5] ^= 1
        file.write_bytes(content)
        life = await _held(relay, message_id)
        assert (life.statuses, "not what was accepted" in life.deliveries[0].reason) == (("queued",), True)
        assert cloud.accepted == 0


async def _held(relay: Relay, message_id: str) -> Life:
    for _ in range(100):
        life = await relay.life(message_id)
        if life and "not what was accepted" in life.deliveries[0].reason:
            return life
        await asyncio.sleep(0.1)
    raise AssertionError("the damaged body was not noticed")


ORDERS = "X-SES-Message-Tags: kind=first, day=2\r\nX-SES-Configuration-Set: other\r\n"


async def test_orders_to_ses_are_obeyed_of_logins_that_may_give_them(tmp_path: Path) -> None:
    async with running_relay(tmp_path, settings=QUICK) as (relay, cloud):
        await relay.cli("credential", "change", "app", "--ses-headers")
        with relay.smtp() as client:
            ordered = await asyncio.to_thread(submit, client, mail(extra=ORDERS))
            plain = await asyncio.to_thread(submit, client, mail())
        assert await relay.status(ordered, "delivered") == await relay.status(plain, "delivered") == ["delivered"]
        found = {call.tags["relay_id"].partition("-")[0]: call for call in cloud.calls}
        assert (found[plain].configuration_set, found[plain].tags.get("kind")) == ("tests", None)
        assert found[ordered].configuration_set == "other"
        assert (found[ordered].tags["kind"], found[ordered].tags["day"]) == ("first", "2")
        assert b"X-SES" not in found[ordered].raw
        _, shown = await relay.cli("message", "show", ordered)
        assert "SES tags kind=first, day=2" in shown


async def test_a_configuration_set_that_is_not_there_stops_nobody_who_did_not_name_it(tmp_path: Path) -> None:
    async with running_relay(tmp_path, settings=QUICK) as (relay, cloud):
        await relay.cli("credential", "change", "app", "--ses-headers")
        cloud.faults.times, cloud.faults.error = 1, SesError(400, "ConfigurationSetDoesNotExistException", "no such set: other")
        with relay.smtp() as client:
            ordered = await asyncio.to_thread(submit, client, mail(extra=ORDERS))
            assert await relay.status(ordered, "queued") == ["queued"]
            plain = await asyncio.to_thread(submit, client, mail())
        assert await relay.status(plain, "delivered") == ["delivered"]
        assert await relay.status(ordered, "queued") == ["queued"]
