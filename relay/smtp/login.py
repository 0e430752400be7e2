"""Who is it? The AUTH dialogues, and a name and a password from an address: a credential, or one answer for every failure."""

from __future__ import annotations

import asyncio
import binascii
from base64 import b64decode
from collections.abc import Callable, Collection, Generator
from contextlib import suppress

from relay import journal, policy
from relay.credential import Credential, LastUse
from relay.errors import StoreUnavailable, TooManyFailures, WrongLogin
from relay.guesses import Guesses
from relay.ports.clock import Clock
from relay.ports.logins import Credentials, Passwords
from relay.replies import Reply
from relay.smtp import answers

_NOTE_EVERY = 60.0

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


class Login:
    """Checks names and passwords. The client never learns which part was wrong; the journal does."""

    def __init__(self, credentials: Credentials, passwords: Passwords, guesses: Guesses, clock: Clock) -> None:
        self._credentials = credentials
        self._passwords = passwords
        self._guesses = guesses
        self._clock = clock
        self._known: dict[str, Credential] = {}
        self._noted: dict[tuple[str, str], LastUse] = {}

    async def check(self, name: str, password: str, *, peer: str, helo: str) -> Credential:
        """Raises WrongLogin, TooManyFailures, TooBusy or StoreUnavailable. Takes the same time for an unknown name."""
        credential = self._known.get(name) or await self._find(name)
        password_hash = self._passwords.remembered(password, credential)
        if password_hash is None and self._guesses.is_stopped(peer):
            raise TooManyFailures
        await asyncio.sleep(self._guesses.delay(name, peer))
        password_hash = password_hash or await self._passwords.verify(password, credential)
        if credential is None or password_hash is None:
            raise self._failed(name, peer, "wrong password" if credential else "unknown name")
        if objection := _objection(credential, peer):
            raise self._failed(name, peer, objection)
        self._guesses.succeeded(name, peer)
        await self._note(LastUse(name=name, password_hash=password_hash, at=self._clock(), peer=peer, helo=helo))
        return credential

    def forget(self, name: str) -> None:
        """The credential was changed."""
        self._known.pop(name, None)

    async def _find(self, name: str) -> Credential | None:
        found = await self._credentials.get(name)
        if found:
            self._known[name] = found
        return found

    def _failed(self, name: str, peer: str, why: str) -> WrongLogin:
        journal.login_refused(name=name, peer=peer, why=why)
        for by in self._guesses.failed(name, peer):
            journal.passwords_guessed(name=name, peer=peer, by=by)
        return WrongLogin()

    async def _note(self, use: LastUse) -> None:
        """Once a minute is enough, but for a new address. A store that cannot take it is no reason to refuse a login."""
        key = (use.name, use.password_hash)
        noted = self._noted.get(key)
        if noted and noted.peer == use.peer and use.at - noted.at < _NOTE_EVERY:
            return
        self._noted[key] = use
        with suppress(StoreUnavailable):
            await self._credentials.note_use(use)


def _objection(credential: Credential, peer: str) -> str:
    if credential.disabled:
        return "disabled"
    return "" if policy.may_connect(credential, peer) else "not from this network"


class TrustedNetworks:
    """Implements listener.Guests: who may submit without a login, by address, and under which credential."""

    def __init__(self, networks: Collection[str], name: str, credentials: Credentials) -> None:
        self._networks = tuple(networks)
        self._name = name
        self._credentials = credentials

    async def welcome(self, peer: str) -> tuple[Credential | None, Reply | None]:
        if not policy.is_within(peer, self._networks):
            return None, answers.NOT_FOR_YOU
        try:
            credential = await self._credentials.get(self._name)
        except StoreUnavailable:
            return None, answers.NOT_NOW
        objection = _objection(credential, peer) if credential else "unknown name"
        if objection:
            journal.login_refused(name=self._name, peer=peer, why=objection)
            return None, answers.NOT_NOW
        return credential, None
