"""What IAM calls a request, and how AWS says that it is forbidden."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from aiohttp import web

from relay.sandbox.faults import SesError
from relay.sandbox.topics import refused

_SES = [
    (method, re.compile(f"/v2/email/{path}"), f"ses:{action}")
    for method, path, action in (
        ("POST", "outbound-emails", "SendEmail"),
        ("GET", "account", "GetAccount"),
        ("POST", "list-identities", "ListEmailIdentities"),
        ("GET", "identities", "ListEmailIdentities"),
        ("POST", "identities", "CreateEmailIdentity"),
        ("GET", "identities/[^/]+", "GetEmailIdentity"),
        ("GET", "suppression/addresses", "ListSuppressedDestinations"),
        ("PUT", "suppression/addresses", "PutSuppressedDestination"),
        ("DELETE", "suppression/addresses/.+", "DeleteSuppressedDestination"),
        ("POST", "configuration-sets", "CreateConfigurationSet"),
        ("GET", "configuration-sets/[^/]+", "GetConfigurationSet"),
        ("GET", "configuration-sets/[^/]+/event-destinations", "GetConfigurationSetEventDestinations"),
        ("POST", "configuration-sets/[^/]+/event-destinations", "CreateConfigurationSetEventDestination"),
        ("PUT", "configuration-sets/[^/]+/event-destinations/[^/]+", "UpdateConfigurationSetEventDestination"),
    )
]
_SERVICE = re.compile(r"/(\w+)/aws4_request")


def action_of(request: web.Request, body: bytes) -> str:
    """As a policy names it; empty for what no policy can forbid here."""
    if request.path == "/":
        service = _SERVICE.search(request.headers.get("Authorization", ""))
        action = parse_qs(body.decode("latin-1")).get("Action", [""])[0]
        return f"{service[1]}:{action}" if service else ""
    found = (action for method, path, action in _SES if method == request.method and path.fullmatch(request.path))
    return next(found, "")


def denied(action: str, caller: str) -> web.Response:
    """In the words of SES, or of SNS."""
    why = f"User: {caller} is not authorized to perform: {action} because no identity-based policy allows the {action} action"
    if action.startswith("ses:"):
        return SesError(403, "AccessDeniedException", why).response()
    return refused("AuthorizationError", why, 403)
