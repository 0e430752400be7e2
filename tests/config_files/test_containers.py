"""What is said of containers in several places: one image, verbs that there are, health checks that tell well from ill."""

from __future__ import annotations

import asyncio
import json
import sys

import click
import pytest

from relay.cli import main
from relay.sandbox.cloud import Cloud
from relay.settings import PrivateConfig
from tests.config_files.shipped import COMPOSE, IMAGE, KUBERNETES, Document, dockerfile, read
from tests.harness import Relay

SERVICES: dict[str, Document] = read(COMPOSE / "compose.yaml")[0]["services"]
WORKLOADS = [
    each["spec"]["template"]["spec"]
    for each in read(KUBERNETES / "nodes.yaml", KUBERNETES / "migration/job.yaml")
    if "template" in each["spec"]
]
OURS = [
    *(service for name, service in SERVICES.items() if name == "migrate" or name.startswith("relay-")),
    *(container for pod in WORKLOADS for container in pod["containers"]),
]
HEALTH = {
    "image": json.loads(dict(dockerfile()[-1])["HEALTHCHECK"].partition(" CMD ")[2]),
    **{name: service["healthcheck"]["test"][1:] for name, service in SERVICES.items() if name.startswith("relay-")},
}


def test_all_run_the_image_of_this_version() -> None:
    assert [each["image"] for each in OURS] == [IMAGE] * 6
    [image] = read(KUBERNETES / "image/kustomization.yaml")[0]["images"]
    assert f"{image['name']}:{image['newTag']}" == IMAGE


def test_what_they_are_told_to_do_is_a_verb() -> None:
    told = [word for each in OURS for word in each.get("command", each.get("args", []))]
    assert told == ["migrate", "migrate"]
    assert set(told) <= set(main.list_commands(click.Context(main)))


@pytest.mark.parametrize("check", HEALTH.values(), ids=HEALTH)
async def test_health_checks_tell_well_from_ill(shared: tuple[Relay, Cloud], unused_tcp_port: int, check: list[str]) -> None:
    python, *words = check
    assert python == "python"
    port = PrivateConfig().listen.rpartition(":")[2]
    for there, is_well in ((shared[0].ports["private"], True), (unused_tcp_port, False)):
        told = [word.replace(f"127.0.0.1', {port}", f"127.0.0.1', {there}") for word in words]
        assert told != words
        process = await asyncio.create_subprocess_exec(sys.executable, *told, stderr=asyncio.subprocess.DEVNULL)
        assert (await process.wait() == 0) is is_well
