from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from relay import sigv4
from relay.sigv4 import AccessKey, BadSignature, Request

HOST = "email.us-east-1.amazonaws.com"
AT = datetime(2025, 1, 15, 10, 20, 30, tzinfo=UTC).timestamp()
KEY = AccessKey(id="AKIDEXAMPLE", secret="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<credential>\S+), SignedHeaders=(?P<names>\S+), Signature=(?P<signature>[0-9a-f]{64})"
)

Query = list[tuple[str, str]]


def sign(
    *,
    method: str = "POST",
    path: str = "/",
    query: Query | None = None,
    headers: dict[str, str] | None = None,
    payload: bytes = b"",
    key: AccessKey = KEY,
    region: str = "us-east-1",
    at: float = AT,
) -> dict[str, str]:
    return sigv4.sign(
        method=method,
        host=HOST,
        path=path,
        query=query or [],
        headers=headers or {},
        payload_sha256=hashlib.sha256(payload).hexdigest(),
        key=key,
        region=region,
        service="ses",
        at=at,
    )


def parts(signed: dict[str, str]) -> dict[str, str]:
    match = AUTHORIZATION.fullmatch(signed["Authorization"])
    assert match
    return match.groupdict()


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "payload", "names", "signature"),
    [
        (
            "POST",
            "/",
            [],
            {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
            b"Action=GetSendQuota&Version=2010-12-01",
            "content-type;host;x-amz-date",
            "eb78bb4265097dac332b7feb5f546d7b3939519fde56435077e97fe4eabebdb1",
        ),
        (
            "GET",
            "/v2/email/account",
            [],
            {},
            b"",
            "host;x-amz-date",
            "8c2aedad9531eb1ba61a11f67c555f696fcead179995041896dabb4d9f1d104d",
        ),
        (
            "GET",
            "/v2/email/suppression/addresses",
            [("Reason", "BOUNCE"), ("Reason", "COMPLAINT"), ("PageSize", "100")],
            {},
            b"",
            "host;x-amz-date",
            "a6b63824bceba105b8bc1c504901998509e8b420d2182147cccf9e87019047a3",
        ),
        (
            "DELETE",
            "/v2/email/suppression/addresses/a%2Bb%40example.com",
            [],
            {},
            b"",
            "host;x-amz-date",
            "625826526285383122c1789f438e616ae3dd342844e580cf841e8188a6e65cf0",
        ),
    ],
)
def test_the_signature_is_that_of_the_vectors(
    method: str, path: str, query: Query, headers: dict[str, str], payload: bytes, names: str, signature: str
) -> None:
    signed = sign(method=method, path=path, query=query, headers=headers, payload=payload)
    assert parts(signed) == {
        "credential": "AKIDEXAMPLE/20250115/us-east-1/ses/aws4_request",
        "names": names,
        "signature": signature,
    }


def test_an_smtp_password_is_that_of_the_vector() -> None:
    assert sigv4.smtp_password(KEY.secret, "us-east-1") == "BOntiZFm/r+5s3psZ/RpsjB+aSGsj2J0rXdiLuO0cQL7"
    assert sigv4.smtp_password(KEY.secret, "eu-west-1") != sigv4.smtp_password(KEY.secret, "us-east-1")


@pytest.mark.parametrize("path", ["/", "/v2/email/suppression/addresses/a%2Bb%40example.com"])
def test_what_we_sign_we_take(path: str) -> None:
    query = [("Reason", "BOUNCE"), ("a b", "+&=é")]
    headers = sign(path=path, query=query, headers={"X-A": " b  c "}, payload=b"x")
    target = f"{path}?{'&'.join(f'{quote(name)}={quote(value)}' for name, value in query)}"
    request = Request.of("POST", target, headers.items())
    claim = sigv4.claimed(request, service="ses")
    sigv4.check(request, claim, payload_sha256=hashlib.sha256(b"x").hexdigest(), secret=KEY.secret)
    assert (claim.key_id, claim.region, claim.stamp) == (KEY.id, "us-east-1", "20250115T102030Z")


@pytest.mark.parametrize("said", [hashlib.sha256(b"y").hexdigest(), "UNSIGNED-PAYLOAD", ""])
def test_a_digest_that_is_not_the_body_s_is_refused_though_the_signature_is_right(said: str) -> None:
    headers = sign(headers={"X-Amz-Content-Sha256": said}, payload=b"x")
    request = Request.of("POST", "/", headers.items())
    with pytest.raises(BadSignature, match="x-amz-content-sha256"):
        sigv4.check(
            request,
            sigv4.claimed(request, service="ses"),
            payload_sha256=hashlib.sha256(b"x").hexdigest(),
            secret=KEY.secret,
        )


def test_the_headers_given_are_sent_as_they_were_given() -> None:
    signed = sign(headers={"Content-Type": "application/json", "X-Two": "a  b "})
    assert signed.keys() == {"Content-Type", "X-Two", "Host", "X-Amz-Date", "Authorization"}
    assert (signed["Content-Type"], signed["X-Two"]) == ("application/json", "a  b ")
    assert (signed["Host"], signed["X-Amz-Date"]) == (HOST, "20250115T102030Z")


def test_a_temporary_key_sends_and_signs_its_token() -> None:
    signed = sign(key=AccessKey(id="ASIAEXAMPLE", secret="s", token="t0ken"))
    assert signed["X-Amz-Security-Token"] == "t0ken"
    assert parts(signed)["names"] == "host;x-amz-date;x-amz-security-token"


def test_a_lasting_key_sends_no_token() -> None:
    assert "X-Amz-Security-Token" not in sign()


def test_a_printed_key_shows_neither_secret_nor_token() -> None:
    shown = repr(AccessKey(id="AKIDEXAMPLE", secret="hush-hush", token="also-hush"))
    assert "AKIDEXAMPLE" in shown
    assert "hush" not in shown


def test_the_time_is_cut_to_the_second() -> None:
    assert sign(at=AT + 0.999) == sign(at=AT)
    assert sign(at=AT + 1) != sign(at=AT)


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "GET"},
        {"path": "/v2"},
        {"query": [("a", "b")]},
        {"headers": {"X-A": "b"}},
        {"payload": b"x"},
        {"key": AccessKey(id="AKIDEXAMPLE", secret="another")},
        {"region": "eu-west-1"},
        {"at": AT + 86400},
    ],
)
def test_every_part_of_a_request_is_in_its_signature(changed: dict[str, object]) -> None:
    assert parts(sign(**changed))["signature"] != parts(sign())["signature"]  # type: ignore[arg-type]


def test_the_order_of_the_query_and_of_the_headers_does_not_matter() -> None:
    one = sign(query=[("b", "2"), ("a", "1"), ("a", "0")], headers={"X-B": "2", "X-A": "1"})
    other = sign(query=[("a", "0"), ("a", "1"), ("b", "2")], headers={"X-A": "1", "X-B": "2"})
    assert parts(one) == parts(other)


# The same requests by botocore's own signer.

tokens = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=4, max_size=20)
secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)
keys = st.builds(AccessKey, id=tokens, secret=secrets, token=st.just("") | secrets)
regions = st.sampled_from(["us-east-1", "eu-west-1", "ap-southeast-2", "us-gov-west-1"])
moments = st.integers(0, 4_000_000_000)
texts = st.text(max_size=15)
queries = st.lists(st.tuples(st.text(min_size=1, max_size=8), texts), max_size=6)
# An HTTP client resolves empty and dotted segments before anything is sent; SES has no such path.
segments = st.text(min_size=1, max_size=15).filter(lambda segment: segment not in (".", ".."))
paths = st.builds(
    lambda found, slash: "/" + "/".join(quote(segment, safe="") for segment in found) + ("/" if found and slash else ""),
    st.lists(segments, max_size=4),
    st.booleans(),
)
names = st.from_regex(r"(X|Content|Amz|x-amz)(-[A-Za-z0-9]{1,8}){1,2}", fullmatch=True).filter(
    lambda name: name.lower() not in ("x-amz-date", "x-amz-security-token", "x-amz-content-sha256")
)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126) | st.just("\t"), max_size=30)
headers = st.dictionaries(names, values, max_size=5).filter(lambda found: len({name.lower() for name in found}) == len(found))


def signature_of_botocore(
    method: str, path: str, query: Query, headers: dict[str, str], payload: bytes, key: AccessKey, region: str, stamp: str
) -> str:
    encoded = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query)
    request = AWSRequest(method=method, url=f"https://{HOST}{path}" + (f"?{encoded}" if encoded else ""), data=payload)
    request.context["timestamp"] = stamp
    for name, value in headers.items():
        request.headers[name] = value
    request.headers["X-Amz-Date"] = stamp
    if key.token:
        request.headers["X-Amz-Security-Token"] = key.token
    signer = SigV4Auth(Credentials(key.id, key.secret, key.token or None), "ses", region)
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]), paths, queries, headers, st.binary(max_size=200), keys, regions, moments
)
def test_every_request_is_signed_as_botocore_signs_it(
    method: str, path: str, query: Query, headers: dict[str, str], payload: bytes, key: AccessKey, region: str, at: int
) -> None:
    signed = sign(method=method, path=path, query=query, headers=headers, payload=payload, key=key, region=region, at=at)
    stamp = signed["X-Amz-Date"]
    assert datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp() == at
    expected = signature_of_botocore(method, path, query, headers, payload, key, region, stamp)
    assert parts(signed)["signature"] == expected
    assert parts(signed)["credential"] == f"{key.id}/{stamp[:8]}/{region}/ses/aws4_request"


@given(st.lists(st.tuples(keys, regions, moments), min_size=1, max_size=40))
def test_a_kept_signing_key_is_never_taken_for_another(requests: list[tuple[AccessKey, str, int]]) -> None:
    first = [sign(key=key, region=region, at=at) for key, region, at in requests]
    again = [sign(key=key, region=region, at=at) for key, region, at in reversed(requests)]
    assert first == again[::-1]
    for (key, region, _), signed in zip(requests, first, strict=True):
        expected = signature_of_botocore("POST", "/", [], {}, b"", key, region, signed["X-Amz-Date"])
        assert parts(signed)["signature"] == expected


def test_a_signature_names_every_header_it_covers_in_order() -> None:
    signed = sign(headers={"X-B": "2", "content-type": "text/plain", "X-A": "1"})
    assert parts(signed)["names"] == "content-type;host;x-a;x-amz-date;x-b"
