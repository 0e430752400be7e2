"""The relay's own keys, as an operator makes them."""

from __future__ import annotations

from pathlib import Path

from relay import tokens
from tests.harness import Relay


async def test_a_new_key_is_added_to_those_before_it(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    relay = Relay(tmp_path, 0)
    assert await relay.cli("key", "new", str(file)) == (0, f"key 1 is in {file}\n")
    first = file.read_text()
    assert await relay.cli("key", "new", str(file)) == (0, f"key 2 is in {file}\n")
    assert file.read_text().startswith(first)
    assert file.stat().st_mode & 0o777 == 0o600
    assert set(tokens.derived(file.read_text().split(), "links")) == {1, 2}


async def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("not a key\n")
    status, said = await Relay(tmp_path, 0).cli("key", "new", str(file), check=False)
    assert (status, said.count("\n"), file.read_text()) == (2, 1, "not a key\n")


async def test_the_settings_take_the_file(tmp_path: Path) -> None:
    file, settings = tmp_path / "keys", tmp_path / "relay.toml"
    settings.write_text("")
    relay = Relay(tmp_path, 0, RELAY_SECRETS__KEYS_FILE=str(file))
    await Relay(tmp_path, 0).cli("key", "new", str(file))
    assert (await relay.cli("check-config", str(settings)))[0] == 0
    file.write_text("1:tooshort\n")
    status, said = await relay.cli("check-config", str(settings), check=False)
    assert (status, "secrets.keys" in said, "tooshort" in said) == (2, True, False)


async def test_the_file_stays_whose_it_is(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    relay = Relay(tmp_path, 0)
    await relay.cli("key", "new", str(file))
    file.chmod(0o640)
    await relay.cli("key", "new", str(file))
    assert file.stat().st_mode & 0o777 == 0o640
