"""AWS Signature Version 4: signs a request. The signing key is derived once a day and kept.

Source: IAM user guide, "Create a signed AWS API request".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from time import gmtime, strftime
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """What AWS knows us by. `token` is there for temporary keys only."""

    id: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


def sign(
    *,
    method: str,
    host: str,
    path: str,
    query: Iterable[tuple[str, str]] = (),
    headers: Mapping[str, str],
    payload_sha256: str,
    key: AccessKey,
    region: str,
    service: str,
    at: float,
) -> dict[str, str]:
    """All headers of the signed request: those given, `Host`, `X-Amz-Date`, the token if any, and `Authorization`.

    `path` is the path as it goes on the wire, percent-encoded once; `query` holds decoded names and values; `payload_sha256`
    is in hexadecimal.
    """
    stamp = strftime("%Y%m%dT%H%M%SZ", gmtime(at))
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    signed = {**headers, "Host": host, "X-Amz-Date": stamp}
    if key.token:
        signed["X-Amz-Security-Token"] = key.token
    canonical, names = _canonical(method, path, query, signed, payload_sha256)
    to_sign = f"{ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(_signing_key(key.secret, stamp[:8], region, service), to_sign.encode(), "sha256").hex()
    signed["Authorization"] = f"{ALGORITHM} Credential={key.id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return signed


def _canonical(
    method: str, path: str, query: Iterable[tuple[str, str]], headers: Mapping[str, str], payload_sha256: str
) -> tuple[str, str]:
    lowered = sorted((name.lower(), " ".join(value.split())) for name, value in headers.items())
    names = ";".join(name for name, _ in lowered)
    lines = "".join(f"{name}:{value}\n" for name, value in lowered)
    pairs = "&".join(f"{name}={value}" for name, value in sorted((_encode(n), _encode(v)) for n, v in query))
    # Every service but S3 encodes the path, as it goes on the wire, once more.
    return f"{method}\n{quote(path, safe='/~')}\n{pairs}\n{lines}\n{names}\n{payload_sha256}", names


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")


@lru_cache(maxsize=32)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
