"""The first file of settings has what was wished for, and nothing that is a default."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from relay import config, first_settings
from relay.first_settings import Wishes

DOCS = Path(__file__).parents[2] / "docs"
TLS = Path("/etc/relay/tls")
LEAST = Wishes(
    hostname="relay.example.com",
    region="eu-west-1",
    certificate=TLS / "cert.pem",
    key=TLS / "key.pem",
    data=Path("/var/lib/relay"),
)


def test_defaults_are_left_out() -> None:
    written = tomllib.loads(first_settings.text(replace(LEAST, public_url="https://relay.example.com")))
    assert {section: set(keys) for section, keys in written.items()} == {
        "smtp": {"hostname"},
        "ses": {"region"},
        "callbacks": {"listen", "public_url", "certificate", "key"},
    }


def test_without_a_public_url_nobody_listens_for_posts_and_readers() -> None:
    assert tomllib.loads(first_settings.text(LEAST))["callbacks"] == {"listen": ""}


def test_with_a_public_url_it_is_what_the_quick_start_shows() -> None:
    [shown] = re.findall(r"(?ms)^```toml\n(.*?)^```", (DOCS / "quick-start.md").read_text())
    wishes = replace(LEAST, public_url="https://relay.example.com")
    written = first_settings.text(first_settings.with_keys(wishes, Path("/etc/relay/keys")))
    assert written.partition("\n\n")[2] == shown


def test_with_a_proxy_tls_is_not_ours() -> None:
    wishes = replace(LEAST, public_url="https://relay.example.com", proxies=("192.0.2.1/32",))
    callbacks = {"public_url": "https://relay.example.com", "proxies": ["192.0.2.1/32"]}
    assert tomllib.loads(first_settings.text(wishes))["callbacks"] == callbacks


@pytest.mark.parametrize("data", ["/srv/a b", '/srv/"quoted"', "/srv/über", "/srv/back\\slash"])
def test_any_path_is_read_as_it_was_written(data: str) -> None:
    text = first_settings.text(replace(LEAST, data=Path(data)))
    assert config.parsed(text, "relay.toml", {}).store.path == Path(data) / "relay.db"


def test_keys_are_named_and_not_shown(tmp_path: Path) -> None:
    text = first_settings.text(first_settings.with_keys(LEAST, tmp_path / "keys"))
    assert tomllib.loads(text)["secrets"] == {"keys_file": str(tmp_path / "keys")}
