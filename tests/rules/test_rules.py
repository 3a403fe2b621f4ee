"""The rules keep to their contract, and every alert has a test of silence and of firing, and a runbook."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.demo.stack import FLAVOURS, binaries

ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "rules").glob("*.yml"))
TESTS = sorted((ROOT / "tests" / "rules").glob("*.yml"))
RUNBOOKS = ROOT / "docs" / "alerts"
RUNBOOK_BASE = "https://github.com/vedette-exporter/vedette/blob/main/docs/alerts/"
SEVERITIES = {"critical", "warning", "info", "none"}
CATEGORIES = {"attack", "health", "anomaly", "self"}
#: labels that change when the exporter is rescheduled
OF_THE_INSTANCE = ("instance", "pod", "container", "endpoint")


def rules_of(path: Path) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


ALERTS = [(path, rule) for path in RULES for rule in rules_of(path) if "alert" in rule]
NAMES = sorted({rule["alert"] for _, rule in ALERTS})
EACH = pytest.mark.parametrize(
    ("path", "rule"), ALERTS, ids=[f"{r['alert']}-{r['labels']['severity']}" for _, r in ALERTS]
)


@pytest.fixture(params=FLAVOURS)
def promtool(request: pytest.FixtureRequest) -> Path:
    stack = binaries(request.param)
    if stack is None:
        pytest.skip(f"no {request.param} promtool: python3 tools/install_stack.py {request.param}")
    return stack.promtool


def test_promtool_finds_nothing_to_say(promtool: Path) -> None:
    done = subprocess.run(
        [promtool, "check", "rules", "--lint=all", "--lint-fatal", *RULES], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("SUCCESS") == len(RULES)


def test_the_alerts_fire_and_are_silent_as_their_tests_say(promtool: Path) -> None:
    done = subprocess.run([promtool, "test", "rules", *TESTS], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("SUCCESS") == len(TESTS)


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_has_a_test_of_firing_and_one_of_silence_before(name: str) -> None:
    tests = yaml.safe_load((ROOT / "tests" / "rules" / f"{name}.yml").read_text())["tests"]
    looks = [look for test in tests for look in test.get("alert_rule_test", []) if look["alertname"] == name]
    fired = {alert["exp_labels"]["severity"] for look in looks for alert in look.get("exp_alerts", [])}
    assert fired == {rule["labels"]["severity"] for _, rule in ALERTS if rule["alert"] == name}
    # what always fires is never silent
    assert name == "VedetteWatchdog" or any(not look.get("exp_alerts") for look in looks)


def test_every_test_is_of_an_alert_that_is_there() -> None:
    assert [path.stem for path in TESTS] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_has_a_runbook_that_begins_with_what_to_do(name: str) -> None:
    lines = (RUNBOOKS / f"{name}.md").read_text().splitlines()
    assert lines[0].startswith("**Do:** ")
    assert lines[2].startswith("**Benign when:** ")
    assert lines[4].startswith("**To tune:** ")
    assert f"# {name}" in lines


def test_every_runbook_is_of_an_alert_that_is_there() -> None:
    assert sorted(path.stem for path in RUNBOOKS.glob("*.md")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_shows_the_expressions_of_its_alert_as_they_are(name: str) -> None:
    runbook = " ".join((RUNBOOKS / f"{name}.md").read_text().split())
    for _, rule in ALERTS:
        if rule["alert"] == name:
            assert " ".join(rule["expr"].split()) in runbook


@EACH
def test_an_alert_says_how_loud_it_is_what_it_is_about_and_where_to_go_on(path: Path, rule: dict[str, Any]) -> None:
    assert rule["alert"].startswith("Vedette")
    assert rule["labels"]["severity"] in SEVERITIES
    assert rule["labels"]["category"] in CATEGORIES
    assert path.name == f"vedette.{rule['labels']['category']}.yml"
    annotations = rule["annotations"]
    assert {"summary", "description", "runbook_url", "dashboard_url"} <= set(annotations)
    assert annotations["runbook_url"] == f"{RUNBOOK_BASE}{rule['alert']}.md"
    # a measured number is told together with what it is measured against
    assert ("measured" in annotations) == ("threshold" in annotations)


@EACH
def test_an_alert_carries_no_number_and_no_instance_in_its_labels(path: Path, rule: dict[str, Any]) -> None:
    assert not any("{{" in value for value in rule["labels"].values())
    assert not set(OF_THE_INSTANCE) & set(rule["labels"])


@EACH
def test_keep_firing_for_is_short(path: Path, rule: dict[str, Any]) -> None:
    assert rule.get("keep_firing_for", "0m") in ("0m", "15m")


def test_whatever_is_aggregated_drops_the_labels_of_the_instance() -> None:
    for path in RULES:
        for rule in rules_of(path):
            dropped = re.findall(r"\b(?:sum|max|min|count)\s+without \(([^)]*)\)", rule["expr"])
            assert all(clause.startswith(", ".join(OF_THE_INSTANCE)) for clause in dropped), rule
            # what is read from the exporter itself is aggregated, or recorded that it was
            raw = re.findall(r"\b(?:vedette_\w+|up)\b(?!:)", re.sub(r"\w+:\w+:\w+", "", rule["expr"]))
            assert bool(raw) <= bool(dropped), rule


def test_recorded_names_say_what_is_left_of_the_labels_and_what_was_done() -> None:
    names = [rule["record"] for path in RULES for rule in rules_of(path) if "record" in rule]
    assert names
    for name in names:
        assert re.fullmatch(
            r"job(_(model|detector|level|source|client|family|accounts|resource|slo))+"
            r":vedette_\w+:((ratio_|p95_)?(rate|increase|max)(5m|30m|1h|6h|3d|30d)|max)",
            name,
        )
    assert len(names) == len(set(names))


def test_what_is_recorded_is_used_and_what_is_used_is_recorded() -> None:
    expressions = [
        text
        for path in RULES
        for rule in rules_of(path)
        for text in (rule["expr"], *rule.get("annotations", {}).values())
    ]
    used = {name for expression in expressions for name in re.findall(r"\w+:\w+:\w+", expression)}
    assert used == {rule["record"] for path in RULES for rule in rules_of(path) if "record" in rule}
