"""A client of the Devino e-mail and address book APIs, as their documentation has them, in JSON or in XML. It knows nothing of
the relay but where it is.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import aiohttp

# How lists call their items in XML.
_ITEMS = {"Contacts": "ContactDto", "ContactGroups": "ContactGroupDto"}


class Refused(Exception):
    """An answer whose Code is not ok."""


class DevinoClient:
    """One login. `format` is json or xml."""

    def __init__(self, session: aiohttp.ClientSession, host: str, login: str, password: str, format: str) -> None:
        self._session = session
        self._host = host
        self._format = format
        self._authorization = "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()

    async def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, items: str = "", version: str = "email/v1"
    ) -> Any:
        """The Result. Numbers and booleans are texts in XML."""
        headers = {"Authorization": self._authorization, "Accept": "*/*"}
        if items:
            headers["Range"] = f"items={items}"
        data = b""
        if body is not None:
            headers["Content-Type"] = f"application/{self._format}"
            data = json.dumps(body).encode() if self._format == "json" else ElementTree.tostring(_element("Request", body))
        url = f"{self._host}/{version}/{path}{'&' if '?' in path else '?'}format={self._format}"
        async with self._session.request(method, url, data=data or None, headers=headers) as response:
            answer = self._read(await response.read())
        if answer["Code"] != "ok":
            raise Refused(answer["Code"], answer["Description"])
        return answer.get("Result")

    def _read(self, body: bytes) -> dict[str, Any]:
        if self._format == "json":
            return dict(json.loads(body))
        found = _value(ElementTree.fromstring(body))
        assert isinstance(found, dict)
        return found

    async def add_group(self, name: str) -> int:
        return int(await self.call("POST", "ContactGroups", {"Name": name}, version="addressbook/v2"))

    async def import_contacts(self, group: int, contacts: list[dict[str, Any]]) -> str:
        body = {"ContactGroupId": group, "Contacts": contacts}
        result = await self.call("POST", "ContactsImport", body, version="addressbook/v2")
        assert int(result["ValidContacts"]) == len(contacts)
        return str(result["ImportId"])

    async def progress(self, import_id: str) -> tuple[int, int]:
        result = await self.call("GET", f"ContactsImport/{import_id}/Progress", version="addressbook/v2")
        return int(result["Uploaded"]), int(result["Processed"])

    async def add_task(self, **fields: Any) -> int:
        return int((await self.call("POST", "Tasks", fields))["TaskId"])

    async def attach(self, task: int, name: str, data: bytes, content_id: str = "") -> None:
        body = {"FileName": name, "Data": base64.b64encode(data).decode(), **({"ContentId": content_id} if content_id else {})}
        await self.call("POST", f"Tasks/{task}/Attachments", body)

    async def set_state(self, task: int, state: str | int) -> None:
        await self.call("PUT", f"Tasks/{task}/State", {"State": state})

    async def state(self, task: int) -> str:
        return str((await self.call("GET", f"Tasks/{task}"))["State"])

    async def statistics(self, task: int) -> dict[str, int]:
        return {name: int(number) for name, number in (await self.call("GET", f"Statistics?TaskId={task}")).items()}

    async def send(self, sender: str, to: str, subject: str, text: str) -> str:
        body = {"Sender": {"Address": sender}, "Recipient": {"Address": to}, "Subject": subject, "Text": text}
        return str(await self.call("POST", "Messages", body))

    async def message_state(self, id: str) -> str:
        [found] = await self.call("GET", f"Messages/{id}")
        return str(found["State"])


def _element(name: str, value: Any) -> Element:
    element = Element(name)
    if isinstance(value, Mapping):
        element.extend(_element(key, inner) for key, inner in value.items())
    elif isinstance(value, list):
        element.extend(_element(_ITEMS.get(name, "Item"), inner) for inner in value)
    else:
        element.text = str(value).lower() if isinstance(value, bool) else str(value)
    return element


def _value(element: Element) -> Any:
    if len(element) and all(each.tag == "Item" for each in element):
        return [_value(each) for each in element]
    return {each.tag: _value(each) for each in element} if len(element) else element.text or ""
