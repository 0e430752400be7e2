"""Several relays on one PostgreSQL database: as one, whichever of them is asked."""

from __future__ import annotations

import asyncio
import smtplib
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cluster import cluster, two_workers
from tests.harness import PASSWORD, Relay, mail, submit, unverified

NO_SMTP = {"RELAY_SMTP__SUBMISSION": "", "RELAY_SMTP__SUBMISSIONS": ""}
NO_HTTP = {"RELAY_API__LISTEN": "", "RELAY_CALLBACKS__LISTEN": ""}
_TOLD_BY_ALL = 8  # seconds: each tells the others once in one
LARGE = "x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 3000


async def sent(relay: Relay, content: bytes | None = None) -> str:
    with relay.smtp() as client:
        return await asyncio.to_thread(submit, client, content or mail())


async def until_listed(relay: Relay, *words: str) -> str:
    """What `relay nodes` says, once it says that."""
    said = ""
    for _ in range(100):
        said = (await relay.cli("nodes"))[1]
        if all(word in said for word in words):
            return said
        await asyncio.sleep(0.2)
    raise AssertionError(said)


async def test_mail_comes_in_at_each_and_leaves_once(tmp_path: Path, url: str) -> None:
    async with cluster(tmp_path, url, {}, {}, {}) as (relays, cloud):
        ids = [await sent(relays[number % 3]) for number in range(12)]
        for id in ids:
            assert await relays[0].status(id, "delivered") == ["delivered"]
        assert len(cloud.calls) == 12
        said = await until_listed(relays[1], "node1", "node2", "node3", "its turn")
        assert said.count("its turn") == 1
        assert [relay.faults() for relay in relays] == [[], [], []]


async def test_what_one_takes_in_another_sends_whatever_its_size(tmp_path: Path, url: str) -> None:
    door = {"RELAY_NODE__ROLES": "smtp", **NO_HTTP}
    back = {"RELAY_NODE__ROLES": "dispatch,web,feedback,upkeep", **NO_SMTP}
    async with cluster(tmp_path, url, door, back) as (relays, cloud):
        small, large = await sent(relays[0]), await sent(relays[0], mail(body=LARGE))
        for id in (small, large):
            assert await relays[0].status(id, "delivered") == ["delivered"]
        assert cloud.calls[-1].raw.endswith(LARGE.encode()[-7000:])
        assert list((relays[0].folder / "spool").glob("*.eml")) == []


async def test_a_login_that_is_disabled_ends_at_every_node(tmp_path: Path, url: str) -> None:
    async with cluster(tmp_path, url, {}, {}) as (relays, _):
        with relays[1].smtp() as client:
            await relays[0].cli("credential", "disable", "app")
            for _ in range(50):
                if client.noop()[0] == 421:
                    break
                await asyncio.sleep(0.1)
            else:
                raise AssertionError("the session goes on")
            client.close()
        with pytest.raises(smtplib.SMTPAuthenticationError):
            relays[1].smtp()


async def test_wrong_passwords_are_counted_by_all_together(tmp_path: Path, url: str) -> None:
    settings = {"RELAY_LOGINS__FAILURES_PER_ADDRESS": "3"}
    async with cluster(tmp_path, url, settings, settings) as (relays, _):
        for _ in range(2):
            assert await answer_to_login(relays[0], "wrong") == 535
        await asyncio.sleep(_TOLD_BY_ALL)
        assert await answer_to_login(relays[1], "wrong") == 535
        assert await answer_to_login(relays[1], PASSWORD) == 454
        await relays[1].told("passwords_guessed", by="address")


async def answer_to_login(relay: Relay, password: str) -> int:
    def log_in() -> int:
        with smtplib.SMTP("127.0.0.1", relay.ports["submission"], timeout=30) as client:
            client.starttls(context=unverified())
            client.ehlo()
            client.user, client.password = "app", password
            return client.auth("PLAIN", client.auth_plain)[0]  # login() would try LOGIN as well

    try:
        return await asyncio.to_thread(log_in)
    except smtplib.SMTPResponseException as error:
        return error.smtp_code


async def test_messages_of_a_login_are_counted_by_all_together(tmp_path: Path, url: str) -> None:
    settings = {"RELAY_LOGINS__MESSAGES_PER_DAY": "10"}
    async with cluster(tmp_path, url, settings, settings) as (relays, _):
        for number in range(8):
            await sent(relays[number % 2])
        await asyncio.sleep(_TOLD_BY_ALL)
        taken = 0
        with relays[0].smtp() as client:
            while (reply := client.mail("shop@example.com"))[0] == 250:
                client.rcpt("reader@example.net")
                taken += client.data(mail())[0] == 250
        assert (taken, reply[0]) == (2, 451)


async def test_who_leads_is_followed_by_another_when_it_is_killed(tmp_path: Path, url: str) -> None:
    async with cluster(tmp_path, url, {}, {}) as (relays, _):
        await until_listed(relays[0], "its turn")
        leader, other = sorted(relays, key=lambda each: not any(line["event"] == "leads" for line in each.journal()))
        await leader.kill()
        await other.told("leads", within=30, leads=True)
        assert await other.status(await sent(other), "delivered") == ["delivered"]
        await other.told("node_vanished", within=40)


async def test_a_node_that_stops_in_good_order_leaves_the_chores_at_once(tmp_path: Path, url: str) -> None:
    async with cluster(tmp_path, url, {}, {}) as (relays, _):
        await until_listed(relays[0], "its turn")
        leader, other = sorted(relays, key=lambda each: not any(line["event"] == "leads" for line in each.journal()))
        assert await leader.stop() == 0
        await other.told("leads", within=8, leads=True)
        assert "node_vanished" not in {line["event"] for line in other.journal()}


async def test_workers_share_the_ports_of_one_machine_and_end_together(tmp_path: Path, url: str) -> None:
    async with two_workers(tmp_path, url) as relay:
        await relay.start()
        for worker in (1, 2):  # a node is listed before its doors are open
            await relay.told("started", what="smtp submission", worker=worker)
        said = await until_listed(relay, "its turn")
        assert said.count("node1") == 2
        ids = [await sent(relay) for _ in range(12)]
        assert [await relay.status(id, "delivered") for id in ids] == [["delivered"]] * 12
        assert {line["worker"] for line in relay.journal() if line["event"] == "accepted"} == {1, 2}
        assert await relay.stop() == 0
        assert (await relay.cli("nodes"))[1] == "No relay runs.\n"


async def test_a_worker_whose_port_another_has_says_so_and_does_not_hang(tmp_path: Path, url: str) -> None:
    async with two_workers(tmp_path, url) as relay:
        port = int(relay.settings["RELAY_PRIVATE__LISTEN"].rpartition(":")[2])
        with socket.create_server(("127.0.0.1", port + 1), reuse_port=True):
            with suppress(RuntimeError):  # it ends
                await relay.start()
            await relay.told("trouble", within=20.0, what="worker 2 has ended with status 2")
        assert "private.listen: cannot listen there: " in relay.log.read_text()


async def test_workers_need_postgresql(tmp_path: Path) -> None:
    relay = Relay(tmp_path, 1)
    status, said = await relay.cli("serve", "--workers", "2", check=False)
    assert (status, "needs a PostgreSQL database" in said) == (2, True)
