"""What anybody may read of the API without a login: its OpenAPI document, and the same as a page for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import quote

from aiohttp import web
from jinja2 import Environment, FileSystemLoader

from relay import __version__
from relay.web.api import openapi
from relay.web.api.calls import Operation
from relay.web.api.codes import STATUS
from relay.web.api.router import PREFIX
from relay.web.callbacks.look import headers
from relay.web.callbacks.texts import FOLDER

_JSON = "application/json"
_ASKED = {  # what must be chosen one way or the other
    f"{PREFIX}/Contacts": "?ContactGroupId=1",
    f"{PREFIX}/Statistics": "?TaskId=1",
    f"{PREFIX}/Statistics/Messages": "?TaskId=1",
}
Schema = Mapping[str, Any]


class Piece(NamedTuple):
    """Some words of what a field holds; `model` is one to look up, or empty."""

    text: str
    model: str = ""


class Row(NamedTuple):
    """A parameter, or a field of a model."""

    name: str
    place: str
    kind: Sequence[Piece]
    needed: bool
    text: str


class Entry(NamedTuple):
    """One operation as it is shown."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    rows: Sequence[Row]
    body: Sequence[Piece]
    result: Sequence[Piece]
    status: str
    faults: Sequence[str]
    request: str
    answer: str


class Reference:
    """Its routes. Both are made when they are asked for first."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = operations

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/openapi.json", self._show_document),
            web.get("/reference", self._show_page),
            web.get("/", self._show_page),
        ]

    async def _show_document(self, request: web.Request) -> web.Response:
        return web.Response(body=json.dumps(self._document).encode(), content_type=_JSON, headers=self._headers)

    async def _show_page(self, request: web.Request) -> web.Response:
        return web.Response(text=self._page, content_type="text/html", charset="utf-8", headers=self._headers)

    @cached_property
    def _document(self) -> Schema:
        return openapi.document(self._operations, version=__version__)

    @cached_property
    def _style(self) -> str:
        return (FOLDER / "reference.css").read_text("utf-8")

    @cached_property
    def _headers(self) -> Mapping[str, str]:
        return headers(self._style)

    @cached_property
    def _page(self) -> str:
        return page(self._document, style=self._style)


def page(document: Schema, *, style: str) -> str:
    """An OpenAPI document as HTML."""
    template = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True).get_template("reference.html")
    entries = list(_entries(document))
    models = document["components"]["schemas"]
    return template.render(
        style=style,
        info=document["info"],
        groups={tag["name"]: [entry for group, entry in entries if group == tag["name"]] for tag in document["tags"]},
        models={name: (schema.get("description", ""), list(_fields(schema))) for name, schema in models.items()},
        codes={code.value: status for code, status in STATUS.items()},
    )


def _entries(document: Schema) -> Iterator[tuple[str, Entry]]:
    """By group."""
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            yield said["tags"][0], _entry(document, method.upper(), PREFIX + path, said)


def _entry(document: Schema, method: str, path: str, said: Schema) -> Entry:
    status, *faults = said["responses"]
    body = said.get("requestBody", {}).get("content", {}).get(_JSON, {})
    done = said["responses"][status]["content"][_JSON]
    parameters = [_resolved(document, each) for each in said["parameters"]]
    return Entry(
        id=said["operationId"],
        method=method,
        path=path,
        summary=said["summary"],
        description=said["description"],
        rows=[_row(each["name"], each["in"], each["schema"], each["required"], each) for each in parameters],
        body=kind(body["schema"]) if body else (),
        result=kind(done["schema"]["properties"].get("Result", {})),
        status=status,
        faults=faults,
        request=_request(method, path, parameters, body.get("example")),
        answer=_shown(done["example"]),
    )


def _resolved(document: Schema, parameter: Schema) -> Schema:
    found = parameter
    if "$ref" in parameter:
        found = document["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]
    return found


def _request(method: str, path: str, parameters: Sequence[Schema], body: Any) -> str:
    """As it would be said to curl."""
    words = ["curl -u LOGIN:PASSWORD"]
    words += [f"-X {method}"] if method != ("GET" if body is None else "POST") else []
    words += [f"-H 'Range: {_sample(each)}'" for each in parameters if each["name"] == "Range" and each["required"]]
    if body is not None:
        words += ["-H 'Content-Type: application/json'", f"-d '{_quoted(_shown(body))}'"]
    for each in parameters:
        path = path.replace(f"{{{each['name']}}}", quote(_sample(each), safe=",@"))
    return " \\\n  ".join([*words, f"'https://RELAY{path}{_ASKED.get(path, '')}'"])


def _sample(parameter: Schema) -> str:
    schema = parameter["schema"]
    return str(schema["examples"][0] if "examples" in schema else schema.get("minimum", parameter["name"]))


def _quoted(text: str) -> str:
    return text.replace("'", "'\\''")


def _shown(sample: Any) -> str:
    return json.dumps(sample, ensure_ascii=False, indent=2)


def _fields(schema: Schema) -> Iterator[Row]:
    for name, inner in schema.get("properties", {}).items():
        yield _row(name, "", inner, name in schema.get("required", ()), inner)
    if "enum" in schema:
        yield _row("", "", schema, True, {})


def _row(name: str, place: str, schema: Schema, needed: bool, said: Schema) -> Row:
    text = [str(said.get("description", ""))]
    text += [f"Also read as {', '.join(schema['x-also'])}."] if "x-also" in schema else []
    text += [f"{word} {schema[key]}." for key, word in _BOUNDS.items() if key in schema]
    text += [f"Else {json.dumps(schema['default'])}."] if isinstance(schema.get("default"), bool | int | str) else []
    return Row(name, place, kind(schema), needed, " ".join(filter(None, text)))


_BOUNDS = {
    "minLength": "Characters at least:", "maxLength": "Characters at most:", "minItems": "At least:", "maxItems": "At most:",
    "minimum": "From", "maximum": "To",
}  # fmt: skip


def kind(schema: Schema) -> list[Piece]:
    """What a schema allows, in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return [Piece(name, name)]
    if "anyOf" in schema:
        parts = [kind(each) for each in schema["anyOf"]]
        return [piece for number, part in enumerate(parts) for piece in ([Piece(" or ")] * bool(number) + part)]
    if "enum" in schema:
        return [Piece(", ".join(str(each) for each in schema["enum"]))]
    if schema.get("type") == "array":
        return [Piece("list of "), *kind(schema["items"])]
    return [Piece(_word(schema))] if schema else []


def _word(schema: Schema) -> str:
    named = {"byte": "base64", "email": "mail address", "uuid": "UUID"}.get(schema.get("format", ""))
    return named or ("date" if "/Date(" in str(schema.get("examples")) else str(schema.get("type", "anything")))
