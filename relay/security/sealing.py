"""Secrets that must be read again lie in the database sealed: AES-256-GCM under keys made of those of the settings."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relay.errors import Unsealable
from relay.tokens import Keys

_NONCE = 12
_OVERHEAD = _NONCE + 16


class AesSeal:
    """Implements ports.Seal, with the newest of the keys; what older ones sealed is still opened. There must be one."""

    def __init__(self, keys: Keys) -> None:
        self._newest = max(keys)
        self._keys = {number: AESGCM(key) for number, key in keys.items()}

    def seal(self, secret: str, *, about: str) -> str:
        nonce = os.urandom(_NONCE)
        octets = nonce + self._keys[self._newest].encrypt(nonce, secret.encode(), about.encode())
        return f"{self._newest}:{b64encode(octets).decode()}"

    def open(self, sealed: str, *, about: str) -> str:
        number, _, text = sealed.partition(":")
        key = self._keys.get(int(number)) if number.isdecimal() else None
        if key is None:
            raise Unsealable(f"key {number} of secrets.keys is gone")
        try:
            octets = b64decode(text, validate=True)
            if len(octets) < _OVERHEAD:
                raise ValueError("too short")
            return key.decrypt(octets[:_NONCE], octets[_NONCE:], about.encode()).decode()
        except (ValueError, InvalidTag) as error:
            raise Unsealable("a sealed secret was changed, or belongs elsewhere") from error
