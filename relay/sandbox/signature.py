"""Checks SigV4 with botocore's own signer: builds the same request, signs it, compares."""

from __future__ import annotations

import hmac
import re

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<id>[^/]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, ?"
    r"SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


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
