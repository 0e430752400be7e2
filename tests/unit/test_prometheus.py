"""The rules and the dashboard ask for metrics that there are; promtool finds nothing to object to, and the rules ring."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from relay import metrics
from relay.alarm import Kind
from tests.unit.test_manual import cells, text_of
from tests.unit.test_manual_links import anchors

ROOT = Path(__file__).parents[2]
RULES = ROOT / "config" / "prometheus" / "relay.rules.yaml"
SCRAPE = ROOT / "config" / "prometheus" / "scrape.yaml"
TESTS = ROOT / "tests" / "data" / "relay.rules.test.yaml"
DASHBOARD = ROOT / "config" / "grafana" / "relay.json"
promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool")


def series() -> dict[str, frozenset[str]]:
    """Every name that a query can have, with its labels."""
    found = {}
    for metric in metrics.registry._collector_to_names:
        labels = frozenset(metric._labelnames)  # type: ignore[attr-defined]
        [family] = list(metric.collect())
        match family.type:
            case "counter":
                found[f"{family.name}_total"] = labels
            case "histogram":
                found |= {
                    f"{family.name}_{part}": labels | ({"le"} if part == "bucket" else set()) for part in ("bucket", "sum")
                }
            case _:
                found[family.name] = labels
    return found


SERIES = series()
FROM_PROMETHEUS = {"job", "instance", "up"}


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels() -> Iterator[dict[str, Any]]:
    yield from (panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row")


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])


@pytest.mark.parametrize("expression", list(expressions()))
def test_an_expression_asks_for_series_and_labels_that_there_are(expression: str) -> None:
    names = re.findall(r"\brelay_\w+", expression)
    assert names or "up{" in expression
    assert set(names) <= SERIES.keys()
    labels = set(re.findall(r"(\w+)(?:=~|!=|=)\"", expression))
    for by in re.findall(r"by \(([^)]*)\)", expression):
        labels |= set(by.split(", "))
    known = FROM_PROMETHEUS.union(*(SERIES[name] for name in names))
    assert labels <= known


def test_each_alarm_has_a_rule_of_its_severity_that_names_its_section() -> None:
    by_kind = {found[1]: rule for rule in rules() if (found := re.search(r'alarm="(\w+)"', rule["expr"]))}
    assert by_kind.keys() == set(Kind) - {Kind.TEST}
    for kind, rule in by_kind.items():
        assert rule["annotations"]["manual"] == f"docs/alarms.md#{kind}"


def test_what_the_manual_calls_critical_is_critical_in_the_rules() -> None:
    for rule in rules():
        if found := re.search(r'alarm="(\w+)"', rule["expr"]):
            section = text_of("alarms.md").partition(f"### {found[1]}\n\n")[2]
            if section.startswith(("Critical.", "Warning.", "Warning,")):
                assert section.lower().startswith(rule["labels"]["severity"]), found[1]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_a_rule_says_how_bad_it_is_for_how_long_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert re.fullmatch(r"\d+[mh]", rule["for"])
    assert rule["annotations"]["summary"]
    page, _, anchor = rule["annotations"]["manual"].partition("#")
    assert anchor in anchors(ROOT / page)
    assert len({each["alert"] for each in rules()}) == len(rules())


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    board = json.loads(DASHBOARD.read_text())
    assert (board["uid"], board["title"]) == ("relay", "Relay")
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in panels():
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["targets"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
    asked = {name for panel in panels() for target in panel["targets"] for name in re.findall(r"\brelay_\w+", target["expr"])}
    needed = (
        "messages_accepted_total ses_calls_total ses_call_seconds_bucket queue_messages queue_oldest_seconds events_total alarm"
    )
    assert asked >= {f"relay_{name}" for name in needed.split()}


def test_no_two_panels_lie_on_one_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        mine = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not mine & taken, panel["title"]
        taken |= mine


def test_every_label_of_a_metric_is_in_the_manual_with_what_bounds_it() -> None:
    told = {row[0].strip("`") for row in cells("alarms.md") if len(row) == 2}
    assert {label for name, labels in SERIES.items() for label in labels if not name.endswith("_bucket")} <= told
    documented = {
        match[1]: set(filter(None, match[2].split(",")))
        for match in re.finditer(r"`(relay_\w+)\{([^}]*)\}`", text_of("alarms.md"))
    }
    for name, labels in SERIES.items():
        if labels and not name.endswith(("_bucket", "_sum")):
            assert documented.get(name, set()) == set(labels), name


def test_the_example_scrapes_a_job_that_the_rules_ask_for() -> None:
    scrape = yaml.safe_load(SCRAPE.read_text())
    assert scrape["rule_files"] == [RULES.name]
    assert [each["job_name"] for each in scrape["scrape_configs"]] == ["relay"]


# By promtool


def run(*words: str | Path, given: bytes = b"") -> str:
    done = subprocess.run(["promtool", *map(str, words)], input=given, capture_output=True, check=False)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


@promtool
def test_promtool_takes_rules_and_scrape() -> None:
    assert "SUCCESS" in run("check", "rules", RULES)
    assert "SUCCESS" in run("check", "config", SCRAPE)


@promtool
def test_the_rules_ring_when_they_should(tmp_path: Path) -> None:
    for file in (RULES, TESTS):
        shutil.copy(file, tmp_path)
    assert "SUCCESS" in run("test", "rules", tmp_path / TESTS.name)


# In a process of its own: what it counts is not for others.
_SAMPLES = """
from prometheus_client import generate_latest
from relay import metrics
for metric in metrics.registry._collector_to_names:
    if metric._labelnames:
        metric.labels(*("x" for _ in metric._labelnames))
print(generate_latest(metrics.registry).decode(), end="")
"""


@promtool
def test_promtool_has_nothing_against_the_metrics() -> None:
    """With a sample of each."""
    samples = subprocess.run([sys.executable, "-c", _SAMPLES], capture_output=True, check=True).stdout
    assert b'relay_alarm{alarm="x"} 0.0' in samples
    assert run("check", "metrics", given=samples) == ""
