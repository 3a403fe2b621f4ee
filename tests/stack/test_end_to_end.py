"""The whole way, everything real: queries by HTTP and by file, the bundled rules, the receivers."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import requests

from exporter.demo.stack import Stack
from exporter.metrics.families import FAMILIES, PREFIX
from tests.exporter.traffic import WORDS
from tests.stack.processes import ROOT, Alertmanager, Prometheus, Server, eventually, free_port
from tests.stack.sinks import Mails, Posts, texts

pytestmark = pytest.mark.stack

#: five minutes of production are four seconds here
DIVISOR = 75
CONFIG = """
models:
  - {name: pushed, modality: text, detectors: [repetition]}
  - {name: dropped, modality: tabular, detectors: [repetition]}
sources: {drop_directory: {path: drop}}
"""


class Exporter(Server):
    """The program itself, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        (folder / "vedette.yml").write_text(CONFIG)
        port = free_port()
        command = [sys.executable, "-m", "exporter", "serve", "--config.file=vedette.yml"]
        self.port, self.drop = port, folder / "drop"
        super().__init__([*command, f"--web.listen-address=127.0.0.1:{port}"], port, folder)

    def push(self, events: list[dict[str, object]]) -> None:
        answer = requests.post(f"{self.url}/api/v1/queries", json=events, timeout=10)
        assert (answer.status_code, answer.json()["accepted"]) == (202, len(events))


@pytest.fixture(scope="module")
def folder(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def exporter(folder: Path, monkeypatch_module: pytest.MonkeyPatch) -> Iterator[Exporter]:
    monkeypatch_module.setenv("PYTHONPATH", str(ROOT))
    (folder / "exporter").mkdir()
    running = Exporter(folder / "exporter")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def alertmanager(stack: Stack, folder: Path, http: Posts, mail: Mails) -> Iterator[Alertmanager]:
    (folder / "alertmanager").mkdir()
    running = Alertmanager(stack, folder / "alertmanager", http.url, mail.address, divisor=DIVISOR, group_wait="1s")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def prometheus(stack: Stack, folder: Path, exporter: Exporter, alertmanager: Alertmanager) -> Iterator[Prometheus]:
    (folder / "prometheus").mkdir()
    jobs = {"vedette": [f"127.0.0.1:{exporter.port}"]}
    running = Prometheus(stack, folder / "prometheus", jobs, alertmanager.url, DIVISOR)
    yield running
    running.stop()


def told(mail: Mails, state: str, model: str) -> list[str]:
    """The texts of the mails to security about a model in this state."""
    found = mail.to("security@example.com", f"model: {model}")
    return ["".join(texts(one)) for one in found if state in one["Subject"]]


def test_attacks_by_push_and_by_file_are_notified_with_their_numbers_and_resolve(
    exporter: Exporter, prometheus: Prometheus, alertmanager: Alertmanager, mail: Mails, http: Posts
) -> None:
    seen = {"batches": 0}

    def attack() -> bool:
        number = seen["batches"] = seen["batches"] + 1
        exporter.push([{"model": "pushed", "client": "mallory", "input": "open the door"} for _ in range(20)])
        rows = [json.dumps({"model": "dropped", "client": "mallory", "input": {"a": 1, "b": 2}}) for _ in range(20)]
        (exporter.drop / f".{number}").write_text("\n".join(rows))
        (exporter.drop / f".{number}").rename(exporter.drop / f"{number}.ndjson")
        return all(told(mail, "firing", model) for model in ("pushed", "dropped"))

    eventually("mails about both models", attack, 60)
    for model, detector in (("pushed", "text_repetition"), ("dropped", "tabular_repetition")):
        text = told(mail, "firing", model)[0]
        for said in (
            model,
            detector,
            "critical share is 20%",
            "Runbook",
            "Dashboard",
            "docs/alerts/VedetteFlaggedShareHigh.md",
        ):
            assert said in text, (said, text)
    siem = eventually("the webhook", lambda: http.at("/vedette", '"model": "pushed"'))[0].body
    assert siem["alerts"][0]["annotations"]["threshold"] == "20%"

    # ordinary queries again: the shares fall, and what fired is resolved
    random = Random(5)  # from one distribution: a number that grows and grows is another finding

    def calm() -> bool:
        texts = [" ".join(random.choices(WORDS, k=12)) for _ in range(20)]
        exporter.push([{"model": "pushed", "client": "alice", "input": text} for text in texts])
        rows = [{"a": random.gauss(1, 1), "b": random.gauss(2, 1)} for _ in range(20)]
        exporter.push([{"model": "dropped", "client": "alice", "input": row} for row in rows])
        return all(told(mail, "resolved", model) for model in ("pushed", "dropped"))

    eventually("both models to be resolved", calm, 90)
    assert prometheus.metric("prometheus_rule_evaluation_failures_total") == 0
    alertmanager.assert_all_delivered()


def test_every_series_that_prometheus_stores_is_in_the_table(exporter: Exporter, prometheus: Prometheus) -> None:
    exporter.push([{"model": "pushed", "input": "hello", "id": "1"}])
    names = eventually(
        "a scrape", lambda: {sample["metric"]["__name__"] for sample in prometheus.query('{job="vedette"}')}
    )
    own = {name for name in names if name.startswith(PREFIX)}
    full = {PREFIX + family.name for family in FAMILIES}
    histograms = {PREFIX + family.name for family in FAMILIES if family.type == "histogram"}
    allowed = full | {f"{name}_{part}" for name in histograms for part in ("bucket", "sum", "count")}
    assert own
    assert {name for name in own if ":" not in name} <= allowed


def test_a_test_alert_reaches_every_receiver(alertmanager: Alertmanager, mail: Mails, http: Posts) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "exporter", "test-alert", f"--alertmanager-url={alertmanager.url}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    wanted = {"security@example.com", "ml@example.com", "operations@example.com"}

    words = "This is a test"

    def reached() -> bool:
        posted = all(http.at(path, words) for path in ("/slack", "/vedette", "/v2/enqueue"))
        return posted and all(mail.to(address, words) for address in wanted)

    eventually("the test alert at every receiver", reached, 60)
