"""Learned series over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from exporter.access.principal import Principal
from exporter.anomalies.events import Event
from exporter.anomalies.service import AnomalyService
from exporter.api import models
from exporter.api.anomalies import router
from exporter.api.learned import baselines
from exporter.config import Config, Storage
from exporter.config.anomalies import AnomalyQuery, Context, LearnedNormal, PrometheusServer
from exporter.history.recorder import Recorder
from tests.exporter.anomalies.conftest import NOW, Recorded, daily, run
from tests.exporter.answers import check_httpx
from tests.exporter.api.test_models import Registry
from tests.exporter.conftest import Clock

QUERIES = (AnomalyQuery(name="load", expr="load", min_deviation=5), AnomalyQuery(name="empty", expr="empty"))


def values(times: Any) -> Any:
    return daily(times) + ((times >= NOW + 600) & (times <= NOW + 1200)) * 40.0


@pytest.fixture
def service(tmp_path: Path) -> AnomalyService:
    """A service that has found one anomaly."""
    clock, recorded = Clock(NOW), Recorded()
    recorded.add("load", values, instance="a")
    recorded.add("empty", lambda times: times * float("nan"))
    config = LearnedNormal(prometheus=PrometheusServer(url="http://p"), queries=QUERIES)
    made = AnomalyService(config, tmp_path, source=recorded, clock=clock)
    while made.train_due(clock.now):
        pass
    run(made, clock, 60)
    return made


@pytest.fixture
def client(service: AnomalyService) -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(router(service))
    models.add(app, Registry(), lambda: baselines(service))
    with TestClient(app) as open_client:
        open_client.event_hooks["response"].append(check_httpx)
        yield open_client


def test_what_was_found_is_listed_with_its_explanation(client: TestClient) -> None:
    answer = client.get("/api/v1/anomalies").json()
    assert (answer["total"], answer["skip"], answer["limit"]) == (1, 0, 100)
    [found] = answer["anomalies"]
    assert (found["metric_name"], found["labels"], found["severity"]) == ("load", {"instance": "a"}, "critical")
    assert found["value"] > found["upper"] > found["expected_value"] > found["lower"]
    assert "instead of about" in found["explanation"]["sentence"]
    assert client.get(f"/api/v1/anomalies/{found['id']}").json() == found
    assert client.get("/api/v1/anomalies/none").status_code == 404


@pytest.mark.parametrize(
    ("asked", "total"),
    [
        ({"metric_name": "load"}, 1),
        ({"metric_name": "other"}, 0),
        ({"severity": "critical"}, 1),
        ({"severity": "low"}, 0),
        ({"start_date": "2026-08-03T12:00:00Z"}, 1),
        ({"start_time": "2026-08-03T12:30:00"}, 0),
        ({"end_date": "2026-08-03T12:05:00Z"}, 0),
        ({"skip": 1}, 1),
    ],
)
def test_what_was_found_is_chosen_by_name_severity_and_time(
    client: TestClient, asked: dict[str, Any], total: int
) -> None:
    answer = client.get("/api/v1/anomalies", params=asked).json()
    assert answer["total"] == total
    assert len(answer["anomalies"]) == (0 if asked.get("skip") else total)


@pytest.mark.parametrize(
    "asked", [{"limit": 0}, {"limit": 100_000}, {"skip": -1}, {"severity": "odd"}, {"start_date": "x"}]
)
def test_what_makes_no_sense_is_refused(client: TestClient, asked: dict[str, Any]) -> None:
    assert client.get("/api/v1/anomalies", params=asked).status_code == 422


def test_what_people_say_is_counted(client: TestClient, service: AnomalyService) -> None:
    [found] = service.log.newest_first()
    answer = client.post(f"/api/v1/anomalies/{found.id}/confirm", params={"confirmed": False, "user": "me"})
    assert (answer.json()["confirmed"], answer.json()["confirmed_by"]) == (False, "me")
    summary = client.get("/api/v1/anomalies/stats/summary", params={"hours": 2}).json()
    assert summary == {
        "time_range_hours": 2,
        "total_anomalies": 1,
        "by_severity": {"low": 0, "medium": 0, "high": 0, "critical": 1},
        "confirmed": 0,
        "false_positives": 1,
        "pending_review": 0,
    }
    stats = client.get("/api/v1/anomalies/stats").json()
    assert stats["by_metric"] == {"load": 1}
    assert list(stats["precision"].values()) == [0.0]
    assert client.post("/api/v1/anomalies/none/confirm", params={"confirmed": True}).status_code == 404
    assert client.post(f"/api/v1/anomalies/{found.id}/confirm").status_code == 422


def test_what_was_found_elsewhere_is_taken(client: TestClient) -> None:
    told = {
        "metric_name": "disk<b>",
        "timestamp": "2026-08-03T12:10:00Z",
        "value": 5.0,
        "expected_value": 1.0,
        "anomaly_score": 2.5,
        "severity": "high",
        "algorithm": "elsewhere",
        "labels": {"host": "a"},
    }
    answer = client.post("/api/v1/anomalies", json=told)
    assert answer.status_code == 201
    assert (answer.json()["metric_name"], answer.json()["source"]) == ("disk_b_", "reported")
    assert client.get("/api/v1/anomalies", params={"metric_name": "disk_b_"}).json()["total"] == 1
    for wrong in ({"value": "x"}, {"severity": "odd"}, {"anomaly_score": -1}, {"timestamp": 1e12}):
        assert client.post("/api/v1/anomalies", json={**told, **wrong}).status_code == 422


@pytest.mark.parametrize("path", ["/api/v1/anomalies", "/api/v1/events"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        *((body, 422) for body in (b"", b"{", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"kind": "\\ud800"}')),
        (b" " * 300_000, 413),
    ],
)
def test_what_is_no_report_is_refused_whatever_it_is(client: TestClient, path: str, body: bytes, status: int) -> None:
    for headers in ({}, {"content-type": "application/json"}, {"content-type": "text/plain"}):
        assert client.post(path, content=body, headers=headers).status_code == status


def test_a_field_that_is_wrong_is_named(client: TestClient) -> None:
    detail = client.post("/api/v1/events", json={"kind": "deployment", "duration_seconds": -1}).json()["detail"]
    assert [problem["loc"] for problem in detail] == [["body", "duration_seconds"]]


def test_baselines_are_listed_trained_and_rolled_back(client: TestClient, service: AnomalyService) -> None:
    load, empty = client.get("/api/v1/models").json()["models"]
    assert (load["id"], load["kind"], load["ready"], load["series"], load["error"]) == (
        "load",
        "baseline",
        True,
        1,
        None,
    )
    assert (empty["ready"], "warming up" in empty["error"]) == (False, True)
    assert client.post("/api/v1/models/load/train").status_code == 202
    assert service.train_due(service.now()) == "load"
    first, second = client.get("/api/v1/models").json()["models"][0]["versions"]
    assert service.queries["load"].version == second
    assert client.post("/api/v1/models/load/rollback", params={"version": first}).json()["version"] == first
    assert service.queries["load"].version == first
    assert client.post("/api/v1/models/load/rollback", params={"version": "never"}).status_code == 409
    assert client.post("/api/v1/models/none/train").status_code == 404
    assert client.post("/api/v1/models/none/rollback", params={"version": first}).status_code == 404


def test_an_event_is_kept(client: TestClient, service: AnomalyService) -> None:
    answer = client.post("/api/v1/events", json={"kind": "deployment", "duration_seconds": 600})
    assert answer.status_code == 201
    [event] = service.sources.events.all()
    assert (event.kind, event.end - event.start) == ("deployment", 600)
    for wrong in ({}, {"kind": "a b"}, {"kind": "a", "duration_seconds": 0}, {"kind": "a", "timestamp": 1}):
        assert client.post("/api/v1/events", json=wrong).status_code == 422


def test_the_course_of_a_series_has_score_and_band(client: TestClient) -> None:
    [one] = client.get("/api/v1/metrics/load/data").json()["series"]
    assert one["labels"] == {"instance": "a"}
    assert len(one["points"]) == 12
    assert all(point["lower"] <= point["expected"] <= point["upper"] for point in one["points"])
    [later] = client.get("/api/v1/metrics/load/data", params={"start": "2026-08-03T12:30:00Z", "step": 600}).json()[
        "series"
    ]
    assert len(later["points"]) == 3
    assert client.get("/api/v1/metrics/none/data").status_code == 404


def test_the_page_with_the_labels_of_the_series_is_a_metrics_page(client: TestClient) -> None:
    answer = client.get("/metrics/anomalies")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'vedette_anomaly_score{instance="a",query="load",series="' in answer.text


def test_health_names_what_is_not_well(client: TestClient) -> None:
    assert client.get("/health").json()["status"] == "healthy"
    detailed = client.get("/api/v1/health/detailed").json()
    assert detailed["queries"]["load"] == {"status": "healthy", "error": None}
    assert detailed["queries"]["empty"]["status"] == "warming_up"


def test_the_database_of_the_history_belongs_to_what_is_well(service: AnomalyService, tmp_path: Path) -> None:
    recorder = Recorder(Config(storage=Storage(path=str(tmp_path))))
    app = FastAPI()
    app.include_router(router(service, recorder))
    with TestClient(app) as client:
        assert client.get("/api/v1/health/detailed").json()["services"]["database"] == "healthy"
        recorder.is_up = False
        detailed = client.get("/api/v1/health/detailed").json()
    assert (detailed["status"], detailed["services"]["database"]) == ("degraded", "unhealthy")


def test_a_key_for_some_models_sees_no_series(service: AnomalyService) -> None:
    app = FastAPI()
    app.include_router(router(service))
    models.add(app, Registry(), lambda: baselines(service))

    async def limited(scope: Any, receive: Any, send: Any) -> None:
        scope["principal"] = Principal("key", frozenset({"read"}), frozenset({"chat"}))
        await app(scope, receive, send)

    with TestClient(limited) as client:
        assert client.get("/api/v1/anomalies").status_code == 403
        assert client.get("/api/v1/models").json() == {"models": [], "total": 0}
        assert client.get("/health").status_code == 200


def test_health_names_a_context_that_cannot_be_read(service: AnomalyService, client: TestClient) -> None:
    service.sources.contexts.configure([Context(kind="broken", expr="sum(a")])
    assert client.get("/api/v1/health/detailed").json()["contexts"] == [
        {"kind": "broken", "status": "healthy", "error": None}
    ]
    service.sources.contexts.read(Recorded(), np.array([NOW]), 60.0)
    detailed = client.get("/api/v1/health/detailed").json()
    assert detailed["services"]["anomalies"] == "degraded"
    [context] = detailed["contexts"]
    assert (context["kind"], context["status"]) == ("broken", "unhealthy")
    assert context["error"].startswith("context broken: not PromQL: ")


@pytest.mark.parametrize(
    "until", [{"end": NOW + 900}, {"end": "2026-08-03T12:15:00Z"}, {"duration": "15m"}, {"duration_seconds": 900}]
)
@pytest.mark.parametrize("start", [{}, {"start": NOW}, {"timestamp": "2026-08-03T12:00:00Z"}])
def test_an_event_lasts_as_it_was_told(
    service: AnomalyService, client: TestClient, start: dict[str, Any], until: dict[str, Any]
) -> None:
    service._clock.now = NOW  # type: ignore[attr-defined]
    answer = client.post("/api/v1/events", json={"kind": "campaign", **start, **until})
    assert answer.status_code == 201
    assert service.sources.events.all() == [Event("campaign", NOW, NOW + 900)]


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"ends": NOW}, "ends"),
        ({"duration": "soon"}, "duration"),
        ({"duration": "8d"}, "duration"),
        ({"end": NOW - 3600}, "end"),
        ({"start": NOW, "end": NOW}, "end"),
        ({"start": NOW, "timestamp": NOW}, "start"),
        ({"end": NOW + 60, "duration": "15m"}, "duration"),
    ],
)
def test_an_event_that_says_something_else_is_refused_by_its_key(
    service: AnomalyService, client: TestClient, wrong: dict[str, Any], key: str
) -> None:
    answer = client.post("/api/v1/events", json={"kind": "campaign", **wrong})
    detail = answer.json()["detail"]
    named = detail.split(": ")[0] if isinstance(detail, str) else detail[0]["loc"][1]
    assert (answer.status_code, named) == (422, key)
    assert service.sources.events.all() == []


def test_a_bare_date_as_an_end_includes_that_day(client: TestClient) -> None:
    def total(**span: str) -> int:
        return int(client.get("/api/v1/anomalies", params=span).json()["total"])

    assert total(start_date="2026-08-03", end_date="2026-08-03") == 1
    assert total(start_time="2026-08-03", end_time="2026-08-03") == 1
    assert total(start_date="2026-08-04") == total(end_date="2026-08-02") == 0
    assert total(end_date="2026-08-03T00:00:00Z") == 0
    days = {"start": "2026-08-03", "end": "2026-08-03"}
    assert client.get("/api/v1/metrics/load/data", params=days).json()["series"][0]["points"]


def test_a_step_is_a_duration_or_seconds(client: TestClient) -> None:
    answers = [client.get(f"/api/v1/metrics/load/data?step={step}").json() for step in ("10m", "600", "600.0")]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["step"] == 600
    for wrong in ("soon", "0", "-5m", "inf", ""):
        assert client.get(f"/api/v1/metrics/load/data?step={wrong}").status_code == 422


@pytest.mark.parametrize("slash", ["/", "%2F"])
def test_a_name_may_hold_a_slash(tmp_path: Path, slash: str) -> None:
    clock, recorded = Clock(NOW), Recorded()
    recorded.add("load", values)
    query = AnomalyQuery(name="team/load", expr="load", min_deviation=5)
    config = LearnedNormal(prometheus=PrometheusServer(url="http://p"), queries=(query,))
    service = AnomalyService(config, tmp_path, source=recorded, clock=clock)
    service.train_due(clock.now)
    run(service, clock, 20)
    [found] = service.log.lasting()
    app = FastAPI()
    app.include_router(router(service))
    with TestClient(app) as client:
        identifier = found.id.replace("/", slash)
        assert client.get(f"/api/v1/anomalies/{identifier}").json()["id"] == found.id
        said = client.post(f"/api/v1/anomalies/{identifier}/confirm", params={"confirmed": True})
        assert said.json()["confirmed"] is True
        assert client.get(f"/api/v1/metrics/team{slash}load/data").json()["metric_name"] == "team/load"
        assert client.post(f"/api/v1/models/team{slash}load/train").json()["id"] == "team/load"
        [version] = service.versions("team/load")
        assert client.post(f"/api/v1/models/team{slash}load/rollback?version={version}").json()["version"] == version
        assert client.get("/api/v1/anomalies/stats/summary").json()["total_anomalies"] == 1
