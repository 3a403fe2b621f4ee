"""Reports of drift that was found elsewhere: journalled, into the history, once."""

from collections.abc import Callable
from typing import Any

import pytest

from exporter.delivery import Delivery
from exporter.drift.reports import KEPT, DriftReports, key_of
from exporter.formats.drift import Report
from tests.exporter.conftest import Exporter

REPORT = {"model_id": "m", "drift_type": "concept", "severity": "high", "confidence": 0.9, "tags": {"by": "us"}}
Told = list[tuple[Report, float, int]]


def report(**more: Any) -> Report:
    return Report(**(REPORT | more))


def telling(reports: DriftReports) -> Told:
    told: Told = []
    reports.on_report = lambda *one: told.append(one)
    return told


def take(reports: DriftReports, number: int, *samples: Report) -> None:
    delivery = Delivery("drift", (), 1000.0, number=number, samples=samples)
    for sample in samples:
        reports.count(sample, delivery)


def test_each_report_has_a_key_of_its_own_which_a_replay_gives_again() -> None:
    first, second = DriftReports(), DriftReports()
    told, again = telling(first), telling(second)
    for reports in (first, second):
        take(reports, 7, report(), report())
        take(reports, 8, report())
    assert len({key for _, _, key in told}) == 3
    assert [key for _, _, key in told] == [key for _, _, key in again]
    assert all(0 <= key < 1 << 62 for _, _, key in told)


def test_a_report_with_the_id_of_another_of_its_model_has_the_same_key() -> None:
    reports = DriftReports()
    told = telling(reports)
    take(reports, 1, report(id="r"), report(id="s"))
    take(reports, 2, report(id="r"), report(id="r", model_id="n"))
    keys = [key for _, _, key in told]
    assert keys[0] == keys[2]
    assert len(set(keys)) == 3


def test_the_last_reports_come_back_with_a_snapshot_and_are_told_again() -> None:
    before, after = DriftReports(), DriftReports()
    first = telling(before)
    take(before, 1, *(report(feature=str(n)) for n in range(KEPT + 5)))
    after.load(before.dump())
    told = telling(after)
    after.tell_again()
    assert [(one.feature, time, key) for one, time, key in told] == [
        (one.feature, time, key) for one, time, key in first[5:]
    ]


def test_keys_are_of_what_names_them() -> None:
    assert key_of(("a", "b")) == key_of(("a", "b")) != key_of(("ab",))


# -- over HTTP


@pytest.fixture
def exporter(serve: Callable[..., Exporter]) -> Exporter:
    return serve()


def test_a_report_is_taken_and_told_and_a_wrong_one_leaves_nothing(exporter: Exporter) -> None:
    told = telling(exporter.pipeline.samples.reports)
    assert exporter.measure([REPORT, REPORT | {"drift_type": "data"}], "drift").status_code == 201
    answer = exporter.measure([REPORT, REPORT | {"confidence": 2}], "drift")
    assert (answer.status_code, answer.json()["detail"]) == (422, "[1].confidence: expected `float` <= 1.0")
    assert exporter.measure(b"drift", "drift").status_code == 400
    page = exporter.page()
    assert [one.drift_type for one, _, _ in told] == ["concept", "data"]
    assert page['vedette_samples_accepted_total{source="drift"}'] == 2
    assert page['vedette_samples_rejected_total{reason="wrong_type",source="drift"}'] == 1


def test_where_the_history_has_no_room_nothing_is_taken(exporter: Exporter) -> None:
    told = telling(exporter.pipeline.samples.reports)
    exporter.history.capacity = 1
    answer = exporter.measure([REPORT, REPORT], "drift")
    assert (answer.status_code, "retry-after" in answer.headers) == (429, True)
    assert exporter.page()['vedette_samples_rejected_total{reason="queue_full",source="drift"}'] == 2
    assert told == []
