"""Relays for tests: one of its own, or one for all tests of a module that leave no traces the others could see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from relay.sandbox.cloud import Cloud
from tests.harness import Relay, running_relay
from tests.ports import reserved_port

# How long it takes to make up examples says something of the machine, and nothing of the relay.
settings.register_profile("tests", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of a file run one after the other, and so do all that are marked alike."""
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


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
