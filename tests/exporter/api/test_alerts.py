"""The routes about alerts; those that ask Alertmanager are tested against the real one, in tests/stack."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

from exporter.access.principal import Principal
from exporter.api.alerts import LONGEST_SECONDS
from exporter.history.alertmanager import Alertmanager
from tests.exporter.api.conftest import Api

FIRING_END = "0001-01-01T00:00:00Z"


def told(name: str = "VedetteFlaggedShareHigh", status: str = "firing", **labels: str) -> dict[str, Any]:
    """An alert as it stands in a webhook."""
    return {
        "status": status,
        "labels": {"alertname": name, "severity": "warning", "category": "attack", "model": "chat"} | labels,
        "annotations": {"summary": "repetition flags 75% of the queries to chat"},
        "startsAt": "2026-03-01T10:00:00.123456789Z",
        "endsAt": FIRING_END if status == "firing" else "2026-03-01T11:00:00Z",
        "generatorURL": "http://prometheus.test/graph",
        "fingerprint": f"{hash((name, *labels.items())) & 0xFFFFFFFF:016x}",
    }


def send(api: Api, *alerts: Any) -> Any:
    body = {"version": "4", "groupKey": "{}", "status": "firing", "receiver": "r", "alerts": list(alerts)}
    answer = api.http.post("/api/v1/alerts/webhook", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def listed(api: Api, **asked: Any) -> Any:
    return api.http.get("/api/v1/alerts", params={"since_hours": 8_000, **asked}).json()


def post(api: Api, what: str, **body: Any) -> Any:
    return api.http.post(f"/api/v1/alerts/{what}", json=body)


def test_an_alert_fires_and_is_over(api: Api) -> None:
    assert send(api, told()) == {"stored": 1, "rejected": []}
    [alert] = listed(api)
    assert (alert["model_id"], alert["alert_type"], alert["severity"]) == ("chat", "VedetteFlaggedShareHigh", "warning")
    assert alert["message"] == "repetition flags 75% of the queries to chat"
    assert alert["timestamp"] == "2026-03-01T10:00:00.123000+00:00"
    assert (alert["resolved"], alert["resolved_at"]) == (False, None)
    assert api.http.get("/api/v1/summary").json()["active_alerts"] == 1
    send(api, told(status="resolved"))
    [alert] = listed(api)
    assert (alert["resolved"], alert["resolved_at"]) == (True, "2026-03-01T11:00:00+00:00")
    assert listed(api, resolved=False) == []
    assert api.http.get("/api/v1/summary").json()["active_alerts"] == 0


def test_alerts_are_written_as_csv_with_the_fields_that_json_has(api: Api) -> None:
    empty = api.http.get("/api/v1/alerts", params={"format": "csv"}).text
    send(api, told())
    [alert] = listed(api)
    answer = api.http.get("/api/v1/alerts", params={"since_hours": 8_000, "format": "csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    [row] = csv.DictReader(io.StringIO(answer.text))
    assert list(row) == list(alert) == empty.strip().split(",")
    assert (row["id"], row["alert_type"], row["resolved"]) == (alert["id"], "VedetteFlaggedShareHigh", "false")


def test_what_is_understood_is_stored_and_the_rest_is_named(api: Api) -> None:
    bad = told("Other") | {"startsAt": "yesterday"}
    answer = send(api, bad, told(), {"labels": {}})
    assert answer["stored"] == 1
    assert [entry["index"] for entry in answer["rejected"]] == [0, 2]
    assert "startsAt" in answer["rejected"][0]["reason"]


@pytest.mark.parametrize(
    "body", ["", "[]", '{"alerts": 5}', "{", '{"alerts": [}', '{"alerts":[' * 500, "[" * 100_000, b'{"alerts": "\xff"}']
)
def test_what_is_no_webhook_is_400(api: Api, body: str) -> None:
    assert api.http.post("/api/v1/alerts/webhook", content=body).status_code == 400


@pytest.mark.parametrize("field", ["startsAt", "endsAt"])
@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1969-12-31T00:00:00Z"])
def test_a_time_that_cannot_be_shown_is_named(api: Api, field: str, time: str) -> None:
    answer = send(api, told(status="resolved") | {field: time}, told("Other"))
    assert answer["stored"] == 1
    assert field in answer["rejected"][0]["reason"]
    assert [alert["alert_type"] for alert in listed(api)] == ["Other"]


def test_what_cannot_be_stored_is_to_be_sent_again(make_api: Callable[..., Api]) -> None:
    api = make_api("postgresql://nobody@127.0.0.1:1/none")
    assert api.http.post("/api/v1/alerts/webhook", json={"alerts": [told()]}).status_code == 503


def test_to_resolve_marks_the_record_and_tells_the_true_state(api: Api) -> None:
    send(api, told())
    [alert] = listed(api)
    answer = post(api, "resolve", alert_id=alert["id"])
    assert answer.status_code == 200
    assert answer.json() == {"status": "success", "alert_id": alert["id"], "resolved": True, "state": "firing"}
    [marked] = listed(api)
    assert (marked["resolved"], marked["state"]) == (True, "firing")
    send(api, told())
    assert listed(api)[0]["resolved"]


def test_to_acknowledge_is_noted_with_who_until_when_and_why(api: Api) -> None:
    send(api, told())
    [alert] = listed(api)
    api.by = Principal("key-7", frozenset({"admin"}))
    answer = post(api, "acknowledge", alert_id=alert["id"], duration="2h", comment="mine")
    assert (answer.status_code, answer.json()["silence_id"]) == (200, None)
    [alert] = listed(api)
    assert (alert["acknowledged"], alert["acknowledged_by"], alert["comment"]) == (True, "key-7", "mine")
    assert alert["acknowledged_until"] == answer.json()["until"]
    send(api, told(status="resolved"))
    assert not listed(api)[0]["acknowledged"]


@pytest.mark.parametrize("what", ["resolve", "acknowledge"])
@pytest.mark.parametrize("alert_id", ["none", "a\0"])
def test_an_alert_that_nobody_heard_of_is_404(any_api: Api, what: str, alert_id: str) -> None:
    assert post(any_api, what, alert_id=alert_id).status_code == 404


def test_who_looks_after_an_alert_may_say_what_a_database_refuses(any_api: Api) -> None:
    send(any_api, told())
    [alert] = listed(any_api)
    any_api.by = Principal("key\0", frozenset({"admin"}))
    assert post(any_api, "acknowledge", alert_id=alert["id"], comment="a\0b").status_code == 200
    assert post(any_api, "resolve", alert_id=alert["id"]).status_code == 200
    [alert] = listed(any_api)
    assert (alert["comment"], alert["acknowledged_by"]) == ("a\ufffdb", "key\ufffd")


def test_to_acknowledge_again_without_a_comment_keeps_what_was_said(any_api: Api) -> None:
    send(any_api, told())
    [alert] = listed(any_api)
    for said, kept in (
        ({}, ""),
        ({"comment": "mine"}, "mine"),
        ({}, "mine"),
        ({"comment": "still mine"}, "still mine"),
    ):
        assert post(any_api, "acknowledge", alert_id=alert["id"], **said).status_code == 200
        assert listed(any_api)[0]["comment"] == kept


def test_alerts_about_the_exporter_and_alerts_that_are_over_are_not_acknowledged(api: Api) -> None:
    send(api, told(category="self"), told(status="resolved"))
    for alert in listed(api):
        assert post(api, "acknowledge", alert_id=alert["id"]).status_code == 409


@pytest.mark.parametrize("duration", ["25h", "0s", "soon", -5, LONGEST_SECONDS + 1])
def test_a_duration_is_at_most_a_day(api: Api, duration: Any) -> None:
    send(api, told())
    answer = post(api, "acknowledge", alert_id=listed(api)[0]["id"], duration=duration)
    assert answer.status_code == 422
    assert "24h" in answer.text


@pytest.mark.parametrize(
    ("body", "status"), [("{", 400), ("{}", 422), ('{"alert_id": 5}', 422), ('{"alert_id": ""}', 422)]
)
def test_a_wrong_body_says_what_is_wrong(api: Api, body: str, status: int) -> None:
    for what in ("resolve", "acknowledge"):
        assert api.http.post(f"/api/v1/alerts/{what}", content=body).status_code == status


def test_a_key_for_some_models_neither_sees_nor_changes_others(api: Api) -> None:
    send(api, told(), told(model="fraud"))
    theirs = {alert["model_id"]: alert["id"] for alert in listed(api)}
    api.by = Principal("key", frozenset({"admin"}), frozenset({"chat"}))
    assert [alert["model_id"] for alert in listed(api)] == ["chat"]
    assert post(api, "resolve", alert_id=theirs["fraud"]).status_code == 404
    assert api.http.post("/api/v1/alerts/webhook", json={"alerts": [told(model="fraud")]}).status_code == 403


def test_nothing_is_acknowledged_when_alertmanager_does_not_take_the_silence(make_api: Callable[..., Api]) -> None:
    api = make_api(alertmanager=Alertmanager("http://127.0.0.1:1"), silences=True)
    send(api, told())
    [alert] = listed(api)
    assert post(api, "acknowledge", alert_id=alert["id"]).status_code == 502
    assert not listed(api)[0]["acknowledged"]
    assert post(api, "resolve", alert_id=alert["id"]).json()["state"] == "firing"


@pytest.mark.parametrize("what", ["resolve", "acknowledge"])
@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{}", 422, "alert_id: missing"),
        (b'{"alert_id": 5}', 422, "alert_id: expected `str`, got `int`"),
        (b"[]", 422, "the body: expected `object`, got `array`"),
        (b"xx", 400, "the body is no JSON object and no array of them"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(api: Api, what: str, body: bytes, status: int, words: str) -> None:
    answer = api.http.post(f"/api/v1/alerts/{what}", content=body)
    assert (answer.status_code, answer.json()["detail"]) == (status, words)
