"""Who is it? The AUTH dialogues, and clients that need none."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Awaitable, Callable, Collection, Generator

from relay import journal, policy
from relay.credential import Credential, Scope
from relay.errors import StoreUnavailable, WrongLogin
from relay.logins import objection_to
from relay.replies import Reply
from relay.smtp import answers

Exchange = Generator[bytes, bytes, tuple[str, str]]
"""Yields prompts, is sent response lines, returns name and password. Raises NotBase64 or WrongLogin."""


class NotBase64(Exception):
    """A response that cannot be decoded."""


def plain(initial: bytes | None) -> Exchange:
    """RFC 4616: authorisation identity, name and password, parted by NUL."""
    response = _decoded((yield b"") if initial is None else initial)
    fields = response.split(b"\0")
    if len(fields) != 3 or fields[0] not in (b"", fields[1]):
        raise WrongLogin
    return _text(fields[1]), _text(fields[2])


def login(initial: bytes | None) -> Exchange:
    """The old LOGIN mechanism: both prompts as every client expects them."""
    name = _decoded((yield b"Username:") if initial is None else initial)
    return _text(name), _text(_decoded((yield b"Password:")))


# Looked up in upper case: .NET's SmtpClient writes `AUTH login`.
MECHANISMS: dict[bytes, Callable[[bytes | None], Exchange]] = {b"PLAIN": plain, b"LOGIN": login}


def _decoded(response: bytes) -> bytes:
    try:
        return b"" if response == b"=" else b64decode(response, validate=True)
    except binascii.Error:
        raise NotBase64 from None


def _text(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise WrongLogin from None


class TrustedNetworks:
    """Implements listener.Guests: who may submit without a login, by address, and under which credential."""

    def __init__(self, networks: Collection[str], name: str, find: Callable[[str], Awaitable[Credential | None]]) -> None:
        self._networks = tuple(networks)
        self._name = name
        self._find = find

    async def welcome(self, peer: str) -> tuple[Credential | None, Reply | None]:
        if not policy.is_within(peer, self._networks):
            return None, answers.NOT_FOR_YOU
        try:
            credential = await self._find(self._name)
        except StoreUnavailable:
            return None, answers.NOT_NOW
        objection = objection_to(credential, peer, Scope.SMTP) if credential else "unknown name"
        if objection:
            journal.login_refused(name=self._name, peer=peer, why=objection)
            return None, answers.NOT_NOW
        return credential, None
