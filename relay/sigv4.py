"""AWS Signature Version 4: signs a request, and checks one that came. Signing keys are derived once a day and kept.

Source: IAM user guide, "Create a signed AWS API request".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from calendar import timegm
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from time import gmtime, strftime, strptime
from urllib.parse import quote, unquote_to_bytes

from relay.errors import RelayError

ALGORITHM = "AWS4-HMAC-SHA256"
SKEW_SECONDS = 300
_STAMP = "%Y%m%dT%H%M%SZ"
_SCOPE = re.compile(r"(\w{1,128})/(\d{8})/([a-z0-9-]{1,40})/([a-z0-9-]{1,40})/aws4_request", re.ASCII)
_NAMES = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+(;[a-z0-9!#$%&'*+.^_`|~-]+)*", re.ASCII)
_SIGNATURE = re.compile(r"[0-9a-f]{64}", re.ASCII)
_STAMPED = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
UNKNOWN = "The security token included in the request is invalid."
_WRONG = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and "
    "signing method. Consult the service documentation for details."
)
_FIELDS = {"Credential", "SignedHeaders", "Signature"}
_ONCE = ("authorization", "host", "content-type", "x-amz-date", "x-amz-content-sha256")  # two of one mean nothing certain


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
    stamp = _stamp(int(at))
    signed = {**headers, "Host": host, "X-Amz-Date": stamp}
    if key.token:
        signed["X-Amz-Security-Token"] = key.token
    lowered = sorted((name.lower(), _collapsed(value)) for name, value in signed.items())
    canonical = _canonical(method, path, ((_octets(n), _octets(v)) for n, v in query), lowered, payload_sha256)
    names = ";".join(name for name, _ in lowered)
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    signature = _signature(canonical, key.secret, stamp, region, service)
    signed["Authorization"] = f"{ALGORITHM} Credential={key.id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return signed


class Flaw(StrEnum):
    """What can be wrong with a signature."""

    MISSING = "missing"
    INCOMPLETE = "incomplete"
    UNKNOWN_KEY = "unknown key"
    STALE = "stale"  # of another time
    WRONG = "wrong"


class BadSignature(RelayError):
    """A request whose signature is not taken. The text is what AWS says of it, where it says something."""

    def __init__(self, flaw: Flaw, text: str) -> None:
        super().__init__(text)
        self.flaw = flaw


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it came: `target` is path and query as they went over the wire, `headers` has the values of each, in their
    order, by its name in lower case.
    """

    method: str
    target: str
    headers: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, method: str, target: str, headers: Iterable[tuple[str, str]]) -> Request:
        """With all headers there were, in order."""
        found: dict[str, list[str]] = {}
        for name, value in headers:
            found.setdefault(name.lower(), []).append(value)
        return cls(method=method, target=target, headers=found)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> list[tuple[bytes, bytes]]:
        """Names and values, decoded; a plus is a plus."""
        pairs = (pair.partition("=") for pair in self.target.partition("?")[2].split("&") if pair)
        return [(unquote_to_bytes(_octets(name)), unquote_to_bytes(_octets(value))) for name, _, value in pairs]

    def all(self, name: str) -> Sequence[str]:
        """The values of a header; `name` in lower case."""
        return self.headers.get(name, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a request says of its own signature: with whose key it was made, when, for which region, over which headers."""

    key_id: str
    stamp: str
    region: str
    service: str
    names: tuple[str, ...]
    signature: str


def claimed(request: Request, *, service: str) -> Claim:
    """What must be so whatever the key is. Raises BadSignature."""
    _check_there(request)
    fields = _fields(request.all("authorization")[0])
    scope, stamp = _SCOPE.fullmatch(fields["Credential"]), "".join(request.all("x-amz-date"))
    if not scope or not _NAMES.fullmatch(fields["SignedHeaders"]) or not _SIGNATURE.fullmatch(fields["Signature"]):
        raise BadSignature(Flaw.INCOMPLETE, "Credential, SignedHeaders or Signature are not as AWS has them.")
    if not _STAMPED.fullmatch(stamp) or _seconds(stamp) is None:
        raise BadSignature(Flaw.INCOMPLETE, "Authorization header requires existence of a 'X-Amz-Date' header.")
    key_id, day, region, of_service = scope.groups()
    if day != stamp[:8]:
        raise BadSignature(Flaw.WRONG, "Date in Credential scope does not match YYYYMMDD of 'X-Amz-Date'.")
    if of_service != service:
        raise BadSignature(Flaw.WRONG, f"Credential should be scoped to correct service: '{service}'.")
    names = tuple(fields["SignedHeaders"].split(";"))
    _check_names(request, names)
    return Claim(key_id=key_id, stamp=stamp, region=region, service=service, names=names, signature=fields["Signature"])


def check_time(claim: Claim, now: float) -> None:
    """Raises BadSignature for one of five minutes ago, or from the future."""
    made, shown = _seconds(claim.stamp) or 0, strftime(_STAMP, gmtime(now))
    if made < now - SKEW_SECONDS:
        edge = strftime(_STAMP, gmtime(now - SKEW_SECONDS))
        text = f"Signature expired: {claim.stamp} is now earlier than {edge} ({shown} - 5 min.)"
        raise BadSignature(Flaw.STALE, text)
    if made > now + SKEW_SECONDS:
        edge = strftime(_STAMP, gmtime(now + SKEW_SECONDS))
        text = f"Signature not yet current: {claim.stamp} is still later than {edge} ({shown} + 5 min.)"
        raise BadSignature(Flaw.STALE, text)


def check(request: Request, claim: Claim, *, payload_sha256: str, secret: str) -> None:
    """Over exactly the headers that it names, and the octets that came; `payload_sha256` is in hexadecimal, of these. Raises
    BadSignature.
    """
    said = request.all("x-amz-content-sha256")
    if said and not hmac.compare_digest(_octets(said[0].lower()), payload_sha256.encode()):
        raise BadSignature(Flaw.WRONG, "The header 'x-amz-content-sha256' is not the SHA-256 of the body.")
    signed = [(name, ",".join(map(_collapsed, request.all(name)))) for name in claim.names]
    canonical = _canonical(request.method, request.path, request.query, signed, payload_sha256)
    expected = _signature(canonical, secret, claim.stamp, claim.region, claim.service)
    if not hmac.compare_digest(expected, claim.signature):
        raise BadSignature(Flaw.WRONG, _WRONG)


def smtp_password(secret: str, region: str) -> str:
    """What SES takes for a password by SMTP (SES developer guide, "Obtaining Amazon SES SMTP credentials")."""
    key = hmac.digest(_signing_key(secret, "11111111", region, "ses"), b"SendRawEmail", "sha256")
    return b64encode(b"\x04" + key).decode()


def _check_there(request: Request) -> None:
    """One signature, in its header, by no temporary key: we give none. Raises BadSignature."""
    if any(name.lower().startswith(b"x-amz-") for name, _ in request.query):
        raise BadSignature(Flaw.MISSING, "A request that is signed in its query is not taken.")
    if not request.all("authorization"):
        raise BadSignature(Flaw.MISSING, "Request is missing Authentication Token")
    if twice := next((name for name in _ONCE if len(request.all(name)) > 1), ""):
        raise BadSignature(Flaw.INCOMPLETE, f"More than one header '{twice}'.")
    if request.all("x-amz-security-token"):
        raise BadSignature(Flaw.UNKNOWN_KEY, UNKNOWN)


def _fields(authorization: str) -> dict[str, str]:
    """Raises BadSignature."""
    algorithm, _, rest = authorization.strip().partition(" ")
    pairs = [pair.strip().partition("=") for pair in rest.split(",")]
    fields = {name: value for name, _, value in pairs}
    if algorithm != ALGORITHM or fields.keys() != _FIELDS or len(fields) < len(pairs):
        text = f"Authorization header requires {ALGORITHM} with 'Credential', 'SignedHeaders' and 'Signature'."
        raise BadSignature(Flaw.INCOMPLETE, text)
    return fields


def _check_names(request: Request, names: Sequence[str]) -> None:
    """Raises BadSignature."""
    sent = request.headers.keys()
    if list(names) != sorted(set(names)) or "authorization" in names:
        raise BadSignature(Flaw.INCOMPLETE, "'SignedHeaders' are not in their order, or twice there.")
    needed = {"host", *(name for name in sent if name.startswith("x-amz-"))}
    if missing := sorted(needed - set(names)):
        raise BadSignature(Flaw.WRONG, f"'{missing[0]}' must be a 'SignedHeader' in the AWS Authorization.")
    if absent := sorted(set(names) - sent):
        raise BadSignature(Flaw.WRONG, f"The signed header '{absent[0]}' is not there.")


def _seconds(stamp: str) -> int | None:
    try:
        return timegm(strptime(stamp, _STAMP))
    except ValueError:
        return None


def _canonical(
    method: str, path: str, query: Iterable[tuple[bytes, bytes]], signed: Sequence[tuple[str, str]], payload_sha256: str
) -> bytes:
    lines = "".join(f"{name}:{value}\n" for name, value in signed)
    pairs = "&".join(f"{name}={value}" for name, value in sorted((_encode(n), _encode(v)) for n, v in query))
    names = ";".join(name for name, _ in signed)
    return _octets(f"{method}\n{_encoded_again(path)}\n{pairs}\n{lines}\n{names}\n{payload_sha256}")


@lru_cache(maxsize=256)
def _encoded_again(path: str) -> str:
    """Every service but S3 encodes the path, as it goes on the wire, once more."""
    return quote(_octets(path), safe="/~")


@lru_cache(maxsize=4)
def _stamp(second: int) -> str:
    return strftime(_STAMP, gmtime(second))


def _signature(canonical: bytes, secret: str, stamp: str, region: str, service: str) -> str:
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    to_sign = f"{ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(canonical).hexdigest()}"
    return hmac.digest(_signing_key(secret, stamp[:8], region, service), to_sign.encode(), "sha256").hex()


def _collapsed(value: str) -> str:
    return " ".join(value.split())


def _encode(octets: bytes) -> str:
    return quote(octets, safe="-_.~")


def _octets(text: str) -> bytes:
    """As it came: what was no UTF-8 is half of a pair in headers."""
    return text.encode("utf-8", "surrogateescape")


@lru_cache(maxsize=256)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
