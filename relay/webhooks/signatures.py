"""How a receiver knows that a request is from us: headers over what is sent.

Sources: Standard Webhooks 1.0; RFC 7617; RFC 6750; AWS Signature Version 4.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlsplit

from relay import sigv4
from relay.sigv4 import AccessKey
from relay.webhooks.webhook import Proof, Webhook

_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64  # octets, by the standard
_WRONG = f"must be {_PREFIX} and base64 of {_SHORTEST} to {_LONGEST} octets"


def signing_key(secret: str) -> bytes:
    """Raises ValueError for what is no secret of the standard: `whsec_` and base64 of 24 to 64 octets."""
    try:
        key = b64decode(secret.removeprefix(_PREFIX), validate=True)
    except Error as error:
        raise ValueError(_WRONG) from error
    if not secret.startswith(_PREFIX) or not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(_WRONG)
    return key


def new_secret(chance: Callable[[int], bytes]) -> str:
    """One of the standard."""
    return _PREFIX + b64encode(chance(32)).decode()


def prove(
    webhook: Webhook, secret: str, *, url: str, headers: Mapping[str, str], body: bytes, id: str, at: float
) -> dict[str, str]:
    """All headers of the request: those given, and what proves it."""
    match webhook.proof:
        case Proof.STANDARD:
            return {**headers, **_standard(secret, body, id=id, at=at)}
        case Proof.BASIC:
            return {**headers, "Authorization": f"Basic {b64encode(f'{webhook.user}:{secret}'.encode()).decode()}"}
        case Proof.BEARER:
            return {**headers, "Authorization": f"Bearer {secret}"}
        case Proof.SIGV4:
            return _sigv4(webhook, secret, url=url, headers=headers, body=body, at=at)
        case Proof.NONE:
            return dict(headers)


def _standard(secret: str, body: bytes, *, id: str, at: float) -> dict[str, str]:
    stamp = str(int(at))
    signed = b".".join((id.encode(), stamp.encode(), body))
    signature = b64encode(hmac.digest(signing_key(secret), signed, hashlib.sha256)).decode()
    return {"webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": f"v1,{signature}"}


def _sigv4(webhook: Webhook, secret: str, *, url: str, headers: Mapping[str, str], body: bytes, at: float) -> dict[str, str]:
    parts = urlsplit(url)
    return sigv4.sign(
        method=webhook.method,
        host=parts.netloc,
        path=parts.path or "/",
        query=parse_qsl(parts.query, keep_blank_values=True),
        headers=headers,
        payload_sha256=hashlib.sha256(body).hexdigest(),
        key=AccessKey(id=webhook.user, secret=secret),
        region=webhook.region,
        service=webhook.service,
        at=at,
    )
