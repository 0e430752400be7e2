"""A PostgreSQL server that syncs, and may be restarted; and a fresh database on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import postgres
from tests.postgres import OwnServer


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with postgres.own_server() as found:
        yield found


@pytest.fixture(scope="module")
def template(server: OwnServer) -> str:
    return postgres.template(server.url)


@pytest.fixture
def url(server: OwnServer, template: str) -> Iterator[str]:
    with postgres.database(server.url, template) as found:
        yield found
