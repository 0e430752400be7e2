"""Relays for tests: one of its own, or one for all tests of a module that leave no traces the others could see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from relay.sandbox.cloud import Cloud
from tests import forks
from tests.harness import Relay, running_relay
from tests.ports import reserved_port

THREE_NODES = {f"tests/chaos/test_{name}.py" for name in ("database", "nodes", "nodes_away")}

# How long it takes to make up examples says something of the machine, and nothing of the relay.
settings.register_profile("tests", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


class OneCluster(LoadFileScheduling):  # type: ignore[misc]
    """Tests of a file run one after the other, and so do those of three nodes, which would see each other's load."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return "three nodes" if file in THREE_NODES else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> OneCluster:
    return OneCluster(config, log)


@pytest.fixture(scope="session", autouse=True)
def _forks() -> Iterator[None]:
    forks.read_services_once()
    with forks.server():
        yield


@pytest.fixture
def unused_tcp_port_factory() -> Iterator[Callable[[], int]]:
    """pytest-asyncio's own gives ports that another test may have taken before they are used."""
    with ExitStack() as reserved:
        yield lambda: reserved.enter_context(reserved_port())


@pytest.fixture
def unused_tcp_port(unused_tcp_port_factory: Callable[[], int]) -> int:
    return unused_tcp_port_factory()


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[tuple[Relay, Cloud]]:
    async with running_relay(tmp_path) as pair:
        yield pair


@pytest.fixture
def relay(running: tuple[Relay, Cloud]) -> Relay:
    return running[0]


@pytest.fixture
def cloud(running: tuple[Relay, Cloud]) -> Cloud:
    return running[1]


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Relay, Cloud]]:
    async with running_relay(tmp_path_factory.mktemp("relay")) as pair:
        yield pair
