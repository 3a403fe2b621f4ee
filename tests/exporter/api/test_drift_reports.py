"""`POST /api/v1/metrics/drift`."""

from exporter.access.principal import Principal
from tests.exporter.api.conftest import Api

REPORT = {"model_id": "m", "drift_type": "concept", "severity": "high", "confidence": 0.9, "tags": {"by": "us"}}


def test_what_is_reported_is_read_back(api: Api) -> None:
    answer = api.http.post("/api/v1/metrics/drift", json=[REPORT, REPORT | {"drift_type": "data"}])
    assert (answer.status_code, answer.json()) == (201, {"status": "success", "message": "2 reports taken"})
    api.recorder.turn()
    rows = api.http.get("/api/v1/metrics/drift", params={"drift_type": "concept"}).json()["drift_metrics"]
    assert [(row["model_id"], row["source"], row["severity"], row["tags"]) for row in rows] == [
        ("m", "reported", "high", {"by": "us"})
    ]


def test_one_wrong_report_of_an_array_leaves_nothing_half_written(api: Api) -> None:
    answer = api.http.post("/api/v1/metrics/drift", json=[REPORT, REPORT | {"confidence": 2}])
    assert (answer.status_code, answer.json()["detail"]) == (422, "[1].confidence: expected `float` <= 1.0")
    assert api.recorder.waiting == 0


def test_what_is_no_json_is_400_and_what_is_too_large_413(api: Api) -> None:
    assert api.http.post("/api/v1/metrics/drift", content=b"drift").status_code == 400
    assert api.http.post("/api/v1/metrics/drift", content=b"x" * (2 << 20)).status_code == 413


def test_a_key_for_some_models_reports_only_on_those(api: Api) -> None:
    api.by = Principal("key", frozenset({"push"}), frozenset({"other"}))
    assert api.http.post("/api/v1/metrics/drift", json=REPORT).status_code == 403


def test_where_the_history_has_no_room_nothing_is_taken(api: Api) -> None:
    api.recorder.capacity = 1
    answer = api.http.post("/api/v1/metrics/drift", json=[REPORT, REPORT])
    assert (answer.status_code, answer.headers["retry-after"], api.recorder.waiting) == (429, "10", 0)
