"""Requests and answers as octets: JSON and XML, both ways, and which of them it is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

import pydantic_core
from defusedxml import DefusedXmlException, ElementTree

from relay.web.api.codes import UNREADABLE, Code, Fault

DEEPEST = 20
# More than any call takes: 300,000 elements are 100,000 contacts in XML. What holds millions would stop all else for seconds.
_MOST_INNER, _MOST_VALUES = 500_000, 2_000_000
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2
_NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)


class Format(StrEnum):
    """How a body is written."""

    JSON = "json"
    XML = "xml"

    @property
    def content_type(self) -> str:
        return f"application/{self.value}; charset=utf-8"


def read(body: bytes, content_type: str) -> Any:
    """A body's objects, lists and texts; None for an empty one. Of an XML element it is left open whether it is an object or
    a list: `Branch`. Raises Fault.
    """
    if not body.strip():
        return None
    is_xml = "xml" in content_type.lower() or body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    return _read_xml(body) if is_xml else _read_json(body)


def _read_json(body: bytes) -> Any:
    if body.count(b"{") + body.count(b"[") > _MOST_INNER or body.count(b",") > _MOST_VALUES:
        raise _unreadable("it has too many values")
    try:
        found = pydantic_core.from_json(body.removeprefix(b"\xef\xbb\xbf"), allow_inf_nan=False)
    except ValueError as error:
        raise _unreadable(str(error)) from None
    _check_depth(found, DEEPEST)
    if rb"\u0000" in body and _has_nul(found):
        raise _unreadable("it has U+0000")
    return found


def _check_depth(value: Any, left: int) -> None:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        if isinstance(each, dict | list):
            if not left:
                raise _unreadable("it is nested too deeply")
            _check_depth(each, left - 1)


def _has_nul(value: Any) -> bool:
    """Which neither mail nor every database can hold."""
    if isinstance(value, dict):
        return any(_has_nul(each) for pair in value.items() for each in pair)
    return any(map(_has_nul, value)) if isinstance(value, list) else isinstance(value, str) and "\0" in value


class Branch:
    """An XML element with elements in it: what it is, the field says in whose place it stands."""

    def __init__(self, element: Element, left: int = DEEPEST) -> None:
        if not left:
            raise _unreadable("it is nested too deeply")
        self.parts = [(_local(each), _value(each, left - 1)) for each in element]

    def as_object(self) -> dict[str, Any]:
        return dict(self.parts)

    def as_list(self) -> list[Any]:
        return [value for _, value in self.parts]

    def as_pairs(self) -> dict[str, Any]:
        """By their names, or as elements of a Key and a Value each, which may hold any name."""
        if all(isinstance(value, Branch) for _, value in self.parts):
            inner = [{name.lower(): text for name, text in value.parts} for _, value in self.parts]
            return {str(each.get("key", "")): each.get("value", "") for each in inner}
        return self.as_object()


def _read_xml(body: bytes) -> Branch:
    if body.count(b"<") - body.count(b"</") > _MOST_INNER:
        raise _unreadable("it has too many values")
    try:
        return Branch(ElementTree.fromstring(body, forbid_dtd=True))
    except DefusedXmlException:
        raise _unreadable("a document type or an entity in XML") from None
    except (ParseError, ValueError, LookupError) as error:
        raise _unreadable(str(error)) from None


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _value(element: Element, left: int) -> Any:
    if element.get(_NIL) in ("true", "1"):
        return None
    return Branch(element, left) if len(element) else element.text or ""


def _unreadable(why: str) -> Fault:
    return Fault(Code.INVALID_VALUE, UNREADABLE, why=why)


def written(answer: Mapping[str, Any], format: Format) -> bytes:
    """An answer of objects, lists, texts, numbers and None."""
    if format is Format.JSON:
        return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    root = Element("Response")
    _fill(root, answer)
    text: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _fill(element: Element, value: Any) -> None:
    """None is left out, as the callbacks of Devino have it."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if inner is not None:
                _fill(_child(element, str(name)), inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _fill(SubElement(element, "Item"), inner)
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        element.text = _NO_XML.sub("\ufffd", text)


def _child(element: Element, name: str) -> Element:
    """An element of that name, or where XML has no such name, one that bears it."""
    if _NAME.fullmatch(name):
        return SubElement(element, name)
    pair = SubElement(element, "Pair")
    SubElement(pair, "Key").text = _NO_XML.sub("\ufffd", name)
    return SubElement(pair, "Value")
