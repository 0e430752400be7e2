"""The SES door as programs meet it: boto3 with another endpoint, and requests that are signed and sent by hand."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from relay import tokens
from relay.access_keys import IssuedKey, new_id, new_secret
from relay.control.client import ControlClient
from relay.credential import Kind, OnSuppressed, Recipients, Scope
from relay.sandbox.cloud import Cloud
from relay.security.sealing import AesSeal
from tests.harness import CRM, Relay, running_relay

SECRETS = "1:" + "A" * 43 + "="
SETTINGS = {"RELAY_SECRETS__KEYS": SECRETS, "RELAY_SMTP__MAX_SIZE": "300000", "RELAY_API__MAX_BODY": "1000000"}
SPLIT = replace(CRM, name="split", recipients=Recipients.SPLIT)
FIRST = replace(CRM, name="first", recipients=Recipients.FIRST)
REJECTS = replace(CRM, name="rejects", kind=Kind.PERSON, recipients=Recipients.SPLIT, on_suppressed=OnSuppressed.REJECT)
TAGS = replace(CRM, name="tags", ses_headers=True)
SMTP_ONLY = replace(CRM, name="smtp", scopes=frozenset({Scope.SMTP}))
A_MINUTE = replace(CRM, name="minute", per_minute=1)
A_DAY = replace(CRM, name="day", per_day=1)
LOGINS = (CRM, SPLIT, FIRST, REJECTS, TAGS, SMTP_ONLY, A_MINUTE, A_DAY)

Clients = Callable[..., Any]


class Key(NamedTuple):
    """As it is shown to its owner."""

    id: str
    secret: str


async def issued(relay: Relay, login: str) -> Key:
    """A new one, given through the relay that runs."""
    key = Key(new_id(secrets.token_bytes), new_secret(secrets.token_bytes))
    sealed = AesSeal(tokens.derived([SECRETS], "secrets")).seal(key.secret, about=key.id)
    made = IssuedKey(id=key.id, credential=login, secret=sealed, smtp_hash="", created_at=time.time())
    assert await ControlClient(relay.where.control).add_access_key(made)
    return key


class Scene(NamedTuple):
    """A relay with a key for each login. `client` is boto3's, made once for each."""

    relay: Relay
    cloud: Cloud
    keys: Mapping[str, Key]
    made: dict[tuple[str, str], Any]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.relay.ports['api']}"

    def client(self, service: str, login: str = "crm") -> Any:
        if (service, login) not in self.made:
            self.made[service, login] = boto3_client(service, self.keys[login], self.endpoint)
        return self.made[service, login]

    async def call(self, service: str, operation: str, login: str = "crm", **parameters: Any) -> dict[str, Any]:
        """boto3's, in a thread. Raises ClientError."""
        answer: dict[str, Any] = await asyncio.to_thread(getattr(self.client(service, login), operation), **parameters)
        return answer


def boto3_client(service: str, key: Key, endpoint: str) -> Any:
    """As any program has it, but for the endpoint; and each call is made once, so that a fault is seen."""
    return boto3.client(
        service,
        region_name="eu-west-1",
        aws_access_key_id=key.id,
        aws_secret_access_key=key.secret,
        endpoint_url=endpoint,
        config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
    )


@asynccontextmanager
async def scene_in(folder: Path) -> AsyncIterator[Scene]:
    async with running_relay(folder, *LOGINS, settings=SETTINGS) as (relay, cloud):
        keys = {login.name: await issued(relay, login.name) for login in LOGINS}
        yield Scene(relay, cloud, keys, {})


class Signed(NamedTuple):
    """A request that can be sent as often as one likes."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    text: str


def signed(
    scene: Scene,
    method: str,
    target: str,
    body: bytes = b"",
    *,
    at: float = 0.0,
    login: str = "crm",
    key: Key | None = None,
    **more: str,
) -> Signed:
    """By botocore's own signer; `more` are further headers, their names with _ for -."""
    key = key or scene.keys[login]
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at or time.time()))
    request = AWSRequest(method=method, url=scene.endpoint + target, data=body)
    headers = {"Host": scene.endpoint.removeprefix("http://"), "X-Amz-Date": stamp}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    for name, value in headers.items():
        request.headers[name] = value
    request.context["timestamp"] = stamp
    signer = SigV4Auth(Credentials(*key), "ses", "eu-west-1")
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    names = signer.signed_headers(signer.headers_to_sign(request))
    scope = f"{key.id}/{stamp[:8]}/eu-west-1/ses/aws4_request"
    headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}"
    return Signed(method, target, headers, body)


async def sent(scene: Scene, request: Signed) -> Reply:
    return await asyncio.to_thread(_sent, scene, request)


def _sent(scene: Scene, request: Signed) -> Reply:
    connection = HTTPConnection("127.0.0.1", scene.relay.ports["api"], timeout=30)
    try:
        connection.request(request.method, request.target, request.body, request.headers)
        answer: HTTPResponse = connection.getresponse()
        return Reply(answer.status, dict(answer.headers), answer.read().decode())
    finally:
        connection.close()


def form(**fields: str) -> bytes:
    """Of the query API; dots in names are written as two underscores."""
    return urlencode({name.replace("__", "."): value for name, value in fields.items()}).encode()


def base64_of(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
