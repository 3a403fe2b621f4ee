"""The real Prometheus and Alertmanager, started by hand on free loopback ports and waited for on what they say."""

import json
import subprocess
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

import requests
import yaml

from exporter.demo.processes import ROOT, free_port
from exporter.demo.render import render_alertmanager, render_rules, to_sinks
from exporter.demo.stack import Stack

RULES = sorted((ROOT / "rules").glob("*.yml"))
TEMPLATE = ROOT / "alertmanager" / "templates" / "vedette.tmpl"
CONFIG = ROOT / "alertmanager" / "alertmanager.yml"
#: what stands in the files that the configuration reads secrets from
SECRETS = {
    "smtp_password": "mail-password",
    "pagerduty_routing_key": "routing-key",
    "siem_token": "siem-token",
    "deadman_token": "deadman-token",
    "exporter_key": "vedette-key",
}

T = TypeVar("T")


def eventually(what: str, look: Callable[[], T], seconds: float = 20) -> T:
    """The first true value that `look` returns; looks every 20 ms. Fails with the words of `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    value = look()
    while not value:
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}; last seen: {value!r}"
        time.sleep(0.02)
        value = look()
    return value


class Server:
    """A program with a web page, from its start until `stop`; its output goes to a file in its folder."""

    def __init__(self, command: list[str], port: int, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            eventually(f"{command[0]} to be ready", self.ready)
        except AssertionError:
            self.stop()
            raise

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return requests.get(f"{self.url}/-/ready", timeout=5).ok
        except requests.ConnectionError:
            return False

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)

    def get(self, path: str, **parameters: Any) -> Any:
        answer = requests.get(self.url + path, params=parameters, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def metric(self, name: str) -> float:
        """The sum over all series of one of the server's own metrics."""
        lines = requests.get(f"{self.url}/metrics", timeout=10).text.splitlines()
        values = [line.rpartition(" ")[2] for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
        assert values, f"no metric {name}"
        return sum(map(float, values))


class Alertmanager(Server):
    """An Alertmanager with the bundled configuration, its notifications sent to our sinks."""

    def __init__(
        self, stack: Stack, folder: Path, http: str, smtp: str, exporter: str | None = None, **rendering: Any
    ) -> None:
        for name, secret in (SECRETS | {"slack_api_url": f"{http}/slack"}).items():
            (folder / name).write_text(secret)
        config = folder / "alertmanager.yml"
        replacements = to_sinks(http, smtp, folder, TEMPLATE, exporter)
        config.write_text(render_alertmanager(CONFIG.read_text(), replacements, **rendering))
        port = free_port()
        super().__init__(stack.alertmanager_command(config, folder, f"127.0.0.1:{port}"), port, folder)

    def post(self, *alerts: dict[str, Any]) -> None:
        """Take alerts as from Prometheus: {"labels", "annotations", and "endsAt" once it is over}."""
        requests.post(f"{self.url}/api/v2/alerts", json=list(alerts), timeout=10).raise_for_status()

    def alerts(self, **labels: str) -> list[dict[str, Any]]:
        """The alerts that it holds, as its API gives them, with these labels."""
        filters = [f'{name}="{value}"' for name, value in labels.items()]
        return self.get("/api/v2/alerts", filter=filters)

    def assert_all_delivered(self) -> None:
        """Something was delivered, and nothing failed; else the log says what."""
        assert self.metric("alertmanager_notifications_total") > 0
        assert self.metric("alertmanager_notifications_failed_total") == 0, self.log.read_text()


class Prometheus(Server):
    """A Prometheus with the bundled rules, their durations divided.

    jobs: what it scrapes: the addresses (host:port) of each job's targets. alertmanager: its address, as a URL.
    labelled: the jobs whose targets say themselves where their series come from.
    """

    def __init__(
        self,
        stack: Stack,
        folder: Path,
        jobs: dict[str, list[str]],
        alertmanager: str,
        divisor: float,
        labelled: Collection[str] = (),
    ) -> None:
        rules = [folder / path.name for path in RULES]
        for path, copy in zip(RULES, rules, strict=True):
            copy.write_text(render_rules(path.read_text(), divisor))
        config = {
            "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"},
            "rule_files": [str(path) for path in rules],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager.removeprefix("http://")]}]}]},
            "scrape_configs": [
                {"job_name": job, "honor_labels": job in labelled, "static_configs": [{"targets": targets}]}
                for job, targets in jobs.items()
            ],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))
        port = free_port()
        super().__init__(
            [
                *stack.prometheus_command(folder / "prometheus.yml", folder / "data", f"127.0.0.1:{port}"),
                # else an alert is sent again after a minute only, and so are the ends of alerts that get lost
                "--rules.alert.resend-delay=1s",
            ],
            port,
            folder,
        )

    def query(self, expression: str) -> list[dict[str, Any]]:
        return self.get("/api/v1/query", query=expression)["data"]["result"]

    def firing(self, alertname: str, job: str) -> list[dict[str, str]]:
        """The labels of the alerts of this name that fire now for this job."""
        found = self.query(f'ALERTS{{alertname="{alertname}", job="{job}", alertstate="firing"}}')
        return [
            {name: value for name, value in sample["metric"].items() if name not in ("__name__", "alertstate")}
            for sample in found
        ]


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())
