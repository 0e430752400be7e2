"""config/kubernetes: by the schemas of the Kubernetes API, and what the manifests say of each other and of the settings."""

from __future__ import annotations

import subprocess
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from relay.settings import Config, StoreConfig
from relay.web import health
from tests.config_files.shipped import CONTENTS, KUBERNETES, Document, ports, read, settings
from tests.e2e.test_clients import needs

VERSIONS = ["1.30", kubernetes_validate.latest_version()]
FILES = [file for file in sorted(KUBERNETES.rglob("*.yaml")) if file.name != "kustomization.yaml"]
MANIFESTS = [pytest.param(each, id=f"{each['kind']} {each['metadata']['name']}") for each in read(*FILES)]
BY_NAME: dict[tuple[str, str], Document] = {(each["kind"], each["metadata"]["name"]): each for each in read(*FILES)}

NODES, MIGRATION = BY_NAME["Deployment", "relay"], BY_NAME["Job", "relay-migrate"]
POD, MIGRATION_POD = (workload["spec"]["template"]["spec"] for workload in (NODES, MIGRATION))
LABELS: dict[str, str] = NODES["spec"]["template"]["metadata"]["labels"]
[NODE], [MIGRATING] = POD["containers"], MIGRATION_POD["containers"]
POLICY = BY_NAME["NetworkPolicy", "relay"]["spec"]
WORKLOADS = pytest.mark.parametrize("pod", [POD, MIGRATION_POD], ids=["nodes", "migration"])

STOP_SECONDS = 35  # less than that a relay takes to stop


def files_of(pod: Document) -> dict[str, str]:
    """What lies where in a container of it, of its secrets: each must be one of the template's."""
    [container] = pod["containers"]
    found, volumes = {}, {volume["name"]: volume for volume in pod["volumes"]}
    for mount in container["volumeMounts"]:
        if secret := volumes[mount["name"]].get("secret"):
            for key in BY_NAME["Secret", secret["secretName"]]["stringData"]:
                found[f"{mount['mountPath']}/{key}"] = CONTENTS.get({"url": "store-url", "keys": "relay-keys"}.get(key, ""), "")
    return found


def environment(pod: Document) -> dict[str, str | None]:
    [container] = pod["containers"]
    return {each["name"]: each.get("value", "relay-7d9c-x2x") for each in container["env"]}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return settings(KUBERNETES / "relay.toml", environment(POD), files_of(POD), tmp_path)


def validate(manifest: Document, version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", MANIFESTS)
def test_it_is_a_resource_of_kubernetes(manifest: Document, version: str) -> None:
    validate(manifest, version)


@pytest.mark.parametrize("folder", [KUBERNETES, KUBERNETES / "migration"], ids=["nodes", "migration"])
def test_what_kustomize_makes_of_it_is_one_as_well(folder: Path) -> None:
    built = subprocess.run([needs("kubectl"), "kustomize", folder], capture_output=True, text=True, check=True).stdout
    made = list(yaml.safe_load_all(built))
    for manifest in made:
        validate(manifest, VERSIONS[-1])
    assert {each["metadata"]["namespace"] for each in made} == {"relay"}
    assert built.count("image: registry.example.com/relay:") == 1


def test_kustomize_is_told_of_every_file() -> None:
    [nodes], [migration] = read(KUBERNETES / "kustomization.yaml"), read(KUBERNETES / "migration" / "kustomization.yaml")
    told = {KUBERNETES / name for name in nodes["resources"]} | {
        KUBERNETES / "migration" / name for name in migration["resources"]
    }
    by_hand = {KUBERNETES / name for name in ("namespace.yaml", "secrets.example.yaml")}
    assert told | by_hand == set(FILES)
    assert nodes["namespace"] == migration["namespace"] == "relay"
    [settings_of_nodes] = nodes["configMapGenerator"]
    [volume] = [volume["configMap"] for volume in POD["volumes"] if "configMap" in volume]
    assert settings_of_nodes == {"name": volume["name"], "files": ["relay.toml"]}


def test_the_nodes_have_settings_that_can_be_used(config: Config) -> None:
    assert config.node.name == "relay-7d9c-x2x"
    assert {"name": "RELAY_NODE__NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}} in NODE["env"]
    assert config.store.is_postgres
    assert config.secrets.keys
    assert {str(config.smtp.certificate), str(config.smtp.key)} <= files_of(POD).keys()
    assert [str(ip_network(block)) for block in config.callbacks.proxies] == list(config.callbacks.proxies)


def test_the_migration_needs_only_the_database(tmp_path: Path) -> None:
    assert settings(None, environment(MIGRATION_POD), files_of(MIGRATION_POD), tmp_path).store.is_postgres
    assert len(files_of(MIGRATION_POD)) == 1


def test_ports_have_the_names_of_the_listeners(config: Config) -> None:
    assert {port["name"]: port["containerPort"] for port in NODE["ports"]} == ports(config)


def test_services_and_policy_lead_to_ports_that_there_are(config: Config) -> None:
    services = {name: each["spec"] for (kind, name), each in BY_NAME.items() if kind == "Service"}
    assert {name: {port["port"]: port["targetPort"] for port in spec["ports"]} for name, spec in services.items()} == {
        "relay-smtp": {587: "submission", 465: "submissions"},
        "relay-callbacks": {8080: "callbacks"},
        "relay-private": {ports(config)["private"]: "private"},
    }
    assert [spec["selector"] for spec in services.values()] == [LABELS] * 3
    assert {port["port"] for rule in POLICY["ingress"] for port in rule["ports"]} == set(ports(config))
    assert NODES["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"] == str(ports(config)["private"])


def test_the_world_reaches_the_doors_for_it_and_no_other() -> None:
    for rule in POLICY["ingress"]:
        is_for_all = {port["port"] for port in rule["ports"]} <= {"submission", "submissions"}
        assert ("from" not in rule) is is_for_all
    services = {name: each["spec"] for (kind, name), each in BY_NAME.items() if kind == "Service"}
    assert {name for name, spec in services.items() if spec.get("type", "ClusterIP") != "ClusterIP"} == {"relay-smtp"}
    assert services["relay-smtp"]["externalTrafficPolicy"] == "Local"


def test_the_ingress_has_the_host_that_readers_and_sns_are_told(config: Config) -> None:
    spec = BY_NAME["Ingress", "relay-callbacks"]["spec"]
    [rule], [tls] = spec["rules"], spec["tls"]
    assert [f"https://{rule['host']}"] == [f"https://{host}" for host in tls["hosts"]] == [config.callbacks.public_url]
    assert ("Secret", tls["secretName"]) in BY_NAME
    [path] = rule["http"]["paths"]
    assert path["backend"]["service"] == {"name": "relay-callbacks", "port": {"name": "http"}}


async def test_probes_ask_for_what_there_is() -> None:
    async def check() -> None: ...

    paths = {route.path for route in health.routes(check)}
    probes = {name: NODE[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe["path"] for probe in probes.values()} <= paths
    assert {probe["port"] for probe in probes.values()} == {"private"}
    assert probes["readinessProbe"]["path"] == "/readyz"
    assert probes["livenessProbe"]["path"] == "/healthz"


def test_nodes_have_the_time_that_they_need_to_stop() -> None:
    grace = POD["terminationGracePeriodSeconds"]
    assert grace >= 45
    assert grace >= NODE["lifecycle"]["preStop"]["sleep"]["seconds"] + STOP_SECONDS


@WORKLOADS
def test_pods_are_restricted(pod: Document) -> None:
    """By the Pod Security Standard of that name, which namespace.yaml asks for; and nothing is written but the volume."""
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"].keys() >= {"requests", "limits"}
    assert {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")} == {
        str(StoreConfig().path.parent)
    }
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert pod["automountServiceAccountToken"] is False


def test_whatever_selects_nodes_selects_these() -> None:
    selectors: list[Any] = [
        NODES["spec"]["selector"],
        BY_NAME["PodDisruptionBudget", "relay"]["spec"]["selector"],
        *(constraint["labelSelector"] for constraint in POD["topologySpreadConstraints"]),
    ]
    assert [selector["matchLabels"] for selector in selectors] == [LABELS] * 4
    assert (
        MIGRATION["spec"]["template"]["metadata"]["labels"].items() & LABELS.items()
        == POLICY["podSelector"]["matchLabels"].items()
    )
    assert NODES["spec"]["replicas"] >= 3
    assert ("ServiceAccount", POD["serviceAccountName"]) in BY_NAME


def test_the_template_has_no_secrets() -> None:
    for (kind, name), each in BY_NAME.items():
        if kind == "Secret":
            assert "data" not in each, name
            assert all("PASSWORD" in text or text in ("PEM", "1:BASE64\n") for text in each["stringData"].values()), name
