"""The identities of the sandbox's account: ListEmailIdentities, GetEmailIdentity, CreateEmailIdentity,
PutEmailIdentityFeedbackAttributes.
"""

from __future__ import annotations

import json
import re
from base64 import b32encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from aiohttp import web

from relay.sandbox.faults import Faults, SesError, answered

_MOST = 1000  # on one page
_NAME = re.compile(r"([^@\s<>,]+@)?[a-z0-9-]+(\.[a-z0-9-]+)+", re.IGNORECASE)


class IdentityBook:
    """`states` has VerificationStatus and SendingEnabled by name, and may be changed at any time; `details` what else
    GetEmailIdentity says of a name. `faults` are for these calls alone."""

    def __init__(self) -> None:
        self.states: dict[str, tuple[str, bool]] = {"example.com": ("SUCCESS", True)}
        self.details: dict[str, dict[str, Any]] = {}
        self.faults = Faults()
        self.lists = 0

    def routes(self) -> list[web.RouteDef]:
        """boto3 asks for the list with POST since botocore 1.43, and with GET before that."""
        return [
            web.post("/v2/email/list-identities", self._list),
            web.get("/v2/email/identities", self._list),
            web.post("/v2/email/identities", self._create),
            web.get("/v2/email/identities/{name}", self._get),
            web.put("/v2/email/identities/{name}/feedback", self._put_feedback),
        ]

    async def _list(self, request: web.Request) -> web.StreamResponse:
        asked: Mapping[str, Any] = json.loads(await request.read() or "{}") if request.method == "POST" else request.query
        first, size = int(asked.get("NextToken") or 0), min(int(asked.get("PageSize") or _MOST), _MOST)
        names = sorted(self.states)
        rows = [
            {"IdentityName": name, "IdentityType": _type(name), "VerificationStatus": status, "SendingEnabled": may_send}
            for name in names[first : first + size]
            for status, may_send in [self.states[name]]
        ]
        answer: dict[str, Any] = {"EmailIdentities": rows}
        if first + size < len(names):
            answer["NextToken"] = str(first + size)
        self.lists += 1
        return await answered(request, self.faults, web.json_response(answer))

    async def _get(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in self.states:
            return SesError(404, "NotFoundException", f"Email identity {name} does not exist.").response()
        status, may_send = self.states[name]
        answer = {
            "IdentityType": _type(name),
            "FeedbackForwardingStatus": True,
            "VerifiedForSendingStatus": status == "SUCCESS" and may_send,
            "VerificationStatus": status,
            "DkimAttributes": _dkim(name, is_on=status == "SUCCESS", status=status),
            **self.details.get(name, {}),
        }
        return await answered(request, self.faults, web.json_response(answer))

    async def _create(self, request: web.Request) -> web.StreamResponse:
        """An address waits for its owner, a domain for its DNS records; both until `states` say otherwise."""
        name = str(json.loads(await request.read()).get("EmailIdentity") or "")
        if not _NAME.fullmatch(name):
            return SesError(400, "BadRequestException", f"Invalid email address or domain: {name}").response()
        if name in self.states:
            return SesError(400, "AlreadyExistsException", f"Email identity {name} already exist.").response()
        if self.faults.strikes(b"") and self.faults.error:
            return self.faults.error.response()
        self.states[name] = ("PENDING", False)
        dkim = _dkim(name, is_on=True, status="PENDING" if _type(name) == "DOMAIN" else "NOT_STARTED")
        return web.json_response({"IdentityType": _type(name), "VerifiedForSendingStatus": False, "DkimAttributes": dkim})

    async def _put_feedback(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in self.states:
            return SesError(404, "NotFoundException", f"Email identity {name} does not exist.").response()
        is_on = json.loads(await request.read()).get("EmailForwardingEnabled", False)
        self.details.setdefault(name, {})["FeedbackForwardingStatus"] = is_on
        return web.json_response({})


def _dkim(name: str, *, is_on: bool, status: str) -> dict[str, Any]:
    """A domain has three tokens of 32 characters, which stay what they are."""
    tokens = [b32encode(sha256(f"{name} {number}".encode()).digest()[:20]).decode().lower() for number in range(3)]
    keys = {"Tokens": tokens, "SigningHostedZone": "dkim.amazonses.com"} if _type(name) == "DOMAIN" else {}
    return {"SigningEnabled": is_on, "Status": status, "SigningAttributesOrigin": "AWS_SES", **keys}


def _type(name: str) -> str:
    return "EMAIL_ADDRESS" if "@" in name else "DOMAIN"
