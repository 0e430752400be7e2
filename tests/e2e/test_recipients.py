"""Many recipients in one message."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.harness import PERSON, Relay, queued_id, running_relay

SPLIT = replace(PERSON, name="split", senders=("@example.com",))
FEW = replace(SPLIT, name="few", per_minute=5, per_day=5)
BODY = b"From: shop@example.com\r\nSubject: x\r\n\r\nx\r\n"


@pytest.fixture(scope="module")
async def relay(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Relay]:
    folder: Path = tmp_path_factory.mktemp("recipients")
    async with running_relay(folder, SPLIT, FEW, settings={"RELAY_SMTP__MAX_RECIPIENTS": "100"}) as (relay, _):
        yield relay


def test_those_beyond_the_limit_are_for_another_message_and_the_others_stay(relay: Relay) -> None:
    with relay.smtp(login="split") as client:
        client.mail("shop@example.com")
        said = [client.rcpt(f"{number}@example.net") for number in range(103)]
        assert {code for code, _ in said[:100]} == {250}
        assert set(said[100:]) == {(452, b"4.5.3 Too many recipients, send the others in another message")}
        assert client.data(BODY)[0] == 250


def test_one_message_to_several_counts_as_many(relay: Relay) -> None:
    with relay.smtp(login="few") as client:
        client.sendmail("shop@example.com", [f"{number}@example.net" for number in range(7)], BODY)
        assert client.mail("shop@example.com")[0] == 451


async def test_an_address_in_another_case_is_no_further_recipient(relay: Relay) -> None:
    with relay.smtp(login="split") as client:
        client.mail("shop@example.com")
        for recipient in ("Anna@example.net", "anna@EXAMPLE.NET", "ben@xn--bcher-kva.example", "ben@XN--Bcher-KVA.example"):
            assert client.rcpt(recipient)[0] == 250
        life = await relay.life(queued_id(client.data(BODY)))
    assert life
    assert [each.recipient for each in life.deliveries] == ["Anna@example.net", "ben@xn--bcher-kva.example"]
