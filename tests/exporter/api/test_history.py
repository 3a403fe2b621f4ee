"""The routes that read the history."""

import csv
import io
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from exporter.access.principal import Principal
from exporter.formats.inference import Resources
from exporter.history.rows import ClientAlarm, Drift, Finding, FlaggedQuery, InferenceSample, Kind, Row
from tests.exporter.api.conftest import Api

NOW = time.time()
FLAGGED = {"confidence": Finding(0.9, 0.8, "unsure")}


def sample(number: int, model: str = "chat", **more: Any) -> InferenceSample:
    return InferenceSample(time=NOW - 100 + number, model=model, request_id=f"r-{number}", **more)


def get(api: Api, path: str, **asked: Any) -> Any:
    answer = api.http.get(f"/api/v1/{path}", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_flagged_queries_come_with_what_the_detectors_said_the_newest_first(api: Api) -> None:
    rows = [
        FlaggedQuery(time=NOW - n, model="chat", client=f"key-{n}", query_id=f"q-{n}", detectors=FLAGGED)
        for n in (1, 2)
    ]
    api.record("flagged_queries", *rows)
    first, second = get(api, "queries/flagged")["queries"]
    assert (first["query_id"], second["query_id"]) == ("q-1", "q-2")
    assert first["detectors"] == {"confidence": {"score": 0.9, "threshold": 0.8, "reason": "unsure"}}
    assert first["model_id"] == "chat"
    assert first["timestamp"].endswith("+00:00")
    assert isinstance(first["id"], str)
    assert [row["query_id"] for row in get(api, "queries/flagged", client="key-2")["queries"]] == ["q-2"]


def test_pages_follow_their_cursor_to_the_end(api: Api) -> None:
    api.record("inference", *[sample(n) for n in range(7)])
    seen, cursor = [], {}
    while True:
        page = get(api, "metrics/inference", limit=3, **cursor)
        seen += [row["request_id"] for row in page["metrics"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == [f"r-{n}" for n in range(6, -1, -1)]


def test_an_inference_is_written_as_it_was_reported(api: Api) -> None:
    used = {"gpu_memory": 0.5, "cpu_usage": 0.25}
    api.record(
        "inference",
        sample(1, model_type="llm", latency_seconds=0.1234, throughput=3.0, error_rate=0.5, tags={"a": "b"}, **used),
        sample(2, model="stream", first_token_seconds=0.05, joined=True),
    )
    [row] = get(api, "metrics/inference", model_id="chat")["metrics"]
    assert (row["model_id"], row["model_type"], row["latency"]) == ("chat", "llm", 123.4)
    assert (row["throughput"], row["error_rate"], row["resource_usage"], row["tags"]) == (3.0, 0.5, used, {"a": "b"})
    assert (row["time_to_first_token"], row["joined"]) == (None, False)
    [row] = get(api, "metrics/inference", model_id="stream")["metrics"]
    assert (row["time_to_first_token"], row["joined"]) == (50.0, True)


def test_drift_and_alarms_are_read_by_what_they_say(api: Api) -> None:
    api.record("drift", Drift(time=NOW - 1, model="chat", severity="high", drift_type="concept", score=0.4))
    api.record("client_alarms", ClientAlarm(time=NOW - 1, model="chat", client="key-1", level="alarm", score=3.0))
    [row] = get(api, "metrics/drift", drift_type="concept")["drift_metrics"]
    assert (row["severity"], row["drift_score"], row["source"]) == ("high", 0.4, "found")
    assert get(api, "metrics/drift", drift_type="data")["drift_metrics"] == []
    assert [row["client"] for row in get(api, "clients/alarms", level="alarm")["alarms"]] == ["key-1"]
    assert get(api, "clients/alarms", level="severe")["alarms"] == []


def test_a_stream_has_every_row_as_json_and_as_csv(api: Api) -> None:
    api.record("inference", *[sample(n) for n in range(450)])
    whole = get(api, "metrics/inference", format="json")["metrics"]
    assert [row["request_id"] for row in whole] == [f"r-{n}" for n in range(449, -1, -1)]
    answer = api.http.get("/api/v1/metrics/inference", params={"format": "csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="metrics.csv"'
    lines = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [line["request_id"] for line in lines] == [row["request_id"] for row in whole]
    assert len(get(api, "metrics/inference", format="json", limit=5)["metrics"]) == 5


ALARM = ClientAlarm(time=NOW - 1, model="chat", client="key-1", level="alarm", score=3.0)
DRIFT = Drift(time=NOW - 1, model="chat", severity="high")


@pytest.mark.parametrize(
    ("path", "kind", "row"),
    [
        ("queries/flagged", "flagged_queries", FlaggedQuery(time=NOW - 1, model="chat")),
        ("clients/alarms", "client_alarms", ALARM),
        ("metrics/inference", "inference", sample(1)),
        ("metrics/drift", "drift", DRIFT),
    ],
)
def test_a_file_has_the_same_columns_with_rows_and_without(api: Api, path: str, kind: Kind, row: Row) -> None:
    def columns() -> list[str]:
        return next(csv.reader(io.StringIO(api.http.get(f"/api/v1/{path}", params={"format": "csv"}).text)))

    api.record(kind)
    before = columns()
    api.record(kind, row)
    [shown] = api.http.get(f"/api/v1/{path}", params={"format": "json"}).json().popitem()[1]
    assert before == columns() == list(shown)


def test_an_empty_stream_is_whole_too(api: Api) -> None:
    api.record("inference")
    assert get(api, "metrics/inference", format="json") == {"metrics": []}
    header = api.http.get("/api/v1/queries/flagged", params={"format": "csv"}).text
    assert header.startswith("id,")
    assert header.count("\n") == 1


def test_sums_over_time_and_the_summary_are_those_of_the_minutes(api: Api) -> None:
    start = NOW // 3_600 * 3_600 - 3_600
    minutes = api.recorder.minutes
    minutes.count("chat", start + 5, 10, errors=1, latencies=[0.2] * 10, tokens=(7, 5), cost_dollars=0.25)
    minutes.count("chat", start + 65, 10, latencies=[0.4] * 10, cost_dollars=0.5)
    minutes.count("fraud", start + 605, 20, errors=20)
    minutes.use("chat", start + 70, [Resources(gpu_memory=0.5)])
    assert api.recorder.turn()
    lines = get(api, "metrics/aggregated", model_id="chat", window="5m")["aggregated_metrics"]
    assert [point["value"] for point in lines["latency"]] == [pytest.approx(300)]
    assert [point["value"] for point in lines["error_rate"]] == [0.05]
    assert [point["value"] for point in lines["throughput"]] == [pytest.approx(20 / 300)]
    assert [point["value"] for point in lines["gpu_memory"]] == [0.5]
    sums = {
        name: [point["value"] for point in lines[name]] for name in ("tokens_input", "tokens_output", "cost_dollars")
    }
    assert sums == {"tokens_input": [7], "tokens_output": [5], "cost_dollars": [0.75]}
    assert get(api, "metrics/aggregated", model_id="fraud")["aggregated_metrics"]["cost_dollars"] == []
    assert len(get(api, "metrics/aggregated", window="1m")["aggregated_metrics"]["throughput"]) == 3
    summary = get(api, "summary")
    assert (summary["total_requests"], summary["error_rate"]) == (40, 21 / 40)
    assert summary["average_latency"] == pytest.approx(300)
    assert summary["p95_latency"] == pytest.approx(400, rel=0.03)
    assert summary["p99_latency"] == pytest.approx(400, rel=0.03)
    assert summary["active_alerts"] == 0


def test_sums_over_time_are_written_as_csv_a_line_a_window(api: Api) -> None:
    start = NOW // 3_600 * 3_600 - 3_600
    api.recorder.minutes.count("chat", start + 5, 10, errors=1, latencies=[0.2] * 10)
    api.recorder.minutes.count("chat", start + 605, 10)
    assert api.recorder.turn()
    answer = api.http.get("/api/v1/metrics/aggregated", params={"format": "csv"})
    first, second = csv.DictReader(io.StringIO(answer.text))
    assert list(first)[:5] == ["time", "latency", "p95_latency", "throughput", "error_rate"]
    assert (first["latency"], first["error_rate"], second["latency"]) == ("200.0", "0.1", "")
    assert api.http.get("/api/v1/metrics/aggregated", params={"format": "xml"}).status_code == 422


def test_a_summary_of_nothing_is_all_zeros(api: Api) -> None:
    assert set(get(api, "summary").values()) == {0}


@pytest.mark.parametrize(
    ("path", "asked", "words"),
    [
        ("metrics/inference", {"since_hours": 169}, "168"),
        ("metrics/inference", {"limit": 10_001}, "10000"),
        ("metrics/inference", {"format": "xml"}, "csv"),
        ("metrics/inference", {"cursor": "x"}, "next_cursor"),
        ("metrics/aggregated", {"window": "soon"}, "duration"),
        ("metrics/aggregated", {"window": "90s"}, "whole minutes"),
        ("metrics/aggregated", {"window": "1m", "since_hours": 8_000}, "points"),
        ("summary", {"since_hours": 0}, "since_hours"),
    ],
)
def test_a_wrong_question_says_what_is_wrong(api: Api, path: str, asked: dict[str, Any], words: str) -> None:
    answer = api.http.get(f"/api/v1/{path}", params=asked)
    assert answer.status_code == 422
    assert words in answer.text


def test_a_key_for_some_models_sees_no_others(api: Api) -> None:
    api.record("inference", sample(1, "chat"), sample(2, "fraud"))
    api.by = Principal("key", frozenset({"read"}), frozenset({"chat"}))
    assert [row["model_id"] for row in get(api, "metrics/inference")["metrics"]] == ["chat"]
    assert api.http.get("/api/v1/metrics/inference", params={"model_id": "fraud"}).status_code == 403


@pytest.mark.parametrize("path", ["queries/flagged", "metrics/inference?format=csv", "summary", "metrics/aggregated"])
def test_a_database_that_is_away_is_503_and_no_host_is_told(make_api: Callable[..., Api], path: str) -> None:
    answer = make_api("postgresql://nobody@127.0.0.1:1/none").http.get(f"/api/v1/{path}")
    assert (answer.status_code, answer.json()) == (503, {"detail": "the history cannot be reached"})
    assert answer.headers["retry-after"] == "30"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        *(
            (path, "model_id")
            for path in ("queries/flagged", "metrics/inference", "metrics/drift", "metrics/aggregated")
        ),
        *((path, "model_id") for path in ("clients/alarms", "summary", "alerts")),
        *(("queries/flagged", "client"), ("clients/alarms", "client"), ("clients/alarms", "level")),
    ],
)
def test_a_filter_that_no_database_takes_is_refused_without_asking_one(
    make_api: Callable[..., Api], path: str, name: str
) -> None:
    nowhere = make_api("postgresql://nobody@127.0.0.1:1/none")
    answer = nowhere.http.get(f"/api/v1/{path}", params={name: "a\0b"})
    assert answer.status_code == 422
    assert name in answer.text


@pytest.mark.parametrize(
    "cursor",
    ["", "1", "_", "a_b", "1_", "nan_1", "inf_1", f"1_{2**63}", f"1_-{2**63 + 1}", "1_" + "9" * 5_000, "1\0_1"],
)
def test_a_cursor_of_no_answer_is_refused(any_api: Api, cursor: str) -> None:
    for path in ("queries/flagged", "clients/alarms", "metrics/inference", "metrics/drift"):
        answer = any_api.http.get(f"/api/v1/{path}", params={"cursor": cursor})
        assert (answer.status_code, answer.json()) == (422, {"detail": "cursor: expected the next_cursor of an answer"})


@pytest.mark.parametrize("text", ["a\ud800b", "é", "%", "'; --", "a" * 4_000])
def test_a_filter_that_fits_nothing_finds_nothing(any_api: Api, text: str) -> None:
    asked = quote(text, errors="surrogatepass")
    answer = any_api.http.get(f"/api/v1/queries/flagged?client={asked}")
    assert (answer.status_code, answer.json()["queries"]) == (200, [])
