"""The record of anomalies."""

from pathlib import Path
from typing import Any

from exporter.anomalies.anomaly import Anomaly
from exporter.anomalies.log import AnomalyLog, Span


def anomaly(identifier: str, time: float = 100.0, **other: Any) -> Anomaly:
    other = {"metric": "cpu", "series": "s", "value": 1.0, "score": 2.0, "severity": "high", **other}
    return Anomaly(id=identifier, time=time, worst_at=time, **other)


def test_a_restart_knows_the_last_state_of_each(tmp_path: Path) -> None:
    path = tmp_path / "a" / "anomalies.ndjson"
    log = AnomalyLog(path)
    log.put(anomaly("1"))
    log.put(anomaly("2", 200.0))
    log.confirm("1", True, "me", 300.0)
    again = AnomalyLog(path)
    assert [one.id for one in again.newest_first()] == ["2", "1"]
    found = again.get("1")
    assert found is not None
    assert (found.confirmed, found.confirmed_by, found.confirmed_at) == (True, "me", 300.0)


def test_what_people_said_of_an_incident_that_lasts_holds_when_it_ends() -> None:
    log, lasting = AnomalyLog(), anomaly("1")
    log.put(lasting)
    log.confirm("1", True, "me", 150.0)
    lasting.ended_at = 200.0
    log.put(lasting)
    assert log.not_normal("cpu", "s") == [Span(100.0, 200.0)]
    found = log.get("1")
    assert found is not None
    assert (found.confirmed_by, found.confirmed_at) == ("me", 150.0)


def test_what_was_said_last_holds_whichever_record_comes_later() -> None:
    log = AnomalyLog()
    log.put(anomaly("1", confirmed=False, confirmed_by="me", confirmed_at=150.0))
    log.confirm("1", True, "you", 160.0)
    log.put(anomaly("1", confirmed=False, confirmed_by="me", confirmed_at=150.0, ended_at=200.0))
    found = log.get("1")
    assert found is not None
    assert (found.confirmed, found.confirmed_by, found.ended_at) == (True, "you", 200.0)


def test_what_lasts_is_what_has_not_ended_or_was_dismissed_while_it_lasted() -> None:
    log = AnomalyLog()
    log.put(anomaly("lasts"))
    log.put(anomaly("ended", ended_at=200.0))
    log.put(anomaly("dismissed", 90.0, ended_at=200.0, dismissed=True))
    log.put(anomaly("another", metric="memory"))
    assert [one.id for one in log.lasting("cpu")] == ["lasts", "dismissed"]


def test_a_line_that_was_torn_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "anomalies.ndjson"
    AnomalyLog(path).put(anomaly("1"))
    with path.open("ab") as file:
        file.write(b'{"id": "2", "ti')
    log = AnomalyLog(path)
    assert [one.id for one in log.newest_first()] == ["1"]
    log.put(anomaly("3"))  # not behind the rest of the line
    assert [one.id for one in AnomalyLog(path).newest_first()] == ["1", "3"]


def test_a_damaged_line_keeps_nobody_from_starting(tmp_path: Path) -> None:
    path = tmp_path / "anomalies.ndjson"
    AnomalyLog(path).put(anomaly("1"))
    path.write_bytes(b'{"id": "\xff"}\n' + b"[" * 100_000 + b"\n" + path.read_bytes())
    assert [one.id for one in AnomalyLog(path).newest_first()] == ["1"]


def test_memory_and_file_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "anomalies.ndjson"
    log = AnomalyLog(path, kept=10)
    for number in range(100):
        log.put(anomaly(str(number), float(number)))
    assert [one.id for one in log.newest_first()] == [str(number) for number in range(99, 89, -1)]
    assert len(path.read_bytes().splitlines()) <= 20
    assert [one.id for one in AnomalyLog(path, kept=10).newest_first()] == [one.id for one in log.newest_first()]


def test_what_was_reported_displaces_nothing_that_was_found(tmp_path: Path) -> None:
    path = tmp_path / "anomalies.ndjson"
    log = AnomalyLog(path, kept=8)
    log.put(anomaly("found", ended_at=None))
    for number in range(100):
        log.put(anomaly(f"r-{number}", 200.0 + number, source="reported"))
    for known in (log, AnomalyLog(path, kept=8)):
        assert [one.id for one in known.newest_first()] == ["r-99", "r-98", "found"]


def test_a_disk_that_takes_nothing_is_counted_and_memory_goes_on(tmp_path: Path) -> None:
    log = AnomalyLog(tmp_path / "state" / "anomalies.ndjson")
    (tmp_path / "state").write_text("not a folder")
    log.put(anomaly("1"))
    assert (log.failures, log.get("1") is not None) == (1, True)


def test_only_what_was_confirmed_is_no_example() -> None:
    log = AnomalyLog()
    log.put(anomaly("yes", 100.0, ended_at=160.0, confirmed=True))
    log.put(anomaly("no", 300.0, ended_at=360.0, confirmed=False))
    log.put(anomaly("open", 500.0, ended_at=560.0))
    log.put(anomaly("other", 700.0, ended_at=760.0, confirmed=True, series="t"))
    assert log.not_normal("cpu", "s") == [Span(100.0, 160.0)]


def test_the_budget_counts_what_people_were_told_of() -> None:
    log = AnomalyLog()
    log.put(anomaly("old", 10.0))
    log.put(anomaly("new", 100.0))
    log.put(anomaly("caught up with", 100.0, live=False))
    log.put(anomaly("reported", 100.0, source="reported"))
    assert log.incidents("cpu", 50.0) == 1


def test_precision_is_by_the_component_that_said_most() -> None:
    log = AnomalyLog()
    for number, (shares, said) in enumerate(
        [({"value": 0.9, "hour": 0.1}, True), ({"value": 0.6, "hour": 0.4}, False), ({"hour": 1.0}, True), ({}, True)]
    ):
        log.put(anomaly(str(number), explanation={"shares": shares} if shares else {}, confirmed=said))
    assert log.verdicts_by_component() == {"value": {True: 1, False: 1}, "hour": {True: 1}}
    assert log.verdicts("cpu") == {True: 3, False: 1}


def test_whoever_asked_is_told_of_each_change() -> None:
    told: list[str] = []
    log = AnomalyLog(on_change=lambda one: told.append(f"{one.id} {one.confirmed}"))
    log.put(anomaly("1"))
    log.confirm("1", False, None, 5.0)
    assert log.confirm("2", False, None, 5.0) is None
    assert told == ["1 None", "1 False"]


def test_verdicts_are_of_one_query_or_of_all_and_never_of_what_was_reported() -> None:
    log = AnomalyLog()
    log.put(anomaly("1", confirmed=True))
    log.put(anomaly("2", metric="memory", confirmed=True))
    log.put(anomaly("3", metric="memory", confirmed=False))
    log.put(anomaly("4", source="reported", confirmed=True))
    log.put(anomaly("5"))
    assert log.verdicts() == {True: 2, False: 1}
    assert log.verdicts("cpu") == {True: 1}
