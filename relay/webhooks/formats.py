"""What is sent: some notices as one request, in each of the formats."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from relay import address, bounces
from relay.bounces import BOT
from relay.event import Event, EventType
from relay.event_words import BOUNCED, is_for_good, reason_for, word_for
from relay.webhooks import placeholders
from relay.webhooks.webhook import Format, Notice, Webhook

VERSION = 1
_JSON, _XML = "application/json", "application/xml"
_CONTENT_TYPE = "Content-Type"
# Those of Devino's callback; there is no word for the rest.
_DEVINO = frozenset(("SENT", "DELIVERED", "OPENED", "CLICKED", "BOUNCED", "UNSUBSCRIBED", "SUBSCRIBED", "COMPLAINED"))
_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WITH_CLIENT = ("OPENED", "CLICKED", "UNSUBSCRIBED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What goes out, but for what proves it."""

    url: str
    headers: Mapping[str, str]
    body: bytes


def request(webhook: Webhook, notices: Sequence[Notice]) -> Request:
    """At least one notice, and no more than one where the format has no room for several."""
    if webhook.format is Format.TEMPLATE:
        return _of_template(webhook, notices[0])
    content_type, write = _FORMATS[webhook.format]
    headers = {_CONTENT_TYPE: content_type, **dict(webhook.headers)}
    return Request(url=webhook.url, headers=headers, body=write(webhook, notices))


def takes_many(format: Format) -> bool:
    """Whether several go into one request."""
    return format in (Format.RELAY, Format.DEVINO_JSON, Format.DEVINO_XML)


# Ours.


def document(notice: Notice) -> dict[str, Any]:
    """One event, as docs/webhooks.md says. What is not said of an event is not there."""
    fact, event = notice.fact, notice.fact.event
    word = word_for(event.type, fact.found)
    said = {
        "id": fact.cursor,
        "event": word,
        "at": _moment(event.at),
        "message_id": fact.delivery_id,
        "recipient": event.recipient,
        "sender": fact.sender,
        "credential": fact.credential,
        "user_message_id": fact.label_id,
        "campaign": fact.campaign,
        "list": fact.list,
        "task_id": fact.task,
        "tags": dict(fact.tags),
        "ses_message_id": event.ses_message_id,
        "client_message_id": event.client_message_id,
        "class": fact.found,
        "detail": event.detail,
        "status": event.status,
        "diagnostic": event.diagnostic,
        "url": event.link,
        "user_agent": event.user_agent,
    }
    return {name: value for name, value in said.items() if value} | _further(event, fact.found, word)


def _further(event: Event, found: str, word: str) -> dict[str, Any]:
    if word == BOUNCED:
        crm = bounces.crm_category(event) if event.type is EventType.BOUNCE else ""
        return {"is_hard": is_for_good(found), "reason": reason_for(found), "crm_category": crm}
    return {"is_bot": found == BOT} if event.type in (EventType.OPEN, EventType.CLICK) else {}


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _ours(webhook: Webhook, notices: Sequence[Notice]) -> bytes:
    return json.dumps({"version": VERSION, "webhook": webhook.name, "events": [document(each) for each in notices]}).encode()


# Devino's callback.


def _devino(notice: Notice) -> dict[str, Any]:
    fact, event = notice.fact, notice.fact.event
    word = word_for(event.type, fact.found)
    agent = event.user_agent if word in _WITH_CLIENT and event.user_agent else None
    is_bounce = word == BOUNCED
    return {
        "messageId": fact.delivery_id,
        "taskId": fact.task,
        "userMessageId": fact.label_id or None,
        "userCampaignId": fact.campaign or None,
        "email": event.recipient,
        "event": word,
        "url": event.link if word == "CLICKED" else None,
        "dateTime": _moment(event.at).replace("Z", "0000"),  # of .NET: seven digits
        "clientInfo": {
            "platform": None,
            "operatingSystem": None,
            "browser": None,
            "userAgent": agent,
            "ipAddress": None,
            "geolocation": {"country": None, "region": None, "city": None},
        },
        "isHardbounce": is_for_good(fact.found) if is_bounce else None,
        "reason": reason_for(fact.found) if is_bounce else None,
    }


def _devino_json(_: Webhook, notices: Sequence[Notice]) -> bytes:
    return json.dumps({"messageEventDtos": [_devino(each) for each in notices]}).encode()


def _devino_xml(_: Webhook, notices: Sequence[Notice]) -> bytes:
    root = Element("messageEventDtos")
    for each in notices:
        _add(SubElement(root, "messageEventDto"), _devino(each))
    written: str = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n{written}'.encode()


def _add(parent: Element, values: Mapping[str, Any]) -> None:
    """What is not said is not there; what holds nothing is."""
    for name, value in values.items():
        if isinstance(value, dict):
            _add(SubElement(parent, name), value)
        elif value is not None:
            SubElement(parent, name).text = str(value).lower() if isinstance(value, bool) else _xml_text(str(value))


def _xml_text(text: str) -> str:
    """XML 1.0 has no way to write most control characters."""
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)


# What SES published, and templates.


def _ses(_: Webhook, notices: Sequence[Notice]) -> bytes:
    return notices[0].payload


def _of_template(webhook: Webhook, notice: Notice) -> Request:
    text = webhook.text_for(word_for(notice.fact.event.type, notice.fact.found))
    if text is None:
        raise ValueError("a notice that its webhook has no text for")
    values = values_for(notice)
    headers = {name: placeholders.filled(value, values, placeholders.in_header) for name, value in webhook.headers}
    content_type = next((value for name, value in headers.items() if name.lower() == _CONTENT_TYPE.lower()), "")
    if not content_type and text.body.lstrip().startswith(("{", "[")) and not text.body.lstrip().startswith("${"):
        content_type = headers[_CONTENT_TYPE] = _JSON
    return Request(
        url=placeholders.filled(text.url or webhook.url, values, placeholders.in_url),
        headers=headers,
        body=placeholders.filled(text.body, values, placeholders.escape_for(content_type)).encode("utf-8", "replace"),
    )


def values_for(notice: Notice) -> dict[str, str]:
    """By name: the parts of our document, its tags as `tags.name`, the address's parts, and all of it as `document`."""
    whole = document(notice)
    recipient = notice.fact.event.recipient
    values = {name: _text(value) for name, value in whole.items() if name != "tags"}
    values |= {f"tags.{name}": value for name, value in notice.fact.tags}
    values |= {"document": json.dumps(whole), "recipient.domain": address.domain(recipient)}
    return values | {"payload": notice.payload.decode("utf-8", "replace")}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_FORMATS: Mapping[Format, tuple[str, Callable[[Webhook, Sequence[Notice]], bytes]]] = {
    Format.RELAY: (_JSON, _ours),
    Format.DEVINO_JSON: (_JSON, _devino_json),
    Format.DEVINO_XML: (_XML, _devino_xml),
    Format.SES: (_JSON, _ses),
}

NAMES = frozenset(
    """id event at message_id recipient recipient.domain sender credential user_message_id campaign list task_id
    ses_message_id client_message_id class detail status diagnostic url user_agent is_hard reason crm_category is_bot document
    payload""".split()
)
"""What a text may name, but for tags."""
