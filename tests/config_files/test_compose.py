"""config/compose: by the Compose Specification, and what its files say of each other."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from relay.settings import Config, StoreConfig
from tests.config_files.shipped import COMPOSE, CONTENTS, Document, ports, read, settings

PLAIN, POOLED = COMPOSE / "compose.yaml", COMPOSE / "compose.pgbouncer.yaml"
FILES = pytest.mark.parametrize("file", [PLAIN, POOLED], ids=lambda file: file.name)
PROJECT, OVERRIDE = read(PLAIN, POOLED)
SERVICES: dict[str, Document] = PROJECT["services"]
NODES = [name for name in SERVICES if name.startswith("relay-")]
HAPROXY = (COMPOSE / "haproxy.cfg").read_text()
PORTS = {"submission": 587, "submissions": 465, "callbacks": 443}  # as the world knows them


def config_of(node: str, folder: Path, *, pooled: bool = False) -> Config:
    environment, secrets = dict(SERVICES[node]["environment"]), list(SERVICES[node]["secrets"])
    if pooled:
        environment |= OVERRIDE["services"][node]["environment"]
        secrets += OVERRIDE["services"][node]["secrets"]
    files = {f"/run/secrets/{name}": CONTENTS[name] for name in secrets}
    return settings(COMPOSE / "relay.toml", environment, files, folder)


def published() -> dict[int, int]:
    """Port outside -> port of the balancer."""
    pairs = (port.split(":") for port in SERVICES["balancer"]["ports"])
    return {int(outside): int(inside) for outside, inside in pairs}


def proxy_section(kind: str, name: str) -> str:
    found = re.search(rf"(?ms)^{kind} ?{name}\n(.*?)(?=^\S|\Z)", HAPROXY)
    assert found, (kind, name)
    return found[1]


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


@FILES
def test_it_is_a_compose_file(file: Path) -> None:
    checked = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    result = subprocess.run(checked, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("pooled", [False, True], ids=["plain", "pooled"])
@pytest.mark.parametrize("node", NODES)
def test_each_node_has_settings_that_can_be_used(tmp_path: Path, node: str, pooled: bool) -> None:
    config = config_of(node, tmp_path, pooled=pooled)
    assert config.node.name == node
    assert config.store.is_postgres
    assert bool(config.store.direct_url) is pooled
    assert config.secrets.keys


def test_the_migration_needs_only_the_database(tmp_path: Path) -> None:
    job = SERVICES["migrate"]
    files = {f"/run/secrets/{name}": CONTENTS[name] for name in job["secrets"]}
    assert settings(None, job["environment"], files, tmp_path).store.is_postgres


def used(services: dict[str, Document], what: str) -> Iterator[str]:
    for service in services.values():
        yield from service.get(what, [])


@FILES
def test_every_secret_and_network_is_declared_and_used(file: Path) -> None:
    project = read(file)[0]
    named = set(used(project["services"], "secrets"))
    assert set(project["secrets"]) <= named <= set(PROJECT["secrets"]) | set(project["secrets"])
    assert {secret["file"] for secret in project["secrets"].values()} == {f"./secrets/{name}" for name in project["secrets"]}
    assert set(used(project["services"], "networks")) <= set(PROJECT["networks"])


def test_the_mounted_files_are_there_and_every_node_has_a_volume_of_its_own() -> None:
    mounts = [mount.split(":") for mount in (*used(SERVICES, "volumes"), *used(OVERRIDE["services"], "volumes"))]
    files = {source for source, *_ in mounts if source.startswith("./")}
    assert {source for source in files if not (COMPOSE / source).exists()} == {"./tls"}  # which has the certificate
    own = [source for source, target, *_ in mounts if target == str(StoreConfig().path.parent)]
    assert own == NODES
    assert {source for source, *_ in mounts if not source.startswith("./")} == set(PROJECT["volumes"])


@pytest.mark.parametrize("name", [*NODES, "migrate"])
def test_containers_of_ours_have_no_rights_and_limits(name: str) -> None:
    service = SERVICES[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"]["resources"]["limits"].keys() >= {"cpus", "memory"}


def test_nodes_have_the_time_that_they_need_to_stop() -> None:
    assert min(seconds(SERVICES[node]["stop_grace_period"]) for node in NODES) >= 45


def test_what_is_needed_comes_first() -> None:
    for node in NODES:
        assert SERVICES[node]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert SERVICES["balancer"]["depends_on"] == NODES


def test_the_relay_believes_the_balancer_and_nobody_else(tmp_path: Path) -> None:
    config = config_of("relay-1", tmp_path)
    [[name, network]] = SERVICES["balancer"]["networks"].items()
    assert config.smtp.proxies == config.callbacks.proxies == (network["ipv4_address"],)
    [pool] = PROJECT["networks"][name]["ipam"]["config"]
    assert ip_address(network["ipv4_address"]) in ip_network(pool["subnet"])


def test_the_balancer_leads_to_the_ports_of_the_nodes(tmp_path: Path) -> None:
    there = ports(config_of("relay-1", tmp_path))
    for door, outside in PORTS.items():
        bound = re.search(r"(?m)^ +bind :(\d+)", proxy_section("frontend", door))
        assert bound
        assert published()[outside] == int(bound[1])
        servers = re.findall(r"(?m)^ +server (\S+) (\S+):(\d+)(?: (.+))?$", proxy_section("backend", door))
        way = "" if door == "callbacks" else "send-proxy-v2"
        assert servers == [(node, node, str(there[door]), way) for node in NODES]
    assert f"port {there['private']} " in proxy_section("defaults", "").partition("default-server check ")[2]
    assert len(published()) == len(PORTS)


def test_the_relay_loses_patience_before_the_balancer(tmp_path: Path) -> None:
    smtp = config_of("relay-1", tmp_path).smtp
    for door in ("submission", "submissions"):
        for kind, side in (("frontend", "client"), ("backend", "server")):
            found = re.search(rf"timeout {side} (\d+)s", proxy_section(kind, door))
            assert found
            assert int(found[1]) > smtp.timeout_seconds
    assert f"hard-stop-after {seconds(SERVICES['balancer']['stop_grace_period']) - 15}s" in HAPROXY


def test_the_pooler_lends_connections_for_a_transaction(tmp_path: Path) -> None:
    said = dict(re.findall(r"(?m)^(\w+) = (.*)$", (COMPOSE / "pgbouncer.ini").read_text()))
    assert said["pool_mode"] == "transaction"
    assert f"--port={said['listen_port']}" in OVERRIDE["services"]["pgbouncer"]["healthcheck"]["test"]
    assert said["auth_file"] in {f"/run/secrets/{name}" for name in OVERRIDE["services"]["pgbouncer"]["secrets"]}
    assert int(said["max_client_conn"]) >= 10 * len(NODES)
