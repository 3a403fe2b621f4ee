"""The bundled configuration is valid, says what is documented, and the snippet says the same."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.demo.stack import FLAVOURS, binaries

FOLDER = Path(__file__).parents[2] / "alertmanager"
CONFIG = yaml.safe_load((FOLDER / "alertmanager.yml").read_text())
SNIPPET = yaml.safe_load((FOLDER / "snippet.yml").read_text())


@pytest.fixture(params=FLAVOURS)
def amtool(request: pytest.FixtureRequest) -> Path:
    stack = binaries(request.param)
    if stack is None:
        pytest.skip(f"no {request.param} amtool: python3 tools/install_stack.py {request.param}")
    return stack.amtool


def routed(amtool: Path, config: Path, *labels: str) -> str:
    """The receivers of an alert with these labels, by commas."""
    command = [amtool, "config", "routes", "test", f"--config.file={config}", *labels]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """An Alertmanager that serves others, with the snippet copied into it as its comments say."""
    config = {
        "global": {"smtp_smarthost": "mail.test:25", "smtp_from": "alerts@mail.test"},
        "templates": SNIPPET["templates"],
        "route": {"receiver": "others", "routes": [*SNIPPET["routes"], {"receiver": "others"}]},
        "inhibit_rules": SNIPPET["inhibit_rules"],
        "receivers": [{"name": "others"}, *SNIPPET["receivers"]],
    }
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "vedette.tmpl").write_text((FOLDER / "templates" / "vedette.tmpl").read_text())
    path = tmp_path / "alertmanager.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def test_the_snippet_says_what_the_whole_configuration_says() -> None:
    (route,) = SNIPPET["routes"]
    assert route.pop("matchers") == ['alertname=~"Vedette.+"']
    assert route == CONFIG["route"]
    assert {name: SNIPPET[name] for name in ("templates", "inhibit_rules", "receivers")} == {
        name: CONFIG[name] for name in ("templates", "inhibit_rules", "receivers")
    }
    assert set(SNIPPET) == {"templates", "routes", "inhibit_rules", "receivers"}
    assert set(CONFIG) == {"global", "templates", "route", "inhibit_rules", "receivers"}
    route["matchers"] = ['alertname=~"Vedette.+"']


def test_amtool_accepts_the_whole_configuration_and_the_snippet_in_another_one(amtool: Path, foreign: Path) -> None:
    for config in (FOLDER / "alertmanager.yml", foreign):
        done = subprocess.run([amtool, "check-config", config], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


ROUTES = [
    (("alertname=VedetteExporterDown", "severity=critical", "category=self"), "vedette-page"),
    (("alertname=VedetteFlaggedShareHigh", "severity=warning", "category=attack"), "vedette-history,vedette-security"),
    (("alertname=VedetteFlaggedShareHigh", "severity=info", "category=attack"), "vedette-history,vedette-digest"),
    (("alertname=VedetteQueriesRejected", "severity=info", "category=self"), "vedette-digest"),
    (("alertname=VedetteNoQueries", "severity=warning", "category=health"), "vedette-history,vedette-owners"),
    (("alertname=VedetteAnomaly", "severity=warning", "category=anomaly"), "vedette-history,vedette-owners"),
    (("alertname=VedetteQueueSaturated", "severity=warning", "category=self"), "vedette-operators"),
    (("alertname=VedetteWatchdog", "severity=none", "category=self"), "vedette-watchdog"),
    (
        ("alertname=VedetteTest", "severity=info", "category=self"),
        "vedette-page,vedette-security,vedette-owners,vedette-operators,vedette-digest,vedette-watchdog",
    ),
]


@pytest.mark.parametrize(("labels", "receivers"), ROUTES)
def test_an_alert_reaches_the_same_people_by_either(
    amtool: Path, foreign: Path, labels: tuple[str, ...], receivers: str
) -> None:
    assert routed(amtool, FOLDER / "alertmanager.yml", *labels) == receivers
    assert routed(amtool, foreign, *labels) == receivers


def test_the_alerts_of_others_are_left_to_others(amtool: Path, foreign: Path) -> None:
    assert routed(amtool, foreign, "alertname=DiskFull", "severity=critical", "category=self") == "others"
    for rule in SNIPPET["inhibit_rules"]:
        for matchers in (rule["source_matchers"], rule["target_matchers"]):
            assert any(one.startswith(('alertname="Vedette', 'alertname=~"Vedette')) for one in matchers)


def test_the_times_are_those_that_are_promised() -> None:
    def times(route: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(route.get(name) for name in ("group_by", "group_wait", "group_interval", "repeat_interval"))

    routes = {route["matchers"][0]: times(route) for route in CONFIG["route"]["routes"] if "matchers" in route}
    assert times(CONFIG["route"]) == (["category", "model"], "30s", "5m", "24h")
    assert routes['severity="critical"'] == (None, None, None, "4h")
    assert routes['severity="info"'] == (["category"], "10m", "24h", "24h")
    assert routes['alertname="VedetteWatchdog"'] == (None, "0s", "15s", "1m")


def test_no_secret_stands_in_the_configuration() -> None:
    def keys(value: Any) -> set[str]:
        if isinstance(value, dict):
            return set(value) | {key for one in value.values() for key in keys(one)}
        return {key for one in value for key in keys(one)} if isinstance(value, list) else set()

    secrets = {
        "smtp_auth_password",
        "auth_password",
        "api_url",
        "slack_api_url",
        "routing_key",
        "service_key",
        "credentials",
    }
    assert not keys(CONFIG) & secrets
    assert {"smtp_auth_password_file", "api_url_file", "routing_key_file", "credentials_file"} <= keys(CONFIG)


def test_every_receiver_says_whether_it_tells_the_end() -> None:
    for receiver in CONFIG["receivers"]:
        for kind, configs in receiver.items():
            if kind != "name":
                assert all("send_resolved" in config for config in configs), receiver["name"]
