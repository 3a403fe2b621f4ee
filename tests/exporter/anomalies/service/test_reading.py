"""From the first points to incidents, through all that can fail."""

from typing import Any

import numpy as np
import pytest

from exporter.anomalies.blocks import ReadError
from exporter.config.anomalies import AnomalyQuery, Context
from tests.exporter.anomalies.conftest import DAY, NOW, Recorded, daily, exposed, run
from tests.exporter.anomalies.service.conftest import LOAD, Build, with_load
from tests.exporter.conftest import Clock


def test_a_load_at_the_wrong_time_becomes_one_incident_that_says_why(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    series = recorded.add("load", with_load(NOW + 600, NOW + 1500), instance="a")
    watched = service(LOAD)
    watched.train_due(clock.now)
    run(watched, clock, 18)
    assert exposed(watched)["vedette_anomaly_incidents_open"] == [({"query": "load"}, 1)]
    assert exposed(watched)["vedette_anomaly_series_info"] == [
        ({"query": "load", "series": series, "name": "instance:a"}, 1)
    ]
    shares = [value for _, value in exposed(watched)["vedette_anomaly_component_ratio"]]
    assert abs(sum(shares) - 1) < 0.01
    run(watched, clock, 40)
    [found] = watched.log.newest_first()
    assert (found.metric, found.series, found.labels) == ("load", series, {"instance": "a"})
    assert (found.time, found.live) == (NOW + 600, True)
    assert found.ended_at is not None
    assert found.value > (found.upper or 0) > (found.expected or 0)
    assert "instead of about" in found.explanation["sentence"]
    assert found.baseline_version == watched.queries["load"].version
    assert exposed(watched)["vedette_anomaly_incidents_open"] == [({"query": "load"}, 0)]
    assert exposed(watched)["vedette_anomaly_incidents_total"] == [({"query": "load"}, 1)]


def test_one_odd_point_is_no_incident(service: Build, recorded: Recorded, clock: Clock) -> None:
    recorded.add("load", with_load(NOW + 600, NOW + 600))
    watched = service(LOAD)
    watched.train_due(clock.now)
    run(watched, clock, 30)
    assert watched.log.newest_first() == []


def test_an_hour_without_prometheus_is_caught_up_with_and_alarms_nobody(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    series = recorded.add("load", with_load(NOW + 900, NOW + 2400))
    watched = service(LOAD)
    watched.train_due(clock.now)
    run(watched, clock, 5)
    recorded.broken = ReadError("unreachable", "load: it is down")
    run(watched, clock, 60)
    page = exposed(watched)
    assert ({"query": "load", "reason": "unreachable"}, 60) in page["vedette_anomaly_read_errors_total"]
    assert "vedette_anomaly_score" not in page  # a frozen gauge would be scraped as fresh
    recorded.broken = None
    run(watched, clock, 10)
    [found] = watched.log.newest_first()
    assert (found.live, found.time) == (False, NOW + 900)
    assert exposed(watched)["vedette_anomaly_incidents_total"] == [({"query": "load"}, 0)]
    assert exposed(watched)["vedette_anomaly_incidents_open"] == [({"query": "load"}, 0)]
    assert len(watched.queries["load"].series[series].course) > 10


def test_an_incident_that_people_were_told_of_goes_on_over_an_outage(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    for name, begin in (("load", NOW + 600), ("other", NOW + DAY)):
        recorded.add(name, with_load(begin, NOW + 5400), instance="a")
    watched = service(*(AnomalyQuery(name=name, expr=name, min_deviation=5, group="box") for name in recorded.series))
    while watched.train_due(clock.now):
        pass
    run(watched, clock, 20)
    begun = [(one.id, one.time) for one in watched.log.lasting()]
    assert [time for _, time in begun] == [NOW + 600] * 2  # of the series, and of its group
    recorded.broken = ReadError("unreachable", "it is down")
    run(watched, clock, 20)
    recorded.broken = None
    for _ in range(10):
        run(watched, clock, 1)
        assert [(one.id, one.time) for one in watched.log.lasting()] == begun
    run(watched, clock, 70)
    assert [(one.id, one.live) for one in watched.log.newest_first()] == [(identifier, True) for identifier, _ in begun]
    assert watched.log.lasting() == []


def test_while_the_server_is_away_it_is_asked_once_a_round(
    service: Build, recorded: Recorded, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    names = ("one", "two", "three")
    for name in names:
        recorded.add(name, daily)
    watched = service(*(AnomalyQuery(name=name, expr=name) for name in names))
    for _ in names:
        watched.train_due(clock.now)
    asked = 0

    def refuse(expr: str, start: float, end: float, step: float, name: str, series: int) -> Any:
        nonlocal asked
        asked += 1
        raise ReadError("unreachable", f"{name}: it is down")

    recorded.range = refuse  # type: ignore[method-assign]
    run(watched, clock, 5)
    assert asked == 5
    errors = exposed(watched)["vedette_anomaly_read_errors_total"]
    assert [value for labels, value in errors if labels["reason"] == "unreachable"] == [5, 5, 5]
    assert [str(watched.queries[name].error) for name in names] == [f"{name}: it is down" for name in names]
    assert caplog.text.count("a query cannot be read") == 3  # once each, whichever of them asks


def test_a_series_that_went_away_has_no_score_and_comes_back(service: Build, recorded: Recorded, clock: Clock) -> None:
    recorded.add("load", daily)
    watched = service(LOAD)
    watched.train_due(clock.now)
    recorded.gone.append((NOW + 300, NOW + 1500))
    run(watched, clock, 20)
    assert "vedette_anomaly_score" not in exposed(watched)
    assert exposed(watched)["vedette_anomaly_last_point_timestamp_seconds"] == [({"query": "load"}, NOW + 240)]
    run(watched, clock, 10)
    assert "vedette_anomaly_score" in exposed(watched)
    assert watched.log.newest_first() == []


def test_the_first_window_of_a_rate_after_a_gap_is_not_judged(service: Build, recorded: Recorded, clock: Clock) -> None:
    rate = AnomalyQuery(name="rate", expr="rate(x_total[5m])")
    recorded.add(rate.expr, with_load(NOW + 1500, NOW + 1500 + 240))
    watched = service(rate)
    watched.train_due(clock.now)
    recorded.gone.append((NOW + 300, NOW + 1440))
    run(watched, clock, 45)
    counters = exposed(watched)["vedette_anomaly_points_skipped_total"]
    skipped = {labels["reason"]: value for labels, value in counters}
    assert skipped["after_gap"] == 5
    assert watched.log.newest_first() == []


def test_a_query_that_fails_says_so_and_the_others_go_on(service: Build, recorded: Recorded, clock: Clock) -> None:
    recorded.add("load", daily)
    watched = service(LOAD, AnomalyQuery(name="short", expr="short"))
    recorded.add("short", lambda times: np.where(times > NOW - 600, 1.0, np.nan))
    assert {watched.train_due(clock.now), watched.train_due(clock.now)} == {"load", "short"}
    assert watched.train_due(clock.now) is None
    assert "warming up, 9 points of the 1000" in str(watched.queries["short"].error)
    assert watched.queries["load"].is_ready
    clock.now += 61
    assert watched.train_due(clock.now) == "short"


def test_a_fault_of_ours_with_one_query_is_counted_and_the_others_go_on(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    recorded.add("load", daily)
    watched = service(AnomalyQuery(name="cursed", expr="cursed"), LOAD)  # there is no `cursed`: a KeyError
    learned = [watched.train_due(clock.now) for _ in range(3)]
    assert learned == ["cursed", "load", None]
    assert watched.queries["load"].is_ready
    assert ({"query": "cursed", "reason": "internal"}, 1) in exposed(watched)["vedette_anomaly_read_errors_total"]
    assert str(watched.queries["cursed"].error) == "cursed: a fault of ours, see the log: KeyError('cursed')"


def test_a_query_over_its_budget_mutes_itself(service: Build, recorded: Recorded, clock: Clock) -> None:
    recorded.add("load", with_load(NOW + 600, NOW + 1200))
    watched = service(LOAD, incidents_per_week=1)
    watched.train_due(clock.now)
    run(watched, clock, 30)
    assert exposed(watched)["vedette_anomaly_muted"] == [({"query": "load"}, 0)]
    [found] = watched.log.newest_first()
    watched.log.put(type(found)(**{**{f: getattr(found, f) for f in found.__struct_fields__}, "id": "another"}))
    assert exposed(watched)["vedette_anomaly_muted"] == [({"query": "load"}, 1)]


def test_the_series_own_labels_are_on_a_page_of_their_own(service: Build, recorded: Recorded, clock: Clock) -> None:
    series = recorded.add("load", daily, __name__="load", instance="a", query="x")
    watched = service(LOAD)
    watched.train_due(clock.now)
    run(watched, clock, 3)
    [sample] = next(iter(watched.labelled())).samples
    assert sample.labels == {"instance": "a", "exported_query": "x", "query": "load", "series": series}


def test_a_context_that_cannot_be_read_blinds_no_query(service: Build, recorded: Recorded, clock: Clock) -> None:
    recorded.add("load", daily)
    read = recorded.range

    def refuse(expr: str, *others: Any, **more: Any) -> Any:
        if expr == "broken":
            raise ReadError("expression", "context broken: many-to-many matching not allowed")
        return read(expr, *others, **more)

    recorded.range = refuse  # type: ignore[method-assign]
    watched = service(LOAD, contexts=(Context(kind="broken", expr="broken"),))
    watched.train_due(clock.now)
    run(watched, clock, 3)
    page = exposed(watched)
    assert page["vedette_baseline_ready"] == [({"query": "load"}, 1)]
    assert len(page["vedette_anomaly_score"]) == 1
    assert watched.queries["load"].error is None
    errors = {(of["query"], of["reason"]): value for of, value in page["vedette_anomaly_read_errors_total"] if value}
    assert errors == {("context:broken", "expression"): 4}
