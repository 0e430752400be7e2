"""The first file of settings, as `relay init` writes it: what was wished for, where that is no default."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from relay.settings import Config

_HEAD = "# Written by `relay init`. Every other setting has a default: docs/configuration.md, or config/relay.toml.\n"

Value = str | list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """`certificate` and `key` are those of SMTP, and of `public_url` where no proxy ends TLS for it."""

    hostname: str
    region: str
    certificate: Path
    key: Path
    data: Path
    public_url: str = ""
    proxies: tuple[str, ...] = ()
    keys: Path | None = None


def with_keys(wishes: Wishes, keys: Path) -> Wishes:
    """The same, and a file of the relay's own keys."""
    return replace(wishes, keys=keys)


def text(wishes: Wishes) -> str:
    """The file as TOML."""
    sections = _sections(wishes)
    return _HEAD + "".join(
        f"\n[{section}]\n" + "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())
        for section, keys in sections.items()
        if (values := {key: value for key, value in keys.items() if value != _default(section, key)})
    )


def _sections(wishes: Wishes) -> Mapping[str, Mapping[str, Value]]:
    return {
        "store": {"path": str(wishes.data / "relay.db")},
        "smtp": {"hostname": wishes.hostname, "certificate": str(wishes.certificate), "key": str(wishes.key)},
        "ses": {"region": wishes.region},
        "callbacks": _callbacks(wishes),
        "secrets": {"keys_file": str(wishes.keys)} if wishes.keys else {},
    }


def _callbacks(wishes: Wishes) -> Mapping[str, Value]:
    """TLS ends here, at the port of the URL; or at a proxy, which comes to the usual listener. Without a URL nobody comes."""
    if not wishes.public_url:
        return {"listen": ""}
    if wishes.proxies or wishes.public_url.startswith("http:"):
        return {"public_url": wishes.public_url, "proxies": list(wishes.proxies)}
    return {
        "listen": f"0.0.0.0:{urlsplit(wishes.public_url).port or 443}",
        "public_url": wishes.public_url,
        "certificate": str(wishes.certificate),
        "key": str(wishes.key),
    }


def _default(section: str, key: str) -> Value:
    found = getattr(getattr(Config(), section), key, "")
    return list(found) if isinstance(found, tuple) else str(found)
