"""The history with the real Alertmanager: what it tells by itself, what it is asked, and silences."""

import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from exporter.config import Config, Storage
from exporter.demo.processes import ROOT, free_port
from exporter.demo.stack import Stack
from exporter.history.alert_book import AlertBook
from exporter.history.alertmanager import Alertmanager as Interface
from exporter.history.alertmanager import Unreachable
from exporter.history.reconciler import Reconciler
from exporter.history.recorder import Recorder
from tests.stack.processes import Alertmanager, Server, eventually
from tests.stack.sinks import Mails, Posts

pytestmark = pytest.mark.stack

#: a minute of production is 0.2 s here
DIVISOR = 300
CONFIG = """
storage: {{sync: false}}
history: {{enabled: true}}
alerts: {{url: "{alertmanager}", silences: true, reconcile_interval: 1s}}
"""


class Exporter(Server):
    """The program itself, whose history hears of this Alertmanager."""

    def __init__(self, folder: Path, port: int, alertmanager: str) -> None:
        (folder / "vedette.yml").write_text(CONFIG.format(alertmanager=alertmanager))
        command = [sys.executable, "-m", "exporter", "serve", "--config.file=vedette.yml"]
        super().__init__([*command, f"--web.listen-address=127.0.0.1:{port}"], port, folder)

    def alerts(self, model: str, **asked: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/api/v1/alerts", model_id=model, since_hours=8_000, **asked)
        return found

    def post(self, what: str, **said: Any) -> requests.Response:
        return requests.post(f"{self.url}/api/v1/alerts/{what}", json=said, timeout=10)


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def alertmanager(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory, http: Posts, mail: Mails, port: int
) -> Iterator[Alertmanager]:
    folder = tmp_path_factory.mktemp("alertmanager")
    exporter = f"http://127.0.0.1:{port}"
    server = Alertmanager(stack, folder, http.url, mail.address, exporter, divisor=DIVISOR)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def exporter(alertmanager: Alertmanager, tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Exporter]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        running = Exporter(tmp_path_factory.mktemp("exporter"), port, alertmanager.url)
    yield running
    running.stop()


def alert(model: str, category: str = "attack", **labels: str) -> dict[str, Any]:
    """An alert as Prometheus sends it; its beginning, a minute ago, has more digits than the interface lists."""
    now = datetime.now(UTC)
    begun = (now - timedelta(minutes=1)).replace(microsecond=123_987)
    base = {"alertname": "VedetteFlaggedShareHigh", "severity": "warning", "category": category, "model": model}
    times = {"startsAt": begun.isoformat(), "endsAt": (now + timedelta(hours=1)).isoformat()}
    return {"labels": base | labels, "annotations": {"summary": f"about {model}"}, **times}


Look = Callable[[dict[str, Any]], bool]


def one(exporter: Exporter, model: str, wanted: Look = lambda alert: True) -> dict[str, Any]:
    """The only alert of a model, once it is as wanted."""

    def look() -> list[dict[str, Any]]:
        found = exporter.alerts(model)
        assert len(found) <= 1, found
        return [alert for alert in found if wanted(alert)]

    return eventually(f"the alert of {model}", look)[0]


def silences(alertmanager: Alertmanager, model: str) -> list[dict[str, Any]]:
    """The silences whose matchers name a model."""
    found = alertmanager.get("/api/v2/silences")
    return [one for one in found if any((m["name"], m["value"]) == ("model", model) for m in one["matchers"])]


def test_an_alert_is_told_kept_once_and_its_end_too(alertmanager: Alertmanager, exporter: Exporter) -> None:
    fires = alert("told", detector="text_repetition")
    alertmanager.post(fires)
    kept = one(exporter, "told")
    assert (kept["alert_type"], kept["severity"], kept["message"]) == (
        "VedetteFlaggedShareHigh",
        "warning",
        "about told",
    )
    assert kept["labels"] == fires["labels"]
    eventually("the webhook", lambda: alertmanager.metric("alertmanager_notifications_total") > 0)
    alertmanager.post(fires | {"endsAt": datetime.now(UTC).isoformat()})
    over = one(exporter, "told", lambda alert: alert["resolved"])
    assert over["id"] == kept["id"]
    assert over["state"] == "resolved"


def test_what_the_webhook_did_not_tell_is_found_by_asking(alertmanager: Alertmanager, exporter: Exporter) -> None:
    # what the exporter says of itself is sent to people only
    alertmanager.post(alert("asked", category="self"))
    kept = one(exporter, "asked")
    assert kept["category"] == "self"
    assert exporter.post("acknowledge", alert_id=kept["id"]).status_code == 409
    assert silences(alertmanager, "asked") == []


def test_the_webhook_and_the_interface_speak_of_the_same_alert(alertmanager: Alertmanager, exporter: Exporter) -> None:
    alertmanager.post(alert("same"))
    kept = one(exporter, "same")
    asked = Interface(alertmanager.url).alerts(time.time(), ['model="same"'])
    assert [one.id for one in asked] == [kept["id"]]


def test_an_acknowledged_alert_is_silenced_exactly_and_the_silence_ends_with_it(
    alertmanager: Alertmanager, exporter: Exporter
) -> None:
    fires = alert("silenced", client='key "7" \\ {x}')
    alertmanager.post(fires, alert("silenced-not"))
    kept = one(exporter, "silenced")
    answer = exporter.post("acknowledge", alert_id=kept["id"], duration="2h", comment="looking")
    assert answer.status_code == 200, answer.text
    [silence] = silences(alertmanager, "silenced")
    assert {matcher["name"]: matcher["value"] for matcher in silence["matchers"]} == fires["labels"]
    assert not any(matcher["isRegex"] for matcher in silence["matchers"])
    assert (silence["comment"], silence["createdBy"]) == ("looking", "anybody")
    states = {one["labels"]["model"]: one["status"]["state"] for one in alertmanager.alerts()}
    assert (states["silenced"], states["silenced-not"]) == ("suppressed", "active")

    assert exporter.post("acknowledge", alert_id=kept["id"], duration="1h").status_code == 200
    active = [one for one in silences(alertmanager, "silenced") if one["status"]["state"] == "active"]
    assert len(active) == 1
    assert exporter.post("resolve", alert_id=kept["id"]).json()["state"] == "firing"

    # silenced, so that its end is told nobody: it is asked for
    alertmanager.post(fires | {"endsAt": datetime.now(UTC).isoformat()})
    one(exporter, "silenced", lambda alert: alert["state"] == "resolved")
    eventually(
        "the end of the silence",
        lambda: all(one["status"]["state"] == "expired" for one in silences(alertmanager, "silenced")),
    )
    assert exporter.post("resolve", alert_id=kept["id"]).json()["state"] == "resolved"
    assert exporter.post("acknowledge", alert_id=kept["id"]).status_code == 409


def test_what_always_fires_is_no_alert_of_the_history(alertmanager: Alertmanager, exporter: Exporter) -> None:
    alertmanager.post(
        {"labels": {"alertname": "VedetteWatchdog", "severity": "none", "category": "self", "model": "watchdog"}},
        alert("after-watchdog"),
    )
    one(exporter, "after-watchdog")
    assert exporter.alerts("watchdog") == []


@pytest.fixture
def book(tmp_path: Path) -> Iterator[tuple[AlertBook, Recorder]]:
    """An empty history of its own, whose Alertmanager is asked by hand."""
    recorder = Recorder(Config(storage=Storage(path=str(tmp_path))))
    yield AlertBook(recorder.database(), recorder.numbers), recorder
    recorder.stop(0)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("VedetteExporterDown", {"category": "self", "severity": "critical"}),
        ("VedetteWatchdog", {"category": "self", "severity": "none"}),
        ("DiskFull", {"category": "self"}),
        ("DiskFull", {"category": "attack"}),
    ],
)
def test_what_was_told_fires_until_alertmanager_no_longer_holds_it(
    alertmanager: Alertmanager, book: tuple[AlertBook, Recorder], name: str, labels: dict[str, str]
) -> None:
    kept, recorder = book
    model = f"held-{name}-{labels['category']}".lower()
    fires = alert(model, alertname=name, **labels)
    alertmanager.post(fires, alert(f"{model}-beside", alertname="DiskFull"))
    interface = Interface(alertmanager.url)
    kept.hear(interface.alerts(time.time(), [f'model="{model}"']))
    assert Reconciler(recorder, interface, 60).look()
    [told] = kept.listed(0, frozenset({model}))
    assert told.firing
    assert kept.listed(0, frozenset({f"{model}-beside"})) == []  # of others, only what was told
    alertmanager.post(fires | {"endsAt": datetime.now(UTC).isoformat()})
    eventually("its end", lambda: not interface.alerts(time.time(), [f'model="{model}"']))
    assert Reconciler(recorder, interface, 60).look()
    assert not kept.listed(0, frozenset({model}))[0].firing


def test_an_interface_that_answers_otherwise_is_unreachable(http: Posts) -> None:
    with pytest.raises(Unreachable):
        Interface(http.url).alerts(time.time())


def test_no_delivery_has_failed(alertmanager: Alertmanager, exporter: Exporter) -> None:
    alertmanager.post(alert("last"))
    one(exporter, "last")
    eventually("a delivery", lambda: alertmanager.metric("alertmanager_notifications_total") > 0)
    alertmanager.assert_all_delivered()
