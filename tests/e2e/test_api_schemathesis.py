"""All of the API by its own document: calls by the thousand that schemathesis makes up, each answer judged by the document.

A scaled version runs with all tests; `make chaos` (RELAY_CHAOS=full) makes many more, on PostgreSQL as well.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import itertools
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import schemathesis
from schemathesis import Case, Config, HookContext, engine
from schemathesis.engine import events

from tests import postgres
from tests.e2e.api import Api, api_of
from tests.harness import CRM, PASSWORD, Relay, running_relay

FULL = os.environ.get("RELAY_CHAOS") == "full"
EXAMPLES = 150 if FULL else 8
LEAST_CALLS = 10_000 if FULL else 4_000
OF_EACH = 20
SETTINGS = {
    "RELAY_SECRETS__KEYS": "1:" + "A" * 43 + "=",
    "RELAY_CALLBACKS__PUBLIC_URL": "https://relay.example.com",
    "RELAY_API__CALLS_PER_MINUTE": "1000000",
}
OFF = {"enabled": False}
CHECKS = {
    "ignored_auth": OFF,  # its wrong passwords would shut us out; test_api_reference.py asks every operation
    "positive_data_acceptance": OFF,  # what a login may send from, a schema cannot say
    "negative_data_rejection": OFF,  # more is read than is documented, on purpose
    "missing_required_header": {"expected-statuses": ["400", "416"]},
}


class Scene(NamedTuple):
    relay: Relay
    api: Api
    document: dict[str, Any]


@dataclass
class Report:
    """What was seen: answers by operation and status, and whatever the document does not allow."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)

    def of(self, label: str) -> dict[int, int]:
        return {status: count for (each, status), count in self.answers.items() if each == label}


@contextmanager
def database(kind: str) -> Iterator[dict[str, str]]:
    """The settings that choose it."""
    if kind == "sqlite":
        yield {}
        return
    with postgres.running_server() as server, postgres.database(server, postgres.template(server)) as url:
        yield {"RELAY_STORE__URL": url}


@pytest.fixture(scope="module", params=["sqlite", "postgres"] if FULL else ["sqlite"])
async def scene(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("schemathesis")
    with database(request.param) as where:
        async with running_relay(folder, CRM, settings=SETTINGS | where) as (relay, _), api_of(relay) as api:
            async with (
                aiohttp.ClientSession() as anybody,
                anybody.get(relay.api.replace("/email/v1", "/openapi.json")) as reply,
            ):
                document = await reply.json()
            yield Scene(relay, api, document)


async def known(scene: Scene) -> dict[str, list[Any]]:
    """What there is to ask for, by the names that paths have for it: some of each, made by the document's own examples."""

    async def made(path: str, **changed: Any) -> Any:
        body = scene.document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"]
        reply = await scene.api.post(path, {**body, **changed})
        assert (reply.status, reply.code) == (201, "ok"), reply.text
        return reply.document.get("Result")

    found: dict[str, list[Any]] = {}
    for number in range(OF_EACH):
        address, home = f"{number}@example.com", await made("/ContactGroups")  # with a group, its contacts go
        await made("/UserSettings/SourceAddresses", SourceAddress=address)
        await made("/Suppressions", Address=address)
        one = {
            "ContactGroupId": await made("/ContactGroups"),
            "ContactId": await made("/Contacts", ContactGroupId=home),
            "ImportId": (await made("/ContactsImport", ContactGroupId=home))["ImportId"],
            "TaskId": (await made("/Tasks"))["TaskId"],
            "TemplateId": await made("/Templates"),
            "MessageIds": await made("/Messages"),
            "SourceAddress": address,
            "Address": address,
        }
        for name, value in one.items():
            found.setdefault(name, []).append(value)
    return found


def aim(there: dict[str, list[Any]]) -> None:
    """Half of the calls ask for something that is there, and most senders are allowed: else little would get that far."""
    turn, next_of = itertools.count(), {name: itertools.cycle(values) for name, values in there.items()}

    def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
        number, path, body = next(turn), case.path_parameters or {}, case.body
        if number % 2 or path.get("SourceAddress") in ("@example.com", "%40example.com"):
            path.update({name: next(next_of[name]) for name in path if name in next_of})
        if number % 3 and isinstance(body, dict) and isinstance(sender := body.get("Sender"), dict):
            sender["Address"] = "shop@example.com"

    schemathesis.hook(before_call)


async def judged(document: dict[str, Any], base: str, there: dict[str, list[Any]], examples: int) -> Report:
    """Asks whatever the document allows, and some of what it does not, in a process of its own: hypothesis minds who draws
    random numbers meanwhile.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, _judged, document, base, there, examples)


def _judged(document: dict[str, Any], base: str, there: dict[str, list[Any]], examples: int) -> Report:
    words = base64.b64encode(f"crm:{PASSWORD}".encode()).decode()
    config = Config.from_dict(
        {
            "seed": 1,
            "base-url": base,
            "headers": {"Authorization": f"Basic {words}"},
            "continue-on-failure": True,
            "generation": {
                "max-examples": examples,
                "deterministic": True,
                "database": "none",
                "no-shrink": True,
                "with-security-parameters": False,
            },
            "phases": {"stateful": OFF},
            "checks": CHECKS,
        }
    )
    aim(there)
    report = Report()
    for event in engine.from_schema(schemathesis.openapi.from_dict(document, config=config)).execute():
        if isinstance(event, events.ScenarioFinished):
            note(report, event)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            report.faults[repr(event)] = str(getattr(event, "value", getattr(event, "exception", "")))
    return report


def note(report: Report, event: events.ScenarioFinished) -> None:
    for interaction in event.recorder.interactions.values():
        assert interaction.response is not None, interaction
        report.answers[event.label or "", interaction.response.status_code] += 1
    for check in itertools.chain.from_iterable(event.recorder.checks.values()):
        if check.failure_info:
            failure = check.failure_info.failure
            report.faults[f"{event.label}: {failure.title}"] = f"{failure.message}\n{check.failure_info.code_sample}"


@pytest.mark.timeout(3600 if FULL else 300)
async def test_every_answer_is_one_that_the_document_allows(scene: Scene) -> None:
    report = await judged(scene.document, scene.relay.api, await known(scene), EXAMPLES)
    assert not report.faults, "\n\n".join(f"{what}\n{how}" for what, how in report.faults.items())
    assert report.answers.total() >= LEAST_CALLS
    assert [status for _, status in report.answers if status >= 500] == []
    paths = scene.document["paths"].items()
    operations = {f"{method.upper()} {path}" for path, methods in paths for method in methods}
    never_done = {label: report.of(label) for label in operations if not {200, 201, 206} & report.of(label).keys()}
    assert never_done == {}
    assert [line for line in scene.relay.journal() if line["event"] == "bug"] == []


def contradicted(document: dict[str, Any]) -> dict[str, Any]:
    """A document of three operations that says something else of each."""
    said = copy.deepcopy(document)
    said["paths"] = {path: {"get": said["paths"][path]["get"]} for path in ("/Events", "/Queue", "/Account")}
    events, queue, account = (methods["get"]["responses"] for methods in said["paths"].values())
    events["206"] = events.pop("200")
    del queue["200"]["content"]["application/json"]
    account["200"]["content"]["application/json"]["schema"]["required"].append("Nonsense")
    return said


async def test_what_a_document_says_wrongly_is_found(scene: Scene) -> None:
    report = await judged(contradicted(scene.document), scene.relay.api, {}, 5)
    assert {
        "GET /Events: Undocumented status code",
        "GET /Queue: Undocumented Content-Type",
        "GET /Account: Response violates schema",
    } <= report.faults.keys()
