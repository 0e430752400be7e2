from __future__ import annotations

import ast
import inspect
import json
import logging
import os
import re
import time
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


def test_what_libraries_log_without_end_is_told_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    log = StringIO()
    journal.open_journal(stream=log)
    for second in (1000.0, 1001.0):
        monkeypatch.setattr(time, "time", lambda second=second: second)
        for number in range(200):
            logging.getLogger("asyncio").error("socket.accept() out of system resource\nsocket: %d", number % 2)
    assert [json.loads(line)["text"][-1] for line in log.getvalue().splitlines()] == ["0", "1", "0", "1"]


# What is about no message: a listener, a login, an address, a queue, a number of messages. All other lines bear an id.
ABOUT_NO_MESSAGE = set(
    "started stopped checked_after_crash in_playpen connection_failed first_operator certificate_loaded certificate_refused "
    "login_refused passwords_guessed quota_used_up door_closed door_opened task held held_by_operator doubts_wait forgotten "
    "lanes_open leads node_vanished clock_jumped queue_changed lifted replayed list_imported list_synced list_errand_done "
    "released erased credential_changed feedback_refused topic_confirmed topic_unsubscribed queue_unreadable queue_readable "
    "dead_letters redriven webhook_changed notices_again webhook_fails webhook_works webhook_disabled notices_dropped account "
    "account_standing reputation paused feedback_silent feedback_heard clock_differs identities_synced identity_changed alarm "
    "alarm_over alarms_untold".split()
)
# Their id is another thing's.
OF_ANOTHER_THING = {"quarantined", "access_key_changed"}


def written() -> dict[str, tuple[bool, bool]]:
    """What others call, by name: whether it is told an id, and whether its line has that."""
    parts = ast.parse(inspect.getsource(journal)).body
    found = {}
    for part in parts:
        if isinstance(part, ast.FunctionDef) and not part.name.startswith("_") and "_write(" in (text := ast.unparse(part)):
            is_told = "id" in {each.arg for each in part.args.kwonlyargs}
            found[part.name] = is_told, bool(re.search(r"\bid=id\b|_about\(id\)|task=id\b", text))
    return found


def test_every_line_that_is_about_a_message_has_its_id() -> None:
    told = {name for name, (is_told, _) in written().items() if is_told}
    assert {name for name in written() if name not in told} <= ABOUT_NO_MESSAGE
    assert told & ABOUT_NO_MESSAGE <= {"task"}
    assert [name for name in told if not written()[name][1]] == []
    assert {"accepted", "settled", "event", "suppressed", "refused", "trouble", "bug", *OF_ANOTHER_THING} <= told


def calls() -> Iterator[ast.Call]:
    """Of the two that tell of anything."""
    for path in Path(journal.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("journal.trouble", "journal.bug"):
                yield node


def test_who_names_a_message_in_a_trouble_gives_its_id_as_well() -> None:
    about = [
        each for each in calls() if re.match(r"f'\{[\w.]*(delivery\.id|message\.id|message_id)\}", ast.unparse(each.args[0]))
    ]
    assert len(about) >= 5
    assert [ast.unparse(each) for each in about if "id" not in {keyword.arg for keyword in each.keywords}] == []


def test_what_is_about_no_message_has_no_id() -> None:
    stream = StringIO()
    journal.open_journal(stream=stream)
    journal.trouble("the queue cannot be read")
    journal.trouble("it is damaged", id="01-1")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert "id" not in first
    assert second["id"] == "01-1"


@pytest.mark.timeout(10)
def test_addresses_are_hidden_in_a_text_without_blanks_as_fast_as_in_any() -> None:
    written = StringIO()
    journal.open_journal(stream=written, addresses=False)
    journal.door_closed(why="x" * 200_000 + " (anna@example.net)berta@example.net, smtp;carl@example.net")
    assert "@" not in written.getvalue()
    assert "(-)-, smtp;-" in written.getvalue()
