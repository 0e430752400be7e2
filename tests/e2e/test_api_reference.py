"""What the relay says of its API, and the examples of the manual: all of it tried at a relay that runs."""

from __future__ import annotations

import asyncio
import html
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import openapi_spec_validator
import pytest
from openapi_schema_validator import OAS31Validator
from playwright.async_api import Browser

from relay.sandbox.cloud import Cloud
from tests.e2e.api import Reply, api_of
from tests.e2e.browser import running_browser, violations
from tests.e2e.test_clients import needs
from tests.harness import APPLICATION, CRM, PASSWORD, Relay, running_relay

ROOT = Path(__file__).parents[2]
SETTINGS = {"RELAY_SECRETS__KEYS": "1:" + "A" * 43 + "=", "RELAY_CALLBACKS__PUBLIC_URL": "https://relay.example.com"}

IMPORT = "0b8d5f5a-8f0e-4d0c-9c5e-3f6f1f0f7c11"
TEXT = "<p><a href='[WebVersion]'>look</a> <a href='[Unsubscribe]'>leave</a></p>"
TASK = {"Name": "spring", "Sender": {"Address": "shop@example.com"}, "Subject": "News", "Text": TEXT}


class Scene(NamedTuple):
    relay: Relay
    cloud: Cloud
    document: dict[str, Any]

    @property
    def root(self) -> str:
        return self.relay.api.removesuffix("/email/v1")

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for path, methods in self.document["paths"].items():
            for method, said in methods.items():
                yield method.upper(), path, said


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with running_relay(tmp_path_factory.mktemp("reference"), CRM, APPLICATION, settings=SETTINGS) as (relay, cloud):
        reply = await fetched(relay.api.replace("/email/v1", "/openapi.json"))
        assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
        yield Scene(relay, cloud, reply.document)


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


async def fetched(url: str, method: str = "GET") -> Reply:
    """By somebody without a login."""
    async with aiohttp.ClientSession() as anybody, anybody.request(method, url) as reply:
        return Reply(reply.status, dict(reply.headers), await reply.text())


def test_the_document_is_openapi_3_1(scene: Scene) -> None:
    openapi_spec_validator.validate(scene.document)
    assert scene.document["openapi"].startswith("3.1.")


def test_no_two_models_have_one_name(scene: Scene) -> None:
    assert [name for name in scene.document["components"]["schemas"] if "__" in name] == []


def test_its_examples_are_what_it_says(scene: Scene) -> None:
    shown = 0
    for method, path, said in scene.operations():
        for part in (said.get("requestBody", {}), *(each for each in said["responses"].values() if "$ref" not in each)):
            for content in part.get("content", {}).values():
                if "example" in content:
                    schema = {**content["schema"], "components": scene.document["components"]}
                    errors = [error.message for error in OAS31Validator(schema).iter_errors(content["example"])]
                    assert errors == [], f"{method} {path}"
                    shown += 1
    assert shown >= sum(1 for _ in scene.operations())


async def test_every_operation_wants_a_login_and_its_scope(scene: Scene) -> None:
    async with api_of(scene.relay, "app") as api:
        for method, path, _ in scene.operations():
            url = re.sub(r"{\w+}", "1", path)
            refused = await api.call(method, url)
            assert (refused.status, refused.code) == (403, "invalid_permission"), path
            unknown = await fetched(scene.relay.api + url, method)
            assert (unknown.status, unknown.code) == (401, "authorization_failed"), path
            assert unknown.headers["WWW-Authenticate"].startswith("Basic")


async def test_what_takes_a_key_is_done_once_and_answered_each_time(scene: Scene) -> None:
    key = {"$ref": "#/components/parameters/IdempotencyKey"}
    async with api_of(scene.relay) as api:
        group = (await api.post("/ContactGroups", {"Name": "readers"})).result
        for _, path, said in [each for each in scene.operations() if key in each[2]["parameters"]]:
            body = said["requestBody"]["content"]["application/json"]["example"]
            body = {**body, "ContactGroups": [{"Id": group}]} if "ContactGroups" in body else body
            task = (await api.post("/Tasks", TASK)).result["TaskId"]
            url = path.replace("{TaskId}", str(task))
            replies = [await api.post(url, body, Idempotency_Key=path)]
            replies += await asyncio.gather(*(api.post(url, body, Idempotency_Key=path) for _ in range(3)))
            replies += await asyncio.gather(*(api.post(url, body, Idempotency_Key=f"{path} at once") for _ in range(4)))
            assert {(path, reply.status) for reply in replies} == {(path, 201)}
            assert [len({reply.text for reply in some}) for some in (replies[:4], replies[4:])] == [1, 1], path
            assert [reply.headers.get("Idempotency-Replayed") for reply in replies].count("true") == 6


def test_the_manual_has_every_operation(scene: Scene) -> None:
    manual = (ROOT / "docs" / "api.md").read_text()
    told = set(re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`?]*)`", manual))
    assert told == {(method, path) for method, path, _ in scene.operations()}


def test_the_manual_says_what_scope_an_operation_needs(scene: Scene) -> None:
    manual = (ROOT / "docs" / "api.md").read_text()
    told = dict(re.findall(r"(?m)^## (.+)\n\nScope `(\w+)`", manual))
    assert told == {said["tags"][0]: re.findall(r"`(\w+)`", said["description"])[0] for _, _, said in scene.operations()}


async def test_the_page_has_all_of_it(scene: Scene) -> None:
    page, same = await fetched(f"{scene.root}/"), await fetched(f"{scene.root}/reference")
    assert page.text == same.text
    assert "<script" not in page.text
    assert re.findall(r"default-src '(\w+)'", page.headers["Content-Security-Policy"]) == ["none"]
    for _, path, said in scene.operations():
        assert f'id="{said["operationId"]}"' in page.text
        assert f"/email/v1{path}</code>" in page.text
    targets = set(re.findall(r'href="#([^"]+)"', page.text))
    assert targets <= set(re.findall(r'id="([^"]+)"', page.text))
    assert {f"model-{name}" for name in scene.document["components"]["schemas"]} <= set(re.findall(r'id="([^"]+)"', page.text))


ORDER = ("POST", "GET", "PATCH", "PUT", "DELETE")
FIRST = ("/ContactGroups", "/ContactsImport")  # others name what these make


def in_order(scene: Scene) -> list[tuple[str, str, dict[str, Any]]]:
    """There is then what they are about: what was made last goes first, and a task is released at the end."""

    def place(numbered: tuple[int, tuple[str, str, dict[str, Any]]]) -> tuple[bool, int, int]:
        number, (method, path, _) = numbered
        return path.endswith("/State"), ORDER.index(method), -number if method == "DELETE" else number

    return [each for _, each in sorted(enumerate(scene.operations()), key=place)]


async def test_each_request_of_the_page_can_be_made(tmp_path: Path) -> None:
    """As a shell takes it."""
    needs("curl")
    async with running_relay(tmp_path, CRM, settings=SETTINGS) as (relay, cloud):
        root = relay.api.removesuffix("/email/v1")
        scene = Scene(relay, cloud, (await fetched(f"{root}/openapi.json")).document)
        page = html.unescape((await fetched(root)).text)
        async with api_of(relay) as api:
            for path in FIRST:
                body = scene.document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"]
                await api.post(path, {**body, "ImportId": IMPORT})
        for method, path, said in in_order(scene):
            if "SenderAddresses" in path:  # another name of what was there already
                continue
            request = page.partition(f'id="{said["operationId"]}"')[2].partition("<pre>")[2].partition("</pre>")[0]
            request = request.replace("LOGIN:PASSWORD", f"'crm:{PASSWORD}'").replace("https://RELAY", root)
            status, output = await ran(scene, tmp_path, "sh", "-c", f"{request} --silent --write-out ' %{{http_code}}'")
            assert (status, output[-4:-1]) == (0, " 20"), f"{method} {path}\n{request}\n{output}"


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_the_page_can_be_read_by_everybody(scene: Scene, browser: Browser, colours: Any, width: int) -> None:
    seen = []
    context = await browser.new_context(viewport={"width": width, "height": 800}, color_scheme=colours)
    page = await context.new_page()
    page.on("console", lambda message: seen.append(message.text))
    await page.goto(f"{scene.root}/reference")
    assert await page.evaluate("document.documentElement.scrollWidth") == width
    ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (colours == "light")
    await page.get_by_role("link", name="Add a task").click()
    await page.locator("#postTasks summary").click()
    assert "LOGIN:PASSWORD" in await page.locator("#postTasks pre").first.inner_text()
    assert seen == []
    await context.close()
    context = await browser.new_context(viewport={"width": width, "height": 800}, color_scheme=colours, bypass_csp=True)
    page = await context.new_page()
    await page.goto(f"{scene.root}/reference")
    assert await violations(page) == []
    await context.close()


PROGRAMS: dict[str, tuple[str, ...]] = {
    "curl": ("sh", "message.sh"),
    "python3": ("python3", "message.py"),
    "node": ("node", "message.mjs"),
    "php": ("php", "message.php"),
}
if shutil.which("dotnet"):  # no package of Debian's
    PROGRAMS["dotnet"] = ("dotnet", "run", "--project", "csharp", "--")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The examples, where they may leave something behind."""
    return shutil.copytree(ROOT / "docs" / "examples", tmp_path / "examples")


def command(name: str) -> tuple[str, ...]:
    needs(name)
    return PROGRAMS[name]


async def ran(scene: Scene, folder: Path, *words: str) -> tuple[int, str]:
    """Its exit status, and all that it wrote."""
    settings = {"RELAY_URL": scene.relay.api, "RELAY_LOGIN": "crm", "RELAY_PASSWORD": PASSWORD, "HOME": str(folder)}
    process = await asyncio.create_subprocess_exec(
        *words,
        env={"PATH": os.environ["PATH"], **settings},
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.parametrize("name", PROGRAMS)
async def test_the_examples_of_the_manual_send_once(scene: Scene, folder: Path, name: str) -> None:
    to = f"{name}@example.net"
    outputs = []
    for _ in range(2):
        status, output = await ran(scene, folder, *command(name), "shop@example.com", to, name)
        assert status == 0, output
        assert re.search(rf"{to}\W.*(NotSent|Sent|Delivered)", output), output
        outputs.append(output)
    message_id, same = (output.splitlines()[0] for output in outputs)
    assert message_id == same
    assert await scene.relay.status(message_id, "delivered") == ["delivered"]
    sent = [call for call in scene.cloud.calls if call.recipients == (to,)]
    assert [message_from_bytes(call.raw, policy=default)["Subject"] for call in sent] == [f"Order {name}"]
    life = await scene.relay.life(message_id)
    assert life is not None
    assert life.message.labels.id == f"order-{name}"


@pytest.mark.parametrize("name", PROGRAMS)
async def test_the_examples_of_the_manual_say_what_was_refused(scene: Scene, folder: Path, name: str) -> None:
    status, output = await ran(scene, folder, *command(name), "a@other.example", "b@example.net", "x")
    assert status != 0
    assert "a@other.example" in output


async def test_the_mailing_of_the_manual(scene: Scene, folder: Path) -> None:
    rows = ["Email,FirstName,City", "ann@readers.example,Ann,Bonn", "ben@readers.example,Ben,Köln", "nobody,Nobody,Rome"]
    (folder / "readers.csv").write_text("\n".join(rows), "utf-8")
    status, output = await ran(scene, folder, "python3", "mailing.py", "shop@example.com", "readers.csv")
    assert status == 0, output
    assert "left out: nobody" in output
    assert "Finished" in output
    assert "Total 2" in output
    got = {call.recipients[0]: message_from_bytes(call.raw, policy=default) for call in scene.cloud.calls}
    assert got["ben@readers.example"]["Subject"] == "We are open, Ben"
    body = got["ann@readers.example"].get_body(("html",))
    assert body is not None
    assert "your shop in Bonn is open" in body.get_content()
