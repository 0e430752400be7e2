"""Every command of the manual, as it stands there: each page by itself, from its first to its last, on a relay of its own."""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.test_webhooks import KEYS
from tests.harness import Relay, mail, running_relay, submit
from tests.pages import PAGES, ROOT, commands

# What is run by other tests, for it takes more than a relay; and which.
ELSEWHERE = {
    "relay serve": "tests/harness.py",
    "relay init": "tests/config_files/test_install.py",
    "relay aws setup --transport sqs": "tests/e2e/test_aws_setup.py",
    "relay feedback redrive": "tests/e2e/test_queues.py",
    "relay feedback quarantine show": "tests/e2e/test_queues.py",
    "relay address erase-again": "tests/e2e/test_privacy.py",  # before a relay runs
    "relay queue rescue": "tests/e2e/test_damage.py",
    "relay restore": "tests/e2e/test_backup.py",
    "relay store copy": "tests/e2e/test_store_copy.py",
    "relay webhook test crm": "tests/e2e/test_webhooks.py",  # whose receiver is there
    "relay webhook add sns": "tests/e2e/test_webhooks_at_aws.py",
    "relay webhook add sqs": "tests/e2e/test_webhooks_at_aws.py",
    "relay webhook add events": "tests/e2e/test_webhooks_at_aws.py",
    "relay webhook add lambda": "tests/e2e/test_webhooks_at_aws.py",
}
# Where something is amiss or nothing is there: 1, as the page says.
MAY_BE_1 = ("relay doctor", "relay message check", "relay aws setup --dry-run")
# What somebody has done before who comes to a page.
BEFORE = {
    "console.md": ["operator add boss --role admin"],
    "queue.md": ["credential add news --sender @example.com"],
    "senders.md": ["credential add scanner --sender @example.com"],
    "ses-door.md": ["credential add shop --sender @example.com"],
    "webhooks.md": ["credential add civicrm --sender @example.com"],
}
PLACES = ((" ADDRESS", " reader@example.net"), (" FILE", " file"))
ON_POSTGRES = {"scaling.md"}
WITHOUT_A_RELAY = {"postgres.md"}


def is_elsewhere(command: str) -> bool:
    return any(command.startswith(words) for words in ELSEWHERE)


def told(page: Path) -> list[str]:
    """Without what shows the choices of an option."""
    return [command for command in commands(page) if not is_elsewhere(command) and "[" not in command]


TOLD = [page for page in PAGES if page.name != "commands.md" and told(page)]


@pytest.fixture(params=TOLD, ids=lambda page: str(page.relative_to(ROOT)))
def page(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture
async def relay(
    page: Path, request: pytest.FixtureRequest, tmp_path: Path, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Relay]:
    monkeypatch.chdir(tmp_path)
    settings = {
        "RELAY_CALLBACKS__LISTEN": f"127.0.0.1:{unused_tcp_port}",
        "RELAY_CALLBACKS__PUBLIC_URL": f"http://127.0.0.1:{unused_tcp_port}",
        "RELAY_ALARMS__AFTER_SECONDS": "1",
        **KEYS,
    }
    if page.name in ON_POSTGRES:
        settings["RELAY_STORE__URL"] = str(request.getfixturevalue("url"))
    async with running_relay(tmp_path, settings=settings) as (found, _):
        yield found


@pytest.mark.timeout(300)
async def test_every_command_does_what_the_page_says(page: Path, relay: Relay) -> None:
    waiting = await prepared(relay, page)
    for command in told(page):
        status, said = await relay.cli(*words(command, relay.folder, waiting), check=False, answer="y\n")
        assert status == 0 or (status == 1 and command.startswith(MAY_BE_1)), f"{command}: {said}"


async def prepared(relay: Relay, page: Path) -> str:
    """The id of a message that waits."""

    def submitted() -> str:
        with relay.smtp() as client:
            return submit(client, mail())

    shutil.copy(ROOT / "config" / "relay.toml", relay.folder)
    (relay.folder / "backups").mkdir()
    for name, content in re.findall(r"```toml\n# (\w+\.toml)\n(.*?)```", page.read_text(), re.DOTALL):
        (relay.folder / name).write_text(content)
    await relay.cli("queue", "pause", "--credential", "app")
    waiting = await asyncio.to_thread(submitted)
    for command in BEFORE.get(page.name, ()):
        await relay.cli(*command.split())
    if page.name in WITHOUT_A_RELAY:
        await relay.stop()
    return waiting


def words(command: str, folder: Path, waiting: str) -> list[str]:
    """With the relay's own folder for the server's and the sandbox's, and with that message for any."""
    for there, here in (("/etc/relay/", f"{folder}/"), ("/mnt/", f"{folder}/"), (" --dir sandbox", ""), *PLACES):
        command = command.replace(there, here)
    return shlex.split(re.sub(r"\bID\b(\.\.\.)?|\b01[0-9A-Z]{24}\b", waiting, command))[1:]


def test_what_is_run_elsewhere_is_run_there() -> None:
    for command, file in ELSEWHERE.items():
        assert all(word in (ROOT / file).read_text() for word in command.split()[1:3]), command


def test_nothing_is_left_out() -> None:
    assert len(TOLD) > 15
    left = {command for page in PAGES if page not in TOLD and page.name != "commands.md" for command in commands(page)}
    assert [command for command in left if not is_elsewhere(command) and "[" not in command] == []
