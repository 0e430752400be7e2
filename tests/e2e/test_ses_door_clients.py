"""Programs that were written for Amazon SES, through the door, with nothing changed but the endpoint."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest

from relay.control.client import ControlClient
from tests.e2e.api import api_of
from tests.e2e.ses_door import REJECTS, Scene, issued, scene_in
from tests.e2e.test_clients import ROOT, needs, output_of
from tests.harness import arrived

DJANGO = "$PYTHON ses_django.py"
SDK = "node ses_aws_sdk.js"
V1 = ("InvalidParameterValue", "Throttling")
V2 = ("BadRequestException", "LimitExceededException")
# What it is run as, what it is called, the codes of what is too large and of what is too much, and whether it attaches a file.
CLIENTS = [
    pytest.param("django-ses", DJANGO, V1, True, id="django-ses"),
    pytest.param("django-ses, v2", DJANGO, V2, True, id="django-ses, v2"),
    pytest.param("django-anymail", DJANGO, V2, True, id="django-anymail"),
    pytest.param("v1", SDK, V1, False, id="AWS SDK for JavaScript, v1"),
    pytest.param("v2", SDK, V2, True, id="AWS SDK for JavaScript, v2"),
]


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with scene_in(tmp_path_factory.mktemp("door")) as found:
        async with api_of(found.relay) as api:
            await api.post("/Suppressions", {"Address": "gone@example.net"})
        yield found


async def said_by(scene: Scene, client: str, command: str) -> list[list[object]]:
    """Its lines. Its login may send one message a day, and refuses what is suppressed."""
    if "node" in command:
        needs("node")
        needs(".node/node_modules/@aws-sdk/client-sesv2/package.json")
    login = replace(REJECTS, name=client, per_day=1)
    await ControlClient(scene.relay.where.control).put_credential(login)
    key = await issued(scene.relay, login.name)
    environment = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "PYTHON": sys.executable,
        "NODE_PATH": str(ROOT / ".node/node_modules"),
        "CLIENT": client,
        "ENDPOINT": scene.endpoint,
        "AWS_ACCESS_KEY_ID": key.id,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return [json.loads(line) for line in (await output_of(command, environment)).splitlines() if line.startswith("[")]


@pytest.mark.parametrize(("client", "command", "codes", "attaches"), CLIENTS)
async def test_a_client_of_ses_sends_through_the_door_and_understands_its_refusals(
    scene: Scene, client: str, command: str, codes: tuple[str, str], attaches: bool
) -> None:
    before = len(scene.cloud.calls)
    (id,), thief, gone, large, more, *others = await said_by(scene, client, command)
    assert thief[:2] == gone[:2] == ["MessageRejected", 400]
    assert thief[2] == (
        "Email address is not verified. The following identities failed the check in region EU-WEST-1: thief@example.org"
    )
    assert str(gone[2]).startswith("Address is on the suppression list: manual since ")
    assert large == [codes[0], 400, "Message length is more than 300000 bytes long."]
    assert more == [codes[1], 400, "Daily message quota exceeded."]
    if command == SDK:
        assert others[0] == [200]
    if client == "v2":
        assert others[1] == ["BOUNCE"]
        assert others[2][:2] == ["NotFoundException", 404]
    await arrived(scene.relay, scene.cloud, before + 2)
    life = await scene.relay.life(str(id))
    assert life is not None
    assert sorted(delivery.recipient for delivery in life.deliveries) == ["hidden@example.net", "reader@example.net"]
    _check_mail(scene, attaches=attaches)


async def test_the_example_of_the_manual_for_curl_is_right(scene: Scene) -> None:
    needs("curl")
    manual = (ROOT / "docs" / "ses-door.md").read_text()
    command = manual.partition("    curl --aws-sigv4")[2].partition("\n\n")[0]
    key, before = scene.keys["crm"], len(scene.cloud.calls)
    command = command.replace("ID:SECRET", f"{key.id}:{key.secret}").replace("http://127.0.0.1:8081", scene.endpoint)
    said = await output_of(f"curl -sS --aws-sigv4{command}", {"PATH": os.environ["PATH"]})
    assert "<MessageId>" in said
    mail = message_from_bytes(await arrived(scene.relay, scene.cloud, before + 1), policy=default)
    assert (mail["Subject"], mail["To"]) == ("Order 42", "ann@example.net")


async def test_the_environment_of_the_manual_is_enough_for_boto3(scene: Scene) -> None:
    script = (
        "import boto3; print(boto3.client('sesv2').get_account()['SendQuota']['MaxSendRate'], "
        "boto3.client('ses').get_send_quota()['MaxSendRate'])"
    )
    manual = (ROOT / "docs" / "ses-door.md").read_text()
    names = re.findall(r"(AWS_[A-Z0-9_]+)=", manual)
    key = scene.keys["crm"]
    values = {"AWS_ACCESS_KEY_ID": key.id, "AWS_SECRET_ACCESS_KEY": key.secret, "AWS_DEFAULT_REGION": "us-east-1"}
    environment = {name: values.get(name, scene.endpoint) for name in names}
    assert "AWS_ENDPOINT_URL_SESV2" in environment
    said = await output_of(f'{sys.executable} -c "{script}"', {"PATH": os.environ["PATH"], **environment})
    assert said.split() == ["200.0", "200.0"]


def _check_mail(scene: Scene, *, attaches: bool) -> None:
    """As it was written, and nobody is shown who is hidden."""
    mail = message_from_bytes(scene.cloud.calls[-1].raw, policy=default)
    assert isinstance(mail, EmailMessage)
    assert (mail["Subject"], mail["Bcc"]) == ("Größe 42", None)
    assert "shop@example.com" in mail["From"]
    for kind, text in (("plain", "Größe"), ("html", "<p>Größe</p>")):
        part = mail.get_body((kind,))
        assert part is not None
        assert part.get_content().strip() == text
    assert [file.get_filename() for file in mail.iter_attachments()] == (["Größe.csv"] if attaches else [])
