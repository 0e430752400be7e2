"""The API's document of its operations, the page that is made of it, and what the manual says of both."""

from __future__ import annotations

import pkgutil
import re
from enum import IntEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import openapi_spec_validator
import pytest
from openapi_schema_validator import OAS31Validator
from pydantic import Field

from relay.bounces import BounceClass
from relay.credential import Scope
from relay.event_words import EVENT_WORDS, reason_for
from relay.mailing import TaskState, may_move
from relay.settings import ApiConfig
from relay.web import api
from relay.web.api import openapi, reference, statistics
from relay.web.api.calls import Answer, Call, Operation
from relay.web.api.codes import STATUS, Code, Text
from relay.web.api.letters import Base64
from relay.web.api.models import EmailAddress, Moment, Wire, also, as_written, named, read

MANUAL = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


class Colour(IntEnum):
    RED = 0
    DARK_GREEN = 1


class Wanted(Wire):
    only_new: bool = False
    since: Moment | None = None


class Parcel(Wire):
    """What is sent."""

    to: EmailAddress
    colour: named(Colour) = Colour.RED  # type: ignore[valid-type]
    weight_in_grams: Annotated[int, Field(ge=1, le=2000, json_schema_extra=also("Weight"))]
    label: Base64 | None = None
    leaves_at: Moment | None = None
    notes: dict[str, str] | None = None


class Sent(Wire):
    """What became of it."""

    id: int
    to: EmailAddress
    colour: named(Colour)  # type: ignore[valid-type]
    left_at: Moment | None


async def nothing(call: Call) -> Answer:
    return Answer()


def operation(method: str, path: str, **said: Any) -> Operation:
    given: dict[str, Any] = {"scope": Scope.TASKS, "summary": "Do", "group": "Parcels", **said}
    return Operation(method=method, path=path, does=nothing, **given)


OPERATIONS = (
    operation("POST", "/Parcels", body=Parcel, result=Sent, status=201, sends=True),
    operation("GET", "/Parcels", query=Wanted, result=list[Sent], is_list=True, needs_range=True),
    operation("GET", "/Parcels/{TaskId}/{Word}", result=str | list[Sent]),
    operation("POST", "/Letters", body=Parcel, status=201, group="Letters"),
    operation("GET", "/Letters", result=list[int], is_list=True, group="Letters"),
)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi.document(OPERATIONS, version="1.2.3")


def of(document: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][path][method]
    return found


def parameters(document: dict[str, Any], method: str, path: str) -> dict[str, dict[str, Any]]:
    shared = document["components"]["parameters"]
    said = of(document, method, path)["parameters"]
    found = [shared[each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in said]
    return {f"{each['in']} {each['name']}": each for each in found}


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    openapi_spec_validator.validate(document)
    assert (document["openapi"], document["info"]["version"]) == ("3.1.0", "1.2.3")
    assert document["servers"][0]["url"] == "/email/v1"
    assert [tag["name"] for tag in document["tags"]] == ["Parcels", "Letters"]
    schemes = document["components"]["securitySchemes"]
    assert [schemes[name]["scheme"] for each in document["security"] for name in each] == ["basic", "bearer"]


def test_an_operation_has_the_parameters_that_it_takes(document: dict[str, Any]) -> None:
    common = {"header Accept-Language", "query format"}
    listing = parameters(document, "get", "/Parcels")
    assert set(listing) == {"query OnlyNew", "query Since", "header Range"} | common
    assert (listing["header Range"]["required"], listing["query Since"]["required"]) == (True, False)
    assert set(parameters(document, "post", "/Parcels")) == {"header Idempotency-Key"} | common
    assert not parameters(document, "get", "/Letters")["header Range"]["required"]
    one = parameters(document, "get", "/Parcels/{TaskId}/{Word}")
    assert set(one) == {"path TaskId", "path Word"} | common
    assert [one[f"path {name}"]["schema"]["type"] for name in ("TaskId", "Word")] == ["integer", "string"]
    assert "`tasks`" in of(document, "get", "/Parcels")["description"]


def test_an_operation_has_the_answers_that_it_gives(document: dict[str, Any]) -> None:
    faults = {"400", "401", "403", "404", "405", "408", "415", "429", "500", "503"}
    assert of(document, "post", "/Parcels")["responses"].keys() == {"201", "422"} | faults
    assert of(document, "get", "/Parcels")["responses"].keys() == {"206", "416"} | faults
    assert of(document, "get", "/Parcels/{TaskId}/{Word}")["responses"].keys() == {"200"} | faults
    assert of(document, "post", "/Letters")["responses"].keys() == {"201", "200"} | faults
    assert "Content-Range" in of(document, "get", "/Parcels")["responses"]["206"]["headers"]
    assert "Idempotency-Replayed" in of(document, "post", "/Parcels")["responses"]["201"]["headers"]
    for name, header in {"401": "WWW-Authenticate", "405": "Allow", "429": "Retry-After", "503": "Retry-After"}.items():
        assert header in document["components"]["responses"][name]["headers"]


def test_an_answer_is_an_envelope(document: dict[str, Any]) -> None:
    for method, path, needed in (
        ("post", "/Parcels", ["Result", "Code", "Description"]),
        ("post", "/Letters", ["Code", "Description"]),
    ):
        content = of(document, method, path)["responses"]["201"]["content"]
        assert list(content) == ["application/json", "application/xml"]
        for each in content.values():
            assert each["schema"]["required"] == needed
    schemas = document["components"]["schemas"]
    assert schemas["Code"]["enum"] == [code.value for code in Code]
    assert schemas["Fault"]["required"] == ["Code", "Description"]


def test_requests_and_answers_are_as_they_are_read_and_written(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert set(schemas) == {"Parcel", "Sent", "EmailAddress-Input", "EmailAddress-Output", "Code", "Fault"}
    parcel, sent = schemas["Parcel"], schemas["Sent"]
    assert parcel["required"] == ["To", "WeightInGrams"]
    assert parcel["properties"]["WeightInGrams"]["x-also"] == ["Weight"]
    assert parcel["properties"]["Colour"]["enum"] == ["Red", "DarkGreen", 0, 1]
    assert sent["properties"]["Colour"]["enum"] == ["Red", "DarkGreen"]
    assert sent["required"] == ["Id", "To", "Colour", "LeftAt"]
    assert schemas["EmailAddress-Input"]["required"] == ["Address"]
    assert schemas["EmailAddress-Output"]["required"] == ["Address", "Name"]


def holds(document: dict[str, Any], model: str, value: Any) -> bool:
    schema = {"$ref": f"#/components/schemas/{model}", "components": document["components"]}
    return bool(OAS31Validator(schema).is_valid(value))


REQUEST = {
    "To": {"Address": "ann@example.com"},
    "Colour": "DarkGreen",
    "WeightInGrams": 7,
    "Label": "aGVsbG8=",
    "LeavesAt": "08/31/2015 13:30:38",
    "Notes": {"a": "b"},
}


def test_what_is_read_and_written_is_what_the_document_says(document: dict[str, Any]) -> None:
    assert holds(document, "Parcel", REQUEST)
    parcel = read(Parcel, REQUEST)
    written = as_written(Sent(id=1, to=parcel.to, colour=parcel.colour, left_at=parcel.leaves_at))
    assert holds(document, "Sent", written)
    assert not holds(document, "Sent", {**written, "LeftAt": "08/31/2015 13:30:38"})
    assert not holds(document, "Sent", {name: value for name, value in written.items() if name != "LeftAt"})
    assert not holds(document, "Parcel", {**REQUEST, "WeightInGrams": 2001})


def test_its_examples_are_requests_that_are_understood(document: dict[str, Any]) -> None:
    for path in ("/Parcels", "/Letters"):
        example = of(document, "post", path)["requestBody"]["content"]["application/json"]["example"]
        assert holds(document, "Parcel", example)
        assert read(Parcel, example).to.address == "ann@example.com"


def test_the_page_shows_words_and_not_marks() -> None:
    evil = operation("GET", "/X", summary="<script>alert(1)</script>", group='"><b>', result=list[Sent])
    shown = reference.page(openapi.document([evil], version="<i>"), style="")
    assert "<script>" not in shown
    assert "<b>" not in shown
    assert "<i>" not in shown
    assert "&lt;script&gt;" in shown


def test_the_page_shows_a_request_as_a_shell_would_take_it(document: dict[str, Any]) -> None:
    shown = reference.page(document, style="")
    assert (
        "curl -u LOGIN:PASSWORD \\\n  -H &#39;Range: items=1-100&#39; \\\n  &#39;https://RELAY/email/v1/Parcels&#39;</pre>"
        in shown
    )
    assert "&#39;https://RELAY/email/v1/Parcels/1/Word&#39;</pre>" in shown


WORDS: dict[str, tuple[dict[str, Any], str]] = {
    "a model": ({"$ref": "#/components/schemas/Sent"}, "Sent"),
    "one of two": ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
    "a list": ({"type": "array", "items": {"type": "integer"}}, "list of integer"),
    "fixed words": ({"enum": ["Red", 0]}, "Red, 0"),
    "octets": ({"type": "string", "format": "byte"}, "base64"),
    "anything": ({"description": "x"}, "anything"),
    "nothing": ({}, ""),
}


@pytest.mark.parametrize("what", WORDS)
def test_what_a_field_holds_is_said_in_words(what: str) -> None:
    schema, words = WORDS[what]
    assert "".join(piece.text for piece in reference.kind(schema)) == words


def rows(heading: str) -> list[list[str]]:
    """Of the manual's table whose first row that is."""
    table = MANUAL.partition(f"\n{heading}\n")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[1:]]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_manual_has_the_codes_and_their_statuses() -> None:
    told = {words(code)[0]: int(status) for code, status, _ in rows("| Code | HTTP status | |")}
    assert told == {code.value: status for code, status in STATUS.items()}


def test_the_manual_has_the_moves_of_tasks() -> None:
    told = {
        (words(before)[0], to)
        for before, moves, _ in rows("| from | its owner may make it | the relay makes it |")
        for to in words(moves)
    }
    assert told == {
        (before.value.capitalize(), to.value.capitalize()) for before in TaskState for to in TaskState if may_move(before, to)
    }


def test_the_manual_has_the_settings_with_their_defaults() -> None:
    told = {name: text for names, text in rows("| key | |") for name in words(names)}
    config = ApiConfig()
    assert set(told) == set(ApiConfig.__slots__)
    for name in ("listen", "max_body", "calls_per_minute"):
        assert str(getattr(config, name)) in told[name]


def test_the_manual_has_the_scopes() -> None:
    assert [words(scope)[0] for scope, _ in rows("| scope | for |")] == [
        scope.value for scope in Scope if scope is not Scope.SMTP
    ]


def test_the_manual_has_the_numbers_of_statistics() -> None:
    fields = statistics.Numbers.model_fields.values()
    assert [words(number)[0] for number, _ in rows("| number | of messages that |")] == [field.alias for field in fields]


def test_the_manual_has_the_words_of_events() -> None:
    table = rows("| Event | |")
    assert {word for event, _ in table for word in words(event)} == set(EVENT_WORDS)
    assert set(map(reason_for, BounceClass)) <= {word for _, text in table for word in words(text)}


def test_every_sentence_of_the_api_is_said_in_russian() -> None:
    modules = [import_module(f"{api.__name__}.{found.name}") for found in pkgutil.iter_modules(api.__path__)]
    texts = {value for module in modules for value in vars(module).values() if isinstance(value, Text)}
    assert len(texts) > 30
    with_words = [text for text in texts if re.sub(r"\{\w+\}|\W", "", text.en)]
    assert [text.en for text in with_words if not re.search("[а-я]", text.ru)] == ["ok"]
