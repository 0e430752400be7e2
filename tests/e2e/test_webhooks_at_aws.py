"""The examples of the manual against moto, which checks signatures: SNS, SQS, EventBridge and Lambda take what we send."""

from __future__ import annotations

import asyncio
import io
import json
import re
import shlex
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import boto3
import pytest

from relay.sandbox.cloud import Cloud
from tests.e2e.conftest import running_moto
from tests.e2e.test_webhooks import KEYS
from tests.harness import Relay, mail, running_relay, submit
from tests.ports import reserved_port

MANUAL = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
REGION, ACCOUNT = "eu-west-1", "123456789012"
TEXTS = {match[1]: match[2] for match in re.finditer(r"```toml\n# (\w+\.toml)\n(.*?)```", MANUAL, re.DOTALL)}
COMMANDS = {words[3]: words for line in re.findall(r"(?m)^    (relay webhook add .*)$", MANUAL) if (words := shlex.split(line))}


class Aws:
    """moto, by boto3, with the keys of a user that it knows."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.key, self.secret = "test", "test"
        made = self.client("iam")
        made.create_user(UserName="relay")
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        made.put_user_policy(UserName="relay", PolicyName="all", PolicyDocument=json.dumps(everything))
        found = made.create_access_key(UserName="relay")["AccessKey"]
        self.key, self.secret = found["AccessKeyId"], found["SecretAccessKey"]

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
        )

    def queue(self, name: str) -> tuple[str, str]:
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        return url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    def received(self, url: str) -> list[str]:
        found = self.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        return [message["Body"] for message in found.get("Messages", ())]


@pytest.fixture(scope="module")
async def aws() -> AsyncIterator[Aws]:
    with reserved_port() as port:
        async with running_moto(port) as endpoint, aiohttp.ClientSession() as http:
            yield await strict(endpoint, http)


async def strict(endpoint: str, http: aiohttp.ClientSession) -> Aws:
    """From now on it looks at who asks."""
    await http.post(f"{endpoint}/moto-api/config", json={"lambda": {"use_docker": False}})
    made = await asyncio.to_thread(Aws, endpoint)
    await http.post(f"{endpoint}/moto-api/reset-auth", data=b"0")
    return made


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Relay, Cloud]]:
    async with running_relay(tmp_path_factory.mktemp("relay"), settings=KEYS) as pair:
        yield pair


async def add(relay: Relay, aws: Aws, name: str, *, secret: str = "") -> None:
    """As the manual says, but for the host, the keys and the event."""
    folder = relay.folder
    (folder / "key.txt").write_text(secret or aws.secret)
    words = [re.sub(r"https://\w+\.eu-west-1\.amazonaws\.com", aws.endpoint, word) for word in COMMANDS[name][1:]]
    words = [aws.key if word == "AKIAEXAMPLE" else str(folder / word) if (folder / word).is_file() else word for word in words]
    await relay.cli(*words, "--private", "--event", "DELIVERED")


@pytest.fixture(autouse=True)
def texts(running: tuple[Relay, Cloud], aws: Aws) -> Iterator[None]:
    for name, text in TEXTS.items():
        (running[0].folder / name).write_text(text.replace("https://sqs.eu-west-1.amazonaws.com", aws.endpoint))
    return iter(())


async def delivered(relay: Relay) -> str:
    with relay.smtp() as client:
        return await asyncio.to_thread(submit, client, mail())


async def the_last(relay: Relay, name: str) -> str:
    said = ""
    for _ in range(50):
        if said := (await relay.cli("webhook", "log", name, "--whole"))[1]:
            break
        await asyncio.sleep(0.2)
    await relay.cli("webhook", "remove", name)
    return said


async def test_sns_publishes_it(running: tuple[Relay, Cloud], aws: Aws) -> None:
    relay, _ = running
    topic = aws.client("sns").create_topic(Name="mail-events")["TopicArn"]
    url, arn = aws.queue("of-the-topic")
    aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    await add(relay, aws, "sns")
    sent = await delivered(relay)
    assert "answered 200" in await the_last(relay, "sns")
    [body] = await asyncio.to_thread(aws.received, url)
    assert json.loads(json.loads(body)["Message"])["message_id"] == f"{sent}-1"


async def test_sqs_takes_it(running: tuple[Relay, Cloud], aws: Aws) -> None:
    relay, _ = running
    url, _ = aws.queue("mail-events")
    await add(relay, aws, "sqs")
    sent = await delivered(relay)
    assert "answered 200" in await the_last(relay, "sqs")
    [body] = await asyncio.to_thread(aws.received, url)
    assert json.loads(body)["message_id"] == f"{sent}-1"


async def test_eventbridge_takes_it(running: tuple[Relay, Cloud], aws: Aws) -> None:
    relay, _ = running
    url, arn = aws.queue("of-the-bus")
    bus = aws.client("events")
    bus.put_rule(Name="all", EventPattern=json.dumps({"source": ["relay"], "detail-type": ["DELIVERED"]}))
    bus.put_targets(Rule="all", Targets=[{"Id": "1", "Arn": arn}])
    await add(relay, aws, "events")
    sent = await delivered(relay)
    assert '"FailedEntryCount": 0' in await the_last(relay, "events")
    [body] = await asyncio.to_thread(aws.received, url)
    assert json.loads(body)["detail"]["message_id"] == f"{sent}-1"


async def test_lambda_is_invoked(running: tuple[Relay, Cloud], aws: Aws) -> None:
    relay, _ = running
    assume = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    role = aws.client("iam").create_role(RoleName="lambda", AssumeRolePolicyDocument=json.dumps(assume))["Role"]["Arn"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("index.py", "def handler(event, context):\n    return event\n")
    aws.client("lambda").create_function(
        FunctionName="mail-events",
        Runtime="python3.11",
        Role=role,
        Handler="index.handler",
        Code={"ZipFile": archive.getvalue()},
    )
    await add(relay, aws, "lambda")
    await delivered(relay)
    assert "answered 202" in await the_last(relay, "lambda")


async def test_a_wrong_secret_is_refused(running: tuple[Relay, Cloud], aws: Aws) -> None:
    """So the others were really checked."""
    relay, _ = running
    aws.queue("mail-events")
    await add(relay, aws, "sqs", secret="wrong")
    await delivered(relay)
    said = await the_last(relay, "sqs")
    assert "answered 403" in said
    assert "SignatureDoesNotMatch" in said
