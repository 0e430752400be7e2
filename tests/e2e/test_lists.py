"""Lists through the command line: into a relay that runs, and into a store that nobody else has open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from relay.control.client import ControlClient
from relay.errors import StoreUnavailable
from relay.sandbox.cloud import Cloud
from relay.suppression import Reason, Suppression
from tests.harness import Relay, mail, running_relay, submit

LIST = "a@example.net,BOUNCE\nb@example.net,COMPLAINT\nnobody,BOUNCE\n"


@pytest.fixture(scope="module")
async def parts(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Relay, Cloud]]:
    async with running_relay(tmp_path_factory.mktemp("relay")) as both:
        yield both


@pytest.fixture
def relay(parts: tuple[Relay, Cloud]) -> Relay:
    return parts[0]


async def test_a_list_goes_into_the_relay_that_runs_and_its_mail_is_stopped(relay: Relay, tmp_path: Path) -> None:
    file = tmp_path / "ses.csv"
    file.write_text(LIST)
    status, said = await relay.cli("suppression", "import", str(file), check=False)
    assert (status, said) == (
        1,
        f"{file}:3: 'nobody' is not an address\n{file}: 2 entries, 1 bad rows\n2 added\n",
    )
    with relay.smtp() as client:
        message_id = await asyncio.to_thread(submit, client, mail(), to="a@example.net")
    assert await relay.status(message_id, "suppressed") == ["suppressed"]
    assert (await relay.told("suppressions_imported", source="import of ses.csv"))["added"] == 2


async def test_a_bad_row_spoils_a_strict_import_and_a_dry_run_changes_nothing(relay: Relay, tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("c@example.net\n")
    status, said = await relay.cli("suppression", "import", "--dry-run", str(file))
    assert (status, said) == (0, f"{file}: 1 entries\n")
    file.write_text("c@example.net\nnobody\n")
    status, said = await relay.cli("suppression", "import", "--strict", str(file), check=False)
    assert (status, "nothing was done" in said) == (2, True)
    assert (await relay.cli("suppression", "check", "c@example.net"))[0] == 0


async def test_what_is_no_list_is_told_in_one_line(relay: Relay, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("name,colour\nred,blue\n")
    status, said = await relay.cli("suppression", "import", str(file), check=False)
    assert (status, said.count("\n"), "with the columns name, colour" in said) == (2, 1, True)
    status, said = await relay.cli("suppression", "import", str(tmp_path / "none"), check=False)
    assert (status, said.count("\n"), "No such file" in said) == (2, 1, True)


async def test_what_was_exported_can_be_imported(relay: Relay, tmp_path: Path) -> None:
    await relay.cli("suppression", "add", "=1+1@example.net", "--list", "news", "--note", "-asked us")
    out, back = tmp_path / "out.csv", tmp_path / "back.csv"
    await relay.cli("suppression", "export", "--text", "=1", "--output", str(out))
    assert "'=1+1@example.net,manual,list:news," in out.read_text()
    await relay.cli("suppression", "remove", "=1+1@example.net", "--list", "news")
    _, said = await relay.cli("suppression", "import", str(out))
    assert "1 left out" in said
    await relay.cli("suppression", "import", "--again", str(out))
    await relay.cli("suppression", "export", "--text", "=1", "--output", str(back))
    assert back.read_text() == out.read_text()


async def test_who_stops_sending_a_list_has_suppressed_nobody(relay: Relay) -> None:
    """As when the command line is killed: the relay hears of no end."""
    sent = asyncio.Event()

    async def batches() -> AsyncIterator[Sequence[Suppression]]:
        yield [Suppression(address="killed@example.net", reason=Reason.MANUAL, source="x", created_at=1.0)]
        sent.set()
        await asyncio.sleep(60)

    control = ControlClient(relay.path.parent / "control.sock")
    sending = asyncio.create_task(control.take_list(batches(), source="x", again=False))
    await sent.wait()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert (await relay.cli("suppression", "check", "killed@example.net"))[0] == 0


async def test_the_relay_says_why_a_list_was_not_taken(relay: Relay) -> None:
    async def batches() -> AsyncIterator[Sequence[Suppression]]:
        for _ in range(100):
            yield [Suppression(address="lost@example.net", reason=Reason.MANUAL, source="x", created_at=float("nan"))] * 1000

    control = ControlClient(relay.path.parent / "control.sock")
    with pytest.raises(StoreUnavailable, match="NOT NULL"):
        await control.take_list(batches(), source="x", again=False)
    assert relay.faults() == []


async def test_a_list_goes_into_a_store_that_no_relay_has_open(tmp_path: Path) -> None:
    relay = Relay(tmp_path, 1)
    _, said = await relay.cli("suppression", "import", "-", answer="d@example.net\n")
    assert said == "-: 1 entries\n1 added\n"
    status, said = await relay.cli("suppression", "check", "--file", "-", answer="d@example.net\ne@example.net\n", check=False)
    assert (status, "d@example.net: imported since" in said, "e@example.net: not suppressed" in said) == (1, True, True)
    status, said = await relay.cli("suppression", "check", check=False)
    assert (status, said) == (2, "relay: name addresses, or a --file of them\n")
