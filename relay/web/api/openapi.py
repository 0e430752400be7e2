"""The API as an OpenAPI 3.1 document, made of the operations and the models that answer it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from relay.web.api import samples
from relay.web.api.calls import MOST_ITEMS, Operation
from relay.web.api.codes import Code
from relay.web.api.router import PREFIXES

Schema = dict[str, Any]
Key = tuple[str, str, str]

_REF = "#/components/schemas/{model}"
_FORMATS = ("application/json", "application/xml")
_FAULTS = (400, 401, 403, 404, 405, 408, 415, 429, 500, 503)
_HEADERS = {401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After", 503: "Retry-After"}
_NUMBERS = ("TaskId", "ContactGroupId", "ContactId")
_ABOUT = """\
All resources are below `/email/v1`. An answer is always an object of `Result`, `Code` and `Description`; a `Code` of `ok` or
`not_changed` means that it is done. Names are written as here, and read in any case. A body is JSON, or XML if its Content-Type
says so; the answer is what Accept asks for, or `?format=`. In XML the root is `Response`, what is in a list is an `Item`, and
what is null is left out. A login has a name and a password, and may do what its scopes say."""


class _Plain(GenerateJsonSchema):
    """Without titles that only repeat the names, and without defaults that only say that something is not said."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        found = super().default_schema(schema)
        return {name: value for name, value in found.items() if name != "default" or value not in (None, "", [], {})}

    def bytes_schema(self, schema: core_schema.BytesSchema) -> JsonSchemaValue:
        return {"type": "string", "format": "byte"}


class _Schemas(NamedTuple):
    """By method, path and part of an operation; and those that they share."""

    of: Mapping[Key, Schema]
    shared: Schema


def document(operations: Sequence[Operation], *, version: str) -> Schema:
    """Of all of them, in their order."""
    schemas = _schemas(operations)
    paths: dict[str, Schema] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "relay", "version": version, "description": _ABOUT},
        "servers": [{"url": prefix} for prefix in PREFIXES],
        "security": [{"basic": []}, {"key": []}],
        "tags": [{"name": group} for group in dict.fromkeys(operation.group for operation in operations)],
        "paths": paths,
        "components": _components(schemas.shared),
    }


def _schemas(operations: Sequence[Operation]) -> _Schemas:
    wanted = list(_wanted(operations))
    found, definitions = TypeAdapter.json_schemas(wanted, ref_template=_REF, schema_generator=_Plain)  # type: ignore[arg-type]
    of = {key: schema for (key, _), schema in found.items()}
    shared = definitions.get("$defs", {})
    queries = [_name(schema) for (_, _, part), schema in of.items() if part == "query"]
    of |= {key: shared[_name(schema)] for key, schema in of.items() if key[2] == "query"}
    return _Schemas(of, {name: schema for name, schema in shared.items() if name not in queries})


def _wanted(operations: Sequence[Operation]) -> Iterator[tuple[Key, str, TypeAdapter[Any]]]:
    for each in operations:
        for part, mode, kind in (
            ("body", "validation", each.body),
            ("query", "validation", each.query),
            ("result", "serialization", each.result),
        ):
            if kind is not None:
                yield (each.method, each.path, part), mode, TypeAdapter(kind)


def _name(schema: Schema) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _operation(operation: Operation, schemas: _Schemas) -> Schema:
    body = schemas.of.get((operation.method, operation.path, "body"))
    found: Schema = {
        "tags": [operation.group],
        "operationId": operation.method.lower() + re.sub(r"\W+", "", operation.path),
        "summary": operation.summary,
        "description": f"Needs the scope `{operation.scope}`.",
        "parameters": list(_parameters(operation, schemas)),
    }
    if body is not None:
        found["requestBody"] = {"required": True, "content": _content(body, samples.body(body, schemas.shared))}
    return {**found, "responses": _responses(operation, schemas)}


def _parameters(operation: Operation, schemas: _Schemas) -> Iterator[Schema]:
    for name in re.findall(r"{(\w+)}", operation.path):
        yield {"name": name, "in": "path", "required": True, "schema": _part(name)}
    query = schemas.of.get((operation.method, operation.path, "query"), {})
    for name, schema in query.get("properties", {}).items():
        yield {"name": name, "in": "query", "required": name in query.get("required", ()), "schema": schema}
    if operation.is_list:
        yield {"$ref": f"#/components/parameters/{'RangeNeeded' if operation.needs_range else 'Range'}"}
    if operation.sends:
        yield {"$ref": "#/components/parameters/IdempotencyKey"}
    yield {"$ref": "#/components/parameters/Language"}
    yield {"$ref": "#/components/parameters/Format"}


def _part(name: str) -> Schema:
    """Of a path."""
    if name in _NUMBERS:
        return {"type": "integer", "format": "int64", "minimum": 1}
    examples = {"examples": [samples.word(name)]} if samples.word(name) else {}
    return {"type": "string", "minLength": 1, **examples}


def _responses(operation: Operation, schemas: _Schemas) -> Schema:
    result = schemas.of.get((operation.method, operation.path, "result"))
    headers = {"Content-Range": _header("ContentRange")} if operation.is_list else {}
    headers |= {"Idempotency-Replayed": _header("IdempotencyReplayed")} if operation.sends else {}
    schema = _envelope(result)
    done = {"description": "Done", "headers": headers, "content": _content(schema, samples.answer(schema, schemas.shared))}
    also = [416] * operation.is_list + [422] * operation.sends
    also += [200] * (result is None and operation.status == 201)  # it was so already
    others = {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted([*_FAULTS, *also])}
    return {str(success(operation)): done, **others}


def success(operation: Operation) -> int:
    """The status of what is done: of some of a list it is 206."""
    return 206 if operation.is_list and operation.status == 200 else operation.status


def _envelope(result: Schema | None) -> Schema:
    said: Schema = {"Code": {"$ref": _REF.format(model="Code")}, "Description": {"type": "string"}}
    properties = said if result is None else {"Result": result, **said}
    return {"type": "object", "properties": properties, "required": list(properties), "xml": {"name": "Response"}}


def _content(schema: Schema, sample: Any) -> Schema:
    json, xml = _FORMATS
    return {json: {"schema": schema, "example": sample}, xml: {"schema": schema}}


def _header(name: str) -> Schema:
    return {"$ref": f"#/components/headers/{name}"}


def _components(shared: Schema) -> Schema:
    fault = {**_envelope(None), "description": "What is said where nothing was done."}
    ours = {"Code": {"type": "string", "enum": [str(code) for code in Code]}, "Fault": fault}
    return {
        "securitySchemes": {
            "basic": {"type": "http", "scheme": "basic"},
            "key": {"type": "http", "scheme": "bearer", "description": "LOGIN.PASSWORD, with the dot between them"},
        },
        "schemas": shared | ours,
        "parameters": _SHARED_PARAMETERS,
        "headers": _SHARED_HEADERS,
        "responses": {str(status): _without_result(status) for status in sorted((200, *_FAULTS, 416, 422))},
    }


def _without_result(status: int) -> Schema:
    schema = {"$ref": _REF.format(model="Fault")}
    header = _HEADERS.get(status)
    return {
        "description": HTTPStatus(status).phrase if status >= 400 else "Nothing had to be done: the Code is not_changed",
        "headers": {header: _header(header.replace("-", ""))} if header else {},
        "content": {each: {"schema": schema} for each in _FORMATS},
    }


def _in(place: str, name: str, text: str, *, required: bool = False, **schema: Any) -> Schema:
    return {"name": name, "in": place, "required": required, "description": text, "schema": {"type": "string", **schema}}


_RANGE = f"Which of the list, counted from 1: `items=1-100`. {MOST_ITEMS} at most."
_RANGES: Schema = {"pattern": r"^items=\d{1,12}-\d{1,12}$", "examples": ["items=1-100"]}
_SHARED_PARAMETERS: Schema = {
    "Range": _in("header", "Range", f"{_RANGE} Without it, the first hundred.", **_RANGES),
    "RangeNeeded": _in("header", "Range", _RANGE, required=True, **_RANGES),
    "IdempotencyKey": _in(
        "header", "Idempotency-Key", "The same call with the same key does nothing more, and is answered as the first was.",
        maxLength=255, pattern=r"^[!-~]+$",
    ),
    "Language": _in("header", "Accept-Language", "Of Description: Russian if it begins with `ru`, else English."),
    "Format": _in("query", "format", "Of the answer; it comes before Accept.", enum=["json", "xml"]),
}  # fmt: skip
_SHARED_HEADERS: Schema = {
    "ContentRange": {
        "description": "`items 1-100/250`; `*` for none, and for a number that is not known.",
        "required": True,
        "schema": {"type": "string", "pattern": r"^items (\d+-\d+|\*)/(\d+|\*)$"},
    },
    "IdempotencyReplayed": {
        "description": "`true` where another call with this key has done it.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "RetryAfter": {
        "description": "Seconds after which it may be asked again.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWWAuthenticate": {"required": True, "schema": {"type": "string"}},
    "Allow": {"required": True, "schema": {"type": "string"}},
}
