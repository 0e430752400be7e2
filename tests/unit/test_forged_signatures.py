"""Signatures that came, signed by botocore: right ones are taken, and whatever is forged, cut, moved or old is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from time import gmtime, strftime
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from relay import sigv4
from relay.sigv4 import BadSignature, Flaw, Request

NOW = 1_763_720_000.0
KEY, SECRET = "AKIAEXAMPLEEXAMPLE22", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
ADDRESSES = "/v2/email/suppression/addresses"


@dataclass(frozen=True)
class Sent:
    """A request on the wire. Headers are in the order in which they go, `Authorization` last."""

    method: str = "POST"
    target: str = f"{ADDRESSES}/a%2Bb%40example.com?Reason=BOUNCE&Reason=COMPLAINT"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b"Action=SendEmail&Source=a%40example.com"

    def without(self, *names: str) -> Sent:
        return replace(self, headers=tuple((name, value) for name, value in self.headers if name.lower() not in names))

    def having(self, name: str, value: str) -> Sent:
        return replace(self.without(name.lower()), headers=(*self.without(name.lower()).headers, (name, value)))

    def also(self, name: str, value: str) -> Sent:
        return replace(self, headers=(*self.headers, (name, value)))

    @property
    def authorization(self) -> str:
        return next(value for name, value in self.headers if name.lower() == "authorization")

    def authorized(self, old: str, new: str) -> Sent:
        assert old in self.authorization
        return self.having("Authorization", self.authorization.replace(old, new))


class Careless(SigV4Auth):  # type: ignore[misc]
    """Signs as botocore does, but for one header."""

    left_out = ""

    def headers_to_sign(self, request: AWSRequest) -> Any:
        found = super().headers_to_sign(request)
        del found[self.left_out]
        return found


def signed(
    sent: Sent | None = None, *, at: float = NOW, secret: str = SECRET, service: str = "ses", token: str = "", but: str = ""
) -> Sent:
    """By botocore, for eu-west-1; `but` is a header that is left out of what is signed."""
    sent = sent or Sent(
        headers=(("Host", "127.0.0.1:8081"), ("Content-Type", "application/x-www-form-urlencoded"), ("X-A", "b  c"))
    )
    stamp = strftime("%Y%m%dT%H%M%SZ", gmtime(at))
    sent = sent.also("X-Amz-Date", stamp)
    sent = sent.also("X-Amz-Security-Token", token) if token else sent
    request = AWSRequest(method=sent.method, url=f"http://127.0.0.1:8081{sent.target}", data=sent.body)
    request.context["timestamp"] = stamp
    for name, value in sent.headers:
        request.headers[name] = value
    signer = Careless(Credentials(KEY, secret), service, "eu-west-1")
    signer.left_out = but
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    names = signer.signed_headers(signer.headers_to_sign(request))
    scope = f"{KEY}/{stamp[:8]}/eu-west-1/{service}/aws4_request"
    return sent.also("Authorization", f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}")


def verify(sent: Sent, *, now: float = NOW, secret: str = SECRET) -> str:
    """The id of the key. Raises BadSignature."""
    request = Request.of(sent.method, sent.target, sent.headers)
    claim = sigv4.claimed(request, service="ses")
    sigv4.check_time(claim, now)
    sigv4.check(request, claim, payload_sha256=sha256(sent.body).hexdigest(), secret=secret)
    return claim.key_id


def test_what_botocore_has_signed_is_taken() -> None:
    assert verify(signed()) == KEY


@pytest.mark.parametrize("seconds", [-300, -299, 0, 299, 300])
def test_a_signature_is_good_for_five_minutes_both_ways(seconds: int) -> None:
    assert verify(signed(at=NOW + seconds)) == KEY


def test_the_digest_of_the_body_may_be_said_and_the_headers_be_in_any_order_and_case() -> None:
    sent = signed(Sent(headers=(("Host", "127.0.0.1:8081"), ("X-Amz-Content-Sha256", sha256(Sent().body).hexdigest()))))
    assert verify(sent) == KEY
    assert verify(replace(sent, headers=tuple(reversed(sent.headers)))) == KEY
    assert verify(replace(sent, headers=tuple((name.upper(), value) for name, value in sent.headers))) == KEY
    assert verify(sent.authorized(", ", ",")) == KEY


def test_what_is_not_signed_may_be_added_on_the_way() -> None:
    assert verify(signed().also("X-Forwarded-For", "192.0.2.1").also("User-Agent", "x").also("X-Amzn-Trace-Id", "1")) == KEY


def of_value(text: str) -> str:
    """The same length, with one letter another."""
    return ("0" if text[0] != "0" else "1") + text[1:]


FORGED: dict[str, tuple[Flaw, Callable[[Sent], Sent]]] = {
    "no signature": (Flaw.MISSING, lambda sent: sent.without("authorization")),
    "signed in the query": (Flaw.MISSING, lambda sent: replace(sent, target=f"{sent.target}&X-Amz-Signature={'0' * 64}")),
    "signed in the query as well": (Flaw.MISSING, lambda sent: replace(sent, target=f"{sent.target}&%58-Amz-Date=1")),
    "another scheme": (Flaw.INCOMPLETE, lambda sent: sent.having("Authorization", "Basic YTpi")),
    "an empty one": (Flaw.INCOMPLETE, lambda sent: sent.having("Authorization", "")),
    "another algorithm": (Flaw.INCOMPLETE, lambda sent: sent.authorized("HMAC-SHA256", "ECDSA-P256-SHA256")),
    "a shorter algorithm": (Flaw.INCOMPLETE, lambda sent: sent.authorized("HMAC-SHA256", "HMAC-SHA1")),
    "no Credential": (Flaw.INCOMPLETE, lambda sent: sent.authorized("Credential=", "Cred=")),
    "no SignedHeaders": (Flaw.INCOMPLETE, lambda sent: sent.authorized("SignedHeaders=", "Headers=")),
    "no Signature": (Flaw.INCOMPLETE, lambda sent: sent.authorized(" Signature=", " Sig=")),
    "two signatures in one": (
        Flaw.INCOMPLETE,
        lambda sent: sent.authorized(" Signature=", f" Signature={'0' * 64}, Signature="),
    ),
    "two headers with signatures": (Flaw.INCOMPLETE, lambda sent: sent.also("authorization", sent.authorization)),
    "a cut signature": (Flaw.INCOMPLETE, lambda sent: sent.having("Authorization", sent.authorization[:-1])),
    "a longer signature": (Flaw.INCOMPLETE, lambda sent: sent.having("Authorization", sent.authorization + "0")),
    "an empty signature": (Flaw.INCOMPLETE, lambda sent: sent.having("Authorization", sent.authorization[:-64])),
    "capitals in the signature": (
        Flaw.INCOMPLETE,
        lambda sent: sent.having("Authorization", sent.authorization[:-64] + "A" + sent.authorization[-63:]),
    ),
    "another signature": (
        Flaw.WRONG,
        lambda sent: sent.having("Authorization", sent.authorization[:-64] + of_value(sent.authorization[-64:])),
    ),
    "noughts": (Flaw.WRONG, lambda sent: sent.having("Authorization", sent.authorization[:-64] + "0" * 64)),
    "another secret": (Flaw.WRONG, lambda _: signed(secret=SECRET[:-1])),
    "no secret": (Flaw.WRONG, lambda _: signed(secret="")),
    "another region": (Flaw.WRONG, lambda sent: sent.authorized("eu-west-1", "eu-west-2")),
    "no region": (Flaw.INCOMPLETE, lambda sent: sent.authorized("/eu-west-1/", "//")),
    "another service": (Flaw.WRONG, lambda sent: sent.authorized("/ses/", "/sns/")),
    "signed for another service": (Flaw.WRONG, lambda _: signed(service="s3")),
    "signed for another service that says it is ses": (Flaw.WRONG, lambda _: signed(service="s3").authorized("/s3/", "/ses/")),
    "another end of the scope": (Flaw.INCOMPLETE, lambda sent: sent.authorized("aws4_request", "aws4_response")),
    "a scope of another day": (Flaw.WRONG, lambda sent: sent.authorized("/20251121/", "/20251120/")),
    "another method": (Flaw.WRONG, lambda sent: replace(sent, method="DELETE")),
    "another path": (Flaw.WRONG, lambda sent: replace(sent, target=sent.target.replace("a%2Bb", "a%2Bc"))),
    "the path in other words": (Flaw.WRONG, lambda sent: replace(sent, target=sent.target.replace("%2B", "+"))),
    "the path decoded": (Flaw.WRONG, lambda sent: replace(sent, target=sent.target.replace("%40", "@"))),
    "a path with more": (Flaw.WRONG, lambda sent: replace(sent, target=sent.target.replace("?", "/?"))),
    "a query with more": (Flaw.WRONG, lambda sent: replace(sent, target=f"{sent.target}&PageSize=1")),
    "a query with less": (Flaw.WRONG, lambda sent: replace(sent, target=sent.target.replace("&Reason=COMPLAINT", ""))),
    "no query": (Flaw.WRONG, lambda sent: replace(sent, target=sent.target.partition("?")[0])),
    "another value in the query": (Flaw.WRONG, lambda sent: replace(sent, target=sent.target.replace("BOUNCE", "BOUNCES"))),
    "another body": (Flaw.WRONG, lambda sent: replace(sent, body=sent.body.replace(b"a%40", b"b%40"))),
    "a longer body": (Flaw.WRONG, lambda sent: replace(sent, body=sent.body + b"&a=b")),
    "no body": (Flaw.WRONG, lambda sent: replace(sent, body=b"")),
    "another host": (Flaw.WRONG, lambda sent: sent.having("Host", "127.0.0.1:8082")),
    "two hosts": (Flaw.INCOMPLETE, lambda sent: sent.also("Host", "127.0.0.1:8081")),
    "no host": (Flaw.WRONG, lambda sent: sent.without("host")),
    "a host that is not signed": (Flaw.WRONG, lambda _: signed(but="host")),
    "a date that is not signed": (Flaw.WRONG, lambda _: signed(but="x-amz-date")),
    "another signed header": (Flaw.WRONG, lambda sent: sent.having("X-A", "bc")),
    "a signed header twice": (Flaw.WRONG, lambda sent: sent.also("X-A", "b c")),
    "a signed header less": (Flaw.WRONG, lambda sent: sent.without("x-a")),
    "a signed header that nobody names": (Flaw.WRONG, lambda sent: sent.authorized(";x-a;", ";")),
    "a header named that is not there": (Flaw.WRONG, lambda sent: sent.authorized(";x-amz-date", ";x-amz-date;x-b")),
    "an empty signed header less": (
        Flaw.WRONG,
        lambda _: signed(Sent(headers=(("Host", "127.0.0.1:8081"), ("X-B", "")))).without("x-b"),
    ),
    "the signature signed": (Flaw.INCOMPLETE, lambda sent: sent.authorized("Headers=content", "Headers=authorization;content")),
    "signed headers in another order": (
        Flaw.INCOMPLETE,
        lambda sent: sent.authorized("content-type;host", "host;content-type"),
    ),
    "a signed header named twice": (Flaw.INCOMPLETE, lambda sent: sent.authorized(";host;", ";host;host;")),
    "names in capitals": (Flaw.INCOMPLETE, lambda sent: sent.authorized(";host;", ";Host;")),
    "no names": (Flaw.INCOMPLETE, lambda sent: sent.authorized("content-type;host;x-a;x-amz-date", "")),
    "another header of AWS's that is not signed": (Flaw.WRONG, lambda sent: sent.also("X-Amz-Target", "x")),
    "a body's digest that is not signed": (
        Flaw.WRONG,
        lambda sent: sent.also("X-Amz-Content-Sha256", sha256(sent.body).hexdigest()),
    ),
    "another body's digest": (
        Flaw.WRONG,
        lambda _: signed(Sent(headers=(("Host", "127.0.0.1:8081"), ("X-Amz-Content-Sha256", sha256(b"x").hexdigest())))),
    ),
    "an unsigned body": (
        Flaw.WRONG,
        lambda _: signed(Sent(headers=(("Host", "127.0.0.1:8081"), ("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")))),
    ),
    "no date": (Flaw.INCOMPLETE, lambda sent: sent.without("x-amz-date")),
    "a date of another kind": (Flaw.INCOMPLETE, lambda sent: sent.having("X-Amz-Date", "2025-11-21T10:13:20Z")),
    "a date that is none": (Flaw.INCOMPLETE, lambda sent: sent.having("X-Amz-Date", "20251132T101320Z")),
    "another second": (Flaw.WRONG, lambda sent: sent.having("X-Amz-Date", strftime("%Y%m%dT%H%M%SZ", gmtime(NOW + 1)))),
    "two dates": (Flaw.INCOMPLETE, lambda sent: sent.also("X-Amz-Date", dict(sent.headers)["X-Amz-Date"])),
    "of five minutes and a second ago": (Flaw.STALE, lambda _: signed(at=NOW - 301)),
    "of an hour ago": (Flaw.STALE, lambda _: signed(at=NOW - 3600)),
    "of yesterday": (Flaw.STALE, lambda _: signed(at=NOW - 86400)),
    "of five minutes and a second ahead": (Flaw.STALE, lambda _: signed(at=NOW + 301)),
    "of tomorrow": (Flaw.STALE, lambda _: signed(at=NOW + 86400)),
    "a temporary key": (Flaw.UNKNOWN_KEY, lambda _: signed(token="a token")),
}


@pytest.mark.parametrize("name", FORGED)
def test_what_is_forged_is_refused_for_what_it_is(name: str) -> None:
    flaw, forge = FORGED[name]
    with pytest.raises(BadSignature) as refused:
        verify(forge(signed()))
    assert refused.value.flaw is flaw, str(refused.value)


def test_the_same_request_before_it_was_forged_is_taken() -> None:
    """Else each of them could be refused for something else."""
    assert len(FORGED) >= 40
    assert verify(signed(but="x-a")) == KEY


def test_each_refusal_says_what_aws_says() -> None:
    with pytest.raises(BadSignature) as refused:
        verify(signed(at=NOW - 301))
    assert str(refused.value) == (
        "Signature expired: 20251121T100819Z is now earlier than 20251121T100820Z (20251121T101320Z - 5 min.)"
    )
    with pytest.raises(BadSignature, match="'host' must be a 'SignedHeader'"):
        verify(signed(but="host"))


texts = st.text(max_size=12)
pairs = st.lists(st.tuples(st.text(min_size=1, max_size=8).filter(lambda name: not name.lower().startswith("x-amz-")), texts))


@given(pairs, st.text(min_size=1, max_size=12).filter(lambda text: text not in (".", "..")), st.binary(max_size=100), st.data())
def test_a_request_is_taken_as_it_was_signed_and_with_any_octet_changed_it_is_not(
    query: list[tuple[str, str]], last: str, body: bytes, data: st.DataObject
) -> None:
    encoded = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query)
    target = f"{ADDRESSES}/{quote(last, safe='')}" + (f"?{encoded}" if encoded else "")
    sent = signed(Sent(target=target, headers=(("Host", "127.0.0.1:8081"),), body=body))
    assert verify(sent) == KEY
    if body:
        place = data.draw(st.integers(0, len(body) - 1))
        other = body[:place] + bytes([body[place] ^ data.draw(st.integers(1, 255))]) + body[place + 1 :]
        with pytest.raises(BadSignature):
            verify(replace(sent, body=other))


@given(st.text(max_size=300), st.lists(st.tuples(st.sampled_from(["host", "x-amz-date", "authorization"]), texts), max_size=5))
def test_whatever_comes_is_a_bad_signature_and_no_fault_of_ours(authorization: str, headers: list[tuple[str, str]]) -> None:
    sent = Sent(headers=(*headers, ("Authorization", f"AWS4-HMAC-SHA256 {authorization}")))
    with pytest.raises(BadSignature):
        verify(sent)
