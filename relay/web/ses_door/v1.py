"""SES's query API of 2010: a form in, XML out. Actions as in the API reference 2010-12-01; no Version need be said."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import unquote_to_bytes

from relay.address import plain
from relay.credential import Scope
from relay.errors import InvalidRecipient
from relay.web.ses_door.account import Account
from relay.web.ses_door.base64 import decoded
from relay.web.ses_door.calls import Action, Asked, Caller
from relay.web.ses_door.faults import Kind, SesFault
from relay.web.ses_door.orders import Order, Simple
from relay.web.ses_door.sending import Sending

_NAMESPACE = "http://ses.amazonaws.com/doc/2010-12-01/"
_CONTENT_TYPE = "text/xml; charset=utf-8"
_MOST_FIELDS = 1000
_IN_THREAD = 256 * 1024
_MEMBERS = 100  # of a list
_MEMBER = re.compile(r"\.member\.([1-9][0-9]{0,5})(?:\.(\w+))?", re.ASCII)

Form = Mapping[str, str]
Fields = Mapping[str, Any]


class QueryApi:
    """Implements calls.Dialect."""

    def __init__(self, *, sending: Sending, account: Account) -> None:
        self._sending = sending
        self._account = account
        self._actions: Mapping[str, tuple[Scope, Callable[[Form, Caller], Any]]] = {
            "SendEmail": (Scope.MESSAGES, self._send_email),
            "SendRawEmail": (Scope.MESSAGES, self._send_raw_email),
            "GetSendQuota": (Scope.ACCOUNT, self._get_send_quota),
            "GetSendStatistics": (Scope.ACCOUNT, self._get_send_statistics),
            "ListIdentities": (Scope.ACCOUNT, self._list_identities),
            "ListVerifiedEmailAddresses": (Scope.ACCOUNT, self._list_verified_email_addresses),
            "VerifyEmailIdentity": (Scope.ACCOUNT, self._verify_email_identity),
        }

    async def read(self, asked: Asked) -> Action:
        is_large = len(asked.body) > _IN_THREAD
        form = await asyncio.to_thread(read_form, asked.body) if is_large else read_form(asked.body)
        name = form.get("Action") or form.get("action") or ""  # as ATSD writes it
        if name not in self._actions:
            raise SesFault(Kind.NO_ACTION, f"Could not find operation {name or '(none)'} for version 2010-12-01")
        scope, does = self._actions[name]
        return Action(name=name, scope=scope, does=partial(does, form))

    def result(self, action: Action, fields: Fields, request_id: str) -> tuple[str, bytes]:
        name = action.name
        said = f"<{name}Result>{_written(fields)}</{name}Result>"
        about = f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        return _CONTENT_TYPE, f'<{name}Response xmlns="{_NAMESPACE}">{said}{about}</{name}Response>\n'.encode()

    def fault(self, fault: SesFault, request_id: str) -> tuple[int, dict[str, str], bytes]:
        words = fault.kind.value
        error = {"Type": "Receiver" if fault.is_ours else "Sender", "Code": words.code, "Message": fault.text}
        said = f"<Error>{_written(error)}</Error><RequestId>{request_id}</RequestId>"
        body = f'<ErrorResponse xmlns="{_NAMESPACE}">{said}</ErrorResponse>\n'.encode()
        return words.status, {"Content-Type": _CONTENT_TYPE}, body

    async def _send_email(self, form: Form, caller: Caller) -> Fields:
        text, markup = (form.get(f"Message.Body.{kind}.Data", "") for kind in ("Text", "Html"))
        if not text and not markup:
            raise _missing("Message.Body")
        content = Simple(
            subject=_given(form, "Message.Subject.Data"),
            text=text,
            html=markup,
            reply_to=_members(form, "ReplyToAddresses"),
        )
        order = Order(
            content=content,
            source=_needed(form, "Source"),
            return_path=form.get("ReturnPath", ""),
            to=_members(form, "Destination.ToAddresses"),
            cc=_members(form, "Destination.CcAddresses"),
            bcc=_members(form, "Destination.BccAddresses"),
            tags=_tags(form),
            configuration_set=form.get("ConfigurationSetName", ""),
        )
        return {"MessageId": await self._sending.send(caller, order)}

    async def _send_raw_email(self, form: Form, caller: Caller) -> Fields:
        order = Order(
            content=decoded(_needed(form, "RawMessage.Data"), "RawMessage.Data"),
            source=form.get("Source", ""),
            to=_members(form, "Destinations"),
            tags=_tags(form),
            configuration_set=form.get("ConfigurationSetName", ""),
        )
        return {"MessageId": await self._sending.send(caller, order)}

    async def _get_send_quota(self, form: Form, caller: Caller) -> Fields:
        return await self._account.quota(caller)

    async def _get_send_statistics(self, form: Form, caller: Caller) -> Fields:
        return await self._account.statistics(caller)

    async def _list_identities(self, form: Form, caller: Caller) -> Fields:
        return {"Identities": self._account.identities(caller.credential, form.get("IdentityType", ""))}

    async def _list_verified_email_addresses(self, form: Form, caller: Caller) -> Fields:
        """Superseded by ListIdentities, and still what django-ses asks for."""
        return {"VerifiedEmailAddresses": self._account.identities(caller.credential, "EmailAddress")}

    async def _verify_email_identity(self, form: Form, caller: Caller) -> Fields:
        given = _needed(form, "EmailAddress")
        try:
            wanted = plain(given.encode("utf-8", "replace"))
        except ValueError:
            raise InvalidRecipient(given) from None
        self._account.check_verified(caller.credential, wanted)
        return {}


def read_form(body: bytes) -> Form:
    """Names and values in UTF-8. Raises SesFault."""
    pairs = [pair.partition(b"=") for pair in body.split(b"&", _MOST_FIELDS) if pair]
    if len(pairs) > _MOST_FIELDS:
        raise SesFault(Kind.INVALID, f"There are more than {_MOST_FIELDS} parameters.")
    try:
        found = [(_text(name), _text(value)) for name, _, value in pairs]
    except UnicodeDecodeError:
        raise SesFault(Kind.INVALID, "A parameter is no UTF-8.") from None
    form = dict(found)
    if len(form) < len(found):
        raise SesFault(Kind.INVALID, "A parameter is there twice.")
    return form


def _text(octets: bytes) -> str:
    return unquote_to_bytes(octets.replace(b"+", b" ")).decode()


def _members(form: Form, name: str) -> list[str]:
    """In the order of their numbers. Raises SesFault."""
    return [form[f"{name}.member.{number}"] for number in _numbers(form, name, ())]


def _tags(form: Form) -> list[tuple[str, str]]:
    """Raises SesFault."""
    members = [f"Tags.member.{number}" for number in _numbers(form, "Tags", ("Name", "Value"))]
    return [(form.get(f"{member}.Name", ""), form.get(f"{member}.Value", "")) for member in members]


def _numbers(form: Form, name: str, parts: Sequence[str]) -> list[int]:
    """Of the members of a list, with gaps if there are. What cannot be read of it may be a recipient, and is not left out in
    silence. Raises SesFault.
    """
    found: set[int] = set()
    for field in form:
        if not field.startswith(f"{name}."):
            continue
        match = _MEMBER.fullmatch(field, len(name))
        if not match or (match[2] or "") not in (parts or ("",)):
            raise SesFault(Kind.INVALID, f"{field} is no member of a list.")
        found.add(int(match[1]))
    if len(found) > _MEMBERS:
        raise SesFault(Kind.INVALID, f"There are more than {_MEMBERS} of {name}.")
    return sorted(found)


def _given(form: Form, name: str) -> str:
    """It may be empty. Raises SesFault."""
    if name not in form:
        raise _missing(name)
    return form[name]


def _needed(form: Form, name: str) -> str:
    """Raises SesFault."""
    if not (value := _given(form, name)):
        raise _missing(name)
    return value


def _missing(name: str) -> SesFault:
    return SesFault(Kind.INVALID, f"1 validation error detected: Value null at '{name}' failed to satisfy constraint")


def _written(fields: Fields) -> str:
    return "".join(f"<{name}>{_value(value)}</{name}>" for name, value in fields.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return _written(value)
    if isinstance(value, list):
        return "".join(f"<member>{_value(each)}</member>" for each in value)
    return html.escape(str(value), quote=False)
