"""SES's v2 API: REST with JSON. Paths and fields as in the API reference 2019-09-27."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel, ValidationError

from relay.credential import Scope
from relay.web.ses_door.account import Account
from relay.web.ses_door.calls import Action, Asked, Caller
from relay.web.ses_door.faults import Kind, SesFault
from relay.web.ses_door.orders import Order, Simple
from relay.web.ses_door.sending import Sending
from relay.web.ses_door.suppressed import MOST, Page, Suppressed
from relay.web.ses_door.v2_models import Content, NewSuppressed, SendEmail

PREFIX = "/v2/email"
_CONTENT_TYPE = "application/json"
_PAGE = 100
_NO_TEMPLATES = "Templates of SES are not kept by this relay: send Simple or Raw content."
_NO_LISTS = "ListManagementOptions are not for this relay, which makes links of its own: [Unsubscribe]."

Fields = Mapping[str, Any]
M = TypeVar("M", bound=BaseModel)


class _Route(NamedTuple):
    method: str
    path: re.Pattern[str]
    name: str
    scope: Scope
    does: Callable[[Asked, str, Caller], Any]


class RestApi:
    """Implements calls.Dialect."""

    def __init__(self, *, sending: Sending, account: Account, suppressed: Suppressed) -> None:
        self._sending = sending
        self._account = account
        self._suppressed = suppressed
        all, one = re.compile("/suppression/addresses"), re.compile("/suppression/addresses/([^/]+)")
        self._routes = (
            _Route("POST", re.compile("/outbound-emails"), "SendEmail", Scope.MESSAGES, self._send),
            _Route("GET", re.compile("/account"), "GetAccount", Scope.ACCOUNT, self._get_account),
            _Route("GET", all, "ListSuppressedDestinations", Scope.SUPPRESSIONS, self._list),
            _Route("PUT", all, "PutSuppressedDestination", Scope.SUPPRESSIONS, self._put),
            _Route("GET", one, "GetSuppressedDestination", Scope.SUPPRESSIONS, self._get),
            _Route("DELETE", one, "DeleteSuppressedDestination", Scope.SUPPRESSIONS, self._delete),
        )

    async def read(self, asked: Asked) -> Action:
        path = asked.path.removeprefix(PREFIX)
        for route in self._routes:
            match = route.path.fullmatch(path)
            if match and route.method == asked.method:
                within = _text(unquote_to_bytes(match[1].encode("utf-8", "surrogateescape"))) if match.groups() else ""
                return Action(name=route.name, scope=route.scope, does=partial(route.does, asked, within))
        raise SesFault(Kind.NO_ACTION, "The requested operation is none of this relay's.")

    def result(self, action: Action, fields: Fields, request_id: str) -> tuple[str, bytes]:
        return _CONTENT_TYPE, json.dumps(fields).encode()

    def fault(self, fault: SesFault, request_id: str) -> tuple[int, dict[str, str], bytes]:
        words = fault.kind.value
        headers = {"Content-Type": _CONTENT_TYPE, "x-amzn-ErrorType": words.v2_code}
        return words.v2_status, headers, json.dumps({"message": fault.text}).encode()

    async def _send(self, asked: Asked, _: str, caller: Caller) -> Fields:
        wanted = _read(SendEmail, asked.body)
        if wanted.content.template is not None:
            raise SesFault(Kind.INVALID, _NO_TEMPLATES)
        if wanted.list_management_options is not None:
            raise SesFault(Kind.INVALID, _NO_LISTS)
        order = Order(
            content=_content(wanted),
            source=wanted.from_email_address,
            return_path=wanted.feedback_forwarding_email_address,
            to=wanted.destination.to_addresses,
            cc=wanted.destination.cc_addresses,
            bcc=wanted.destination.bcc_addresses,
            tags=[(tag.name, tag.value) for tag in wanted.email_tags],
            configuration_set=wanted.configuration_set_name,
        )
        return {"MessageId": await self._sending.send(caller, order)}

    async def _get_account(self, asked: Asked, _: str, caller: Caller) -> Fields:
        return await self._account.shown(caller)

    async def _list(self, asked: Asked, _: str, caller: Caller) -> Fields:
        given = [(_text(name), _text(value)) for name, value in asked.query]
        said = dict(given)
        page = Page(
            words=frozenset(value for name, value in given if name == "Reason"),
            since=_moment(said.get("StartDate", "")),
            until=_moment(said.get("EndDate", "")),
            count=_count(said.get("PageSize", "")),
            token=said.get("NextToken", ""),
        )
        return await self._suppressed.list(page)

    async def _put(self, asked: Asked, _: str, caller: Caller) -> Fields:
        wanted = _read(NewSuppressed, asked.body)
        return await self._suppressed.put(caller, wanted.email_address, wanted.reason)

    async def _get(self, asked: Asked, wanted: str, caller: Caller) -> Fields:
        return await self._suppressed.get(wanted)

    async def _delete(self, asked: Asked, wanted: str, caller: Caller) -> Fields:
        return await self._suppressed.delete(caller, wanted)


def _content(wanted: SendEmail) -> Simple | bytes:
    """Raises SesFault."""
    content: Content = wanted.content
    if content.raw is not None:
        return content.raw.data
    if content.simple is None:
        raise SesFault(Kind.INVALID, "Content is required: Simple or Raw.")
    text, html = content.simple.body.text.data, content.simple.body.html.data
    if not wanted.from_email_address or not (text or html):
        raise SesFault(Kind.INVALID, "FromEmailAddress and a Body with Text or Html are required.")
    return Simple(
        subject=content.simple.subject.data,
        text=text,
        html=html,
        reply_to=wanted.reply_to_addresses,
        headers=[(header.name, header.value) for header in content.simple.headers],
        files=[attachment.file for attachment in content.simple.attachments],
    )


def _read(kind: type[M], body: bytes) -> M:
    """Raises SesFault, for the first field that cannot be used."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "body"
        raise SesFault(Kind.INVALID, f"{place}: {first['msg']}") from None


def _text(octets: bytes) -> str:
    """Raises SesFault."""
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise SesFault(Kind.INVALID, "The URL is no UTF-8.")
    return text


def _moment(text: str) -> float:
    """Seconds, 0 where nothing is said: by ISO 8601, as the SDKs write it. Raises SesFault."""
    try:
        found = datetime.fromisoformat(text) if text else datetime.fromtimestamp(0, UTC)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise SesFault(Kind.INVALID, f"{text} is no date.") from None


def _count(text: str) -> int:
    """Raises SesFault."""
    if text and not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= MOST):
        raise SesFault(Kind.INVALID, f"PageSize must be 1 to {MOST}.")
    return int(text or _PAGE)
