"""`vedette demo`, as a new user sees it; every panel of the dashboards is asked on its Prometheus meanwhile."""

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from exporter.demo.stack import binaries
from exporter.demo.traffic import ATTACKER, CHAT, FAST, FRAUD, IDLE
from tests.stack.processes import ROOT, eventually
from tools.grafana_queries import ALL, Answer, Window, run

pytestmark = pytest.mark.stack
BOARDS = [json.loads(path.read_text()) for path in sorted((ROOT / "grafana" / "dashboards").glob("*.json"))]
#: those about models: the demo has no learned series
DASHBOARDS = [board for board in BOARDS if any(one["name"] == "model" for one in board["templating"]["list"])]


class Demo:
    """A running demo and the lines that it has printed."""

    def __init__(self) -> None:
        command = [sys.executable, "-u", "-m", "exporter", "demo"]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines += iter(self.process.stdout.readline, "")

    def text(self) -> str:
        return "".join(self.lines)

    def address(self, name: str) -> str:
        found = re.search(rf"^{name}\s+(http://\S+)$", self.text(), re.M)
        assert found, self.text()
        return found[1]

    def notifications(self, state: str = "") -> list[str]:
        """Those of attacks: the owners of a model are told, too, that what it sees has moved."""
        told = [line for line in list(self.lines) if "NOTIFICATION to security" in line]
        return [line for line in told if state in line]

    def pages(self, state: str = "") -> list[str]:
        return [line for line in list(self.lines) if "PAGE" in line and state in line]

    def stop(self) -> int:
        self.process.terminate()
        status = self.process.wait(30)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    if binaries("stable") is None and binaries("newer") is None:
        pytest.skip("no Prometheus and Alertmanager: python3 tools/install_stack.py")
    running = Demo()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def attacked(demo: Demo) -> Demo:
    """The demo once the attack has been notified."""
    eventually("a notification of the attack", lambda: demo.notifications("firing"), 60)
    return demo


def answers(demo: Demo, dashboard: dict[str, Any], models: list[str]) -> list[Answer]:
    now = time.time()
    window = Window(start=now - 30, end=now, step_seconds=1, scrape_seconds=1)
    model = next(variable for variable in dashboard["templating"]["list"] if variable["name"] == "model")
    choices = [models] if model["multi"] else [[name] for name in ([CHAT, FRAUD] if models == [ALL] else models)]
    prometheus = demo.address("Prometheus")
    return [answer for chosen in choices for answer in run(prometheus, dashboard, {"model": chosen}, window)]


def test_a_notification_with_model_detector_numbers_and_links_is_printed(attacked: Demo) -> None:
    text = eventually("the whole text", lambda: attacked.text() if "Alertmanager: http" in attacked.text() else "")
    for said in (CHAT, "text_similarity", "critical share is 20%", "Runbook: http", "Dashboard: http"):
        assert said in text, said


def test_the_attacker_is_paged_by_name_with_the_evidence(attacked: Demo) -> None:
    eventually("the page", lambda: attacked.pages("firing"), 30)
    text = eventually("its text", lambda: attacked.text() if "severity: critical" in attacked.text() else "")
    assert f"PAGE: [1 firing] {ATTACKER} attacks {CHAT}: two independent kinds of evidence" in text
    assert re.search(r"repeat at \d\.\d times its alarm line", text)
    assert f"/clients/{ATTACKER}?model={CHAT}" in text


@pytest.mark.parametrize("models", [[CHAT], [CHAT, FRAUD], [ALL]], ids=["one model", "two models", "all models"])
@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard["uid"])
def test_every_panel_can_be_drawn(attacked: Demo, dashboard: dict[str, Any], models: list[str]) -> None:
    filled: dict[str, bool] = {}
    for answer in answers(attacked, dashboard, models):
        question = answer.question
        assert answer.error is None, (question.panel, question.expression, answer.error)
        assert answer.finite, (question.panel, question.expression)
        assert not answer.missing_legend_labels, (question.panel, question.ref)
        if question.unit == "percentunit":
            assert all(0 <= value <= 1 for value in answer.values), (question.panel, answer.values)
        filled[question.panel] = filled.get(question.panel) or bool(answer.series) or question.may_be_empty
    assert [panel for panel, found in filled.items() if not found] == []


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard["uid"])
def test_an_idle_model_is_no_error(attacked: Demo, dashboard: dict[str, Any]) -> None:
    for answer in answers(attacked, dashboard, [IDLE]):
        assert answer.error is None, (answer.question.panel, answer.error)
        assert answer.finite, answer.question.panel


def test_the_whole_attack_gives_two_notifications_its_beginning_and_its_end(attacked: Demo) -> None:
    eventually("its end", lambda: attacked.notifications("resolved"), FAST.period / 2)
    assert attacked.stop() == 0
    assert len(attacked.notifications("firing")) == 1
    assert len(attacked.notifications()) == 2
