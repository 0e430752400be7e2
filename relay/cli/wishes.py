"""What `relay init` is told, by options and by answers, and what becomes of it where nobody says anything."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import click

from relay.cli import arguments
from relay.cli.terminal import Failure
from relay.first_settings import Wishes
from relay.settings import Config, SmtpConfig, StoreConfig

_LOGIN, _OPERATOR = "app", "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The options; what is empty was not said. With `asks` there is somebody to ask."""

    hostname: str
    region: str
    certificate: Path | None
    key: Path | None
    self_signed: bool
    public_url: str
    proxies: tuple[str, ...]
    login: str
    senders: tuple[str, ...]
    operator: str
    data: Path | None
    user: str
    force: bool
    asks: bool

    def wishes(self, file: Path) -> Wishes:
        """For a new file of settings. Raises Failure where something is needed that nobody says."""
        hostname = self._answer(self.hostname, "The name that mail programs connect to", _machine(), "--hostname")
        region = self._answer(self.region, "The region of SES", _region(), "--region")
        certificate, key = self._pair(file)
        return Wishes(
            hostname=hostname,
            region=region,
            certificate=certificate,
            key=key,
            data=(self.data or StoreConfig().path.parent).absolute(),
            public_url=self._may_say(self.public_url, "How SNS reaches it, https://...; nothing: by a queue").rstrip("/"),
            proxies=self.proxies,
        )

    def first_login(self, hostname: str) -> tuple[str, tuple[str, ...]]:
        """Its name, and what it may send as. Raises Failure."""
        name = arguments.name(self._answer(self.login, "The name of the first login", _LOGIN, "--login"))
        usual = f"@{hostname.partition('.')[2]}" if hostname.count(".") > 1 else f"@{hostname}"
        given = self.senders or (arguments.sender(self._answer("", "What it may send as", usual, "--sender")),)
        return name, given

    def first_operator(self) -> str:
        """His name."""
        return self._answer(self.operator, "The name of the console's first operator", _OPERATOR, "--operator")

    def check_agrees(self, config: Config) -> None:
        """A file that is there is not changed: what is said beside it must be what it says. Raises Failure."""
        there = {
            "--hostname": (self.hostname, config.smtp.hostname),
            "--region": (self.region, config.ses.region),
            "--public-url": (self.public_url.rstrip("/"), config.callbacks.public_url),
            "--certificate": (_whole(self.certificate), str(config.smtp.certificate)),
            "--key": (_whole(self.key), str(config.smtp.key)),
            "--data": (_whole(self.data), str(config.store.path.parent)),
        }
        for option, (wanted, found) in there.items():
            if wanted not in ("", found):
                raise Failure(f"{config.file} is there, with {found or 'nothing'} for {option}: change it there, or --force")

    def _pair(self, file: Path) -> tuple[Path, Path]:
        """Certificate and key: those that are named, or ours beside the settings."""
        question = "The TLS certificate, PEM with its chain; nothing: one that nobody vouches for"
        named = "" if self.self_signed else self._may_say(_whole(self.certificate), question)
        if not named:
            folder, usual = file.absolute().parent / "tls", SmtpConfig()
            return folder / usual.certificate.name, folder / usual.key.name
        key = self._answer(_whole(self.key), "Its key, PEM", str(Path(named).with_name("privkey.pem")), "--key")
        return Path(named).absolute(), Path(key).absolute()

    def _may_say(self, given: str, question: str) -> str:
        return given or (str(click.prompt(question, default="", show_default=False)) if self.asks else "")

    def _answer(self, given: str, question: str, default: str, option: str) -> str:
        """What was given, or is answered, or the default."""
        if given:
            return given
        if self.asks:
            return str(click.prompt(question, default=default or None))
        if not default:
            raise Failure(f"{option} is needed where nobody is asked")
        return default


def _machine() -> str:
    name = socket.getfqdn()
    return name if "." in name and not name.startswith("localhost") else ""


def _region() -> str:
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"


def _whole(path: Path | None) -> str:
    return str(path.absolute()) if path else ""
