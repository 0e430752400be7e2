from __future__ import annotations

import json
import os
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from relay import journal


@pytest.fixture(autouse=True)
def closed_in_the_end() -> Iterator[None]:
    yield
    journal.open_journal(stream=StringIO())


def test_a_log_on_a_full_disk_stops_nobody_and_goes_on_when_there_is_room() -> None:
    # The device that is always full, and then any other file under the same descriptor.
    with Path("/dev/full").open("w") as log:
        journal.open_journal(stream=log)
        for number in range(1000):
            journal.door_closed(why=f"{number}: " + "x" * 100)
        reading, writing = os.pipe()
        os.dup2(writing, log.fileno())
        os.close(writing)
        journal.door_opened()
    with os.fdopen(reading) as heard:
        assert json.loads(heard.read().splitlines()[-1])["event"] == "door_opened"


def test_a_reader_of_the_log_that_has_gone_stops_nobody() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    log = os.fdopen(writing, "w")
    journal.open_journal(stream=log)
    journal.door_opened()
    with pytest.raises(BrokenPipeError):
        log.close()
