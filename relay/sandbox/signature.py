"""Checks SigV4 with botocore's own signer: builds the same request, signs it, compares."""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime, timedelta

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<id>[^/]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, ?"
    r"SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


_STAMP = "%Y%m%dT%H%M%SZ"
_VALID = timedelta(minutes=5)


def expired(headers: dict[str, str], now: datetime) -> str:
    """What AWS says of a signature that is too old, or of one from the future; empty for one of now. Headers in lower case."""
    stamp = headers.get("x-amz-date", "")
    made = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    if made < now - _VALID:
        return f"Signature expired: {stamp} is now earlier than {now - _VALID:{_STAMP}} ({now:{_STAMP}} - 5 min.)"
    if made > now + _VALID:
        return f"Signature not yet current: {stamp} is still later than {now + _VALID:{_STAMP}} ({now:{_STAMP}} + 5 min.)"
    return ""


def has_ended(token: str, now: datetime) -> bool:
    """Whether a session token is good no more. The sandbox's say until when they are: `until-` and seconds since the epoch."""
    kind, _, until = token.partition("-")
    return kind == "until" and now.timestamp() > float(until)


def fault_of(method: str, url: str, headers: dict[str, str], body: bytes, *, keys: dict[str, str]) -> str:
    """The name of the SES error for a wrong signature; empty for a right one. `headers` in lower case, keys id -> secret."""
    match = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    stamp = headers.get("x-amz-date", "")
    if not match or not stamp:
        return "MissingAuthenticationTokenException"
    if match["id"] not in keys:
        return "UnrecognizedClientException"
    request = AWSRequest(method=method, url=url, data=body)
    request.context["timestamp"] = stamp
    for name in match["headers"].split(";"):
        request.headers[name] = headers.get(name, "")
    signer = SigV4Auth(Credentials(match["id"], keys[match["id"]]), match["service"], match["region"])
    expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    return "" if hmac.compare_digest(expected, match["signature"]) else "SignatureDoesNotMatchException"
