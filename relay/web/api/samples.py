"""Examples of requests and answers, made of their schemas; of what senders begin with, chosen by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relay.web.api.codes import Code

_SENDER = {"Address": "shop@example.com", "Name": "The Shop"}
_READER = {"Address": "ann@example.com", "Name": "Ann"}
_TEXT = "<p>Hello [FirstName]</p><p><a href='[WebVersion]'>View online</a> <a href='[Unsubscribe]'>Unsubscribe</a></p>"

# By the name of the model: what is said most of the time, and not all that may be.
_CHOSEN: dict[str, Any] = {
    "NewMessage": {"Sender": _SENDER, "Recipient": _READER, "Subject": "Order 42", "Text": "<p>Thank you.</p>"},
    "TaskFields": {
        "Name": "Spring",
        "Sender": _SENDER,
        "Subject": "News for [FirstName]",
        "Text": _TEXT,
        "StartDateTime": "2030-03-01T08:00:00Z",
        "Type": "Distribution",
        "ContactGroups": [{"Id": 1, "Included": True}],
    },
    "NewState": {"State": "Created"},
    "GroupFields": {"Name": "Readers", "Description": "Of the newsletter"},
    "ContactFields": {"ContactGroupId": 1, "Email": "ann@example.com", "FirstName": "Ann", "MergeFields": {"City": "Bonn"}},
    "NewImport": {"ContactGroupId": 1, "Contacts": [{"Email": "ann@example.com", "FirstName": "Ann"}]},
    "DuplicatesWanted": {"ContactGroupId": 1, "Field": "Email", "Scope": "Import"},
    "TemplateFields": {"Name": "Welcome", "Sender": _SENDER, "Subject": "Welcome, [FirstName]", "Text": _TEXT},
    "NewAddress": {"SourceAddress": "news@example.com"},
    "NewEntry": {"Address": "ann@example.com", "Reason": "Manual", "Note": "asked by phone"},
    "Question": {"Sender": _SENDER, "Recipient": _READER, "Subject": "Order 42", "Text": "<p>Thank you.</p>"},
}

# By the name of the model: what differs from the words below.
_DIFFERS: dict[str, dict[str, Any]] = {
    "Gone": {"Cancelled": 1, "Erased": {"deliveries": 12, "events": 31}},
    "Known": {"Kind": "events", "Facts": {"type": "delivery", "at": "2026-11-21T10:00:00Z"}},
    "GroupView": {"Name": "Readers", "Description": "Of the newsletter"},
    "Numbers": {"NotSent": 40, "Sent": 10, "Delivered": 100, "Read": 60, "Clicked": 30, "Bounced": 5, "Rejected": 3,
                "Total": 248},
    "TaskItem": {"Name": "Spring", "Subject": "News", "SourceName": "The Shop", "State": "Started", "GlobalState": "Started",
                 "TotalContacts": 248, "CompletedContacts": 208, "PercentageCompleted": 83.87},
    "TaskReach": {"TotalContacts": 250, "Dublicates": 1, "Unsubscribed": 1, "Excluded": 0, "OverPackage": 0},
    "TaskView": {"Name": "Spring", "Sender": _SENDER, "Subject": "News", "State": "Started", "ContactsCount": 248},
    "TemplateView": {"Name": "Welcome", "Sender": _SENDER},
    "Verdict": {"Accepted": True, "Refusals": [], "Suppressed": {}},
    "WholeTemplate": {"Name": "Welcome", "Sender": _SENDER, "MergeFields": ["FirstName"]},
}  # fmt: skip

# By the name of the field.
_TEXTS = {
    "Address": "ann@example.com",
    "Code": Code.OK.value,
    "Description": "ok",
    "Email": "ann@example.com",
    "DestinationEmail": "ann@example.com",
    "FileName": "invoice.pdf",
    "Data": "JVBERi0xLjQK",
    "FirstName": "Ann",
    "LastName": "Reader",
    "Html": "<p>Hello</p>",
    "Text": "<p>Hello</p>",
    "PlainText": "Hello",
    "ImportId": "0b8d5f5a-8f0e-4d0c-9c5e-3f6f1f0f7c11",
    "MessageId": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "MessageIds": "01ARZ3NDEKTSV4RRFFQ69G5FAV,01ARZ3NDEKTSV4RRFFQ69G5FAW",
    "Login": "crm",
    "Name": "Ann",
    "Recipient": "grace@example.com",
    "OwnerLogin": "crm",
    "CreatorLogin": "crm",
    "Result": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "SourceAddress": "news@example.com",
    "State": "Delivered",
    "Subject": "Order 42",
    "TemplateId": "1",
}
_DEEPEST = 8
Schemas = Mapping[str, Any]


def body(schema: Schemas, shared: Schemas) -> Any:
    """A request that would be understood."""
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return _CHOSEN.get(name.removesuffix("-Input")) or sample(schema, shared)


def answer(schema: Schemas, shared: Schemas) -> Any:
    """With all that it has."""
    return sample(schema, {"Code": {"enum": [Code.OK.value]}, **shared})


def sample(schema: Schemas, shared: Schemas, name: str = "", left: int = _DEEPEST) -> Any:
    """One value that a schema allows."""
    if "$ref" in schema:
        model = schema["$ref"].rpartition("/")[2]
        found = sample(shared[model], shared, name, left)
        return {**found, **_DIFFERS[model]} if model in _DIFFERS else found
    if "anyOf" in schema:
        return sample(schema["anyOf"][0], shared, name, left)
    for fixed in ("examples", "enum"):
        if fixed in schema:
            return schema[fixed][0]
    if "const" in schema:
        return schema["const"]
    return _made(schema, shared, name, left)


def _made(schema: Schemas, shared: Schemas, name: str, left: int) -> Any:
    kind = schema.get("type")
    if kind == "object":
        if "properties" not in schema:
            return {"City": "Bonn"}
        return {each: sample(inner, shared, each, left - 1) for each, inner in schema["properties"].items() if left}
    if kind == "array":
        return [sample(schema["items"], shared, name.removesuffix("s"), left - 1)] if left else []
    if kind == "string":
        return word(name) or str(schema.get("default", ""))
    return {"integer": schema.get("minimum", 1), "number": 0, "boolean": True}.get(str(kind))


def word(name: str) -> str:
    """What a field or a part of a path may hold by its name; mostly empty."""
    return _TEXTS.get(name, "")
