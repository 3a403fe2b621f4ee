"""When and what is learned, at work."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from exporter.anomalies.events import Event
from exporter.anomalies.service import AnomalyService
from exporter.config.anomalies import AnomalyQuery, LearnedNormal, Training
from tests.exporter.anomalies.conftest import DAY, NOW, STEP, Recorded, daily, exposed, run
from tests.exporter.anomalies.service.conftest import LOAD, SERVER, Build, with_load
from tests.exporter.conftest import Clock


def test_before_it_has_learned_it_reads_nothing_and_is_not_ready(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    recorded.add("load", daily)
    watched = service(LOAD)
    run(watched, clock, 3)
    assert recorded.reads == []
    assert exposed(watched)["vedette_baseline_ready"] == [({"query": "load"}, 0)]
    assert "vedette_anomaly_score" not in exposed(watched)


def test_it_learns_a_week_and_is_quiet_on_what_it_knows(service: Build, recorded: Recorded, clock: Clock) -> None:
    series = recorded.add("load", daily, instance="a")
    watched = service(LOAD)
    assert watched.train_due(clock.now) == "load"
    assert recorded.reads == [("load", NOW - 60 - 7 * DAY + STEP, NOW - 60)]
    run(watched, clock, 60)
    assert watched.log.newest_first() == []
    page = exposed(watched)
    labels = {"query": "load", "series": series}
    [(_, value)], [(_, lower)], [(_, upper)] = (page[f"vedette_anomaly_{name}"] for name in ("value", "lower", "upper"))
    assert page["vedette_anomaly_score"][0][0] == labels
    assert page["vedette_baseline_points"] == [({"query": "load"}, 7 * 1440)]
    assert lower < value < upper


def test_a_new_series_warms_up_and_is_learned_once_it_has_points_enough(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    recorded.add("load", daily, instance="old")
    watched = service(LOAD, min_points=60)
    watched.train_due(clock.now)
    began = clock.now
    recorded.add("load", lambda times: np.where(times > began, daily(times, 2), np.nan), instance="new")
    run(watched, clock, 30)
    states = {labels["state"]: value for labels, value in exposed(watched)["vedette_anomaly_series"]}
    assert states == {"ready": 1, "warming_up": 1}
    assert watched.train_due(clock.now) is None
    run(watched, clock, 40)
    assert watched.train_due(clock.now) == "load"
    states = {labels["state"]: value for labels, value in exposed(watched)["vedette_anomaly_series"]}
    assert states == {"ready": 2, "warming_up": 0}


def test_no_baseline_is_swapped_while_an_incident_lasts(service: Build, recorded: Recorded, clock: Clock) -> None:
    series = recorded.add("load", with_load(NOW + 600, NOW + 1500))
    watched = service(LOAD)
    watched.train_due(clock.now)
    run(watched, clock, 18)
    before = watched.queries["load"].series[series].ordinary
    watched.train("load")
    assert watched.train_due(clock.now) == "load"
    assert watched.queries["load"].series[series].ordinary is before
    run(watched, clock, 70)
    assert watched.train_due(clock.now) == "load"
    assert watched.queries["load"].series[series].ordinary is not before
    assert len(watched.log.newest_first()) == 1  # nothing was found twice


def test_learning_anew_finds_nothing_twice_and_misses_nothing(service: Build, recorded: Recorded, clock: Clock) -> None:
    recorded.add("load", with_load(NOW + 600, NOW + 1500))
    watched = service(LOAD)
    watched.train_due(clock.now)
    run(watched, clock, 5)
    watched.train("load")
    watched.train_due(clock.now)
    run(watched, clock, 50)
    assert [found.time for found in watched.log.newest_first()] == [NOW + 600]


def test_a_learning_that_took_long_is_no_pause_and_ends_no_incident(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    recorded.add("load", with_load(NOW + 600, NOW + 1800))
    watched = service(LOAD)
    watched.train_due(clock.now)
    run(watched, clock, 18)
    watched.roll_back("load", watched.queries["load"].version)  # as if it had ended at the first learning's last point
    run(watched, clock, 1)
    [found] = watched.log.newest_first()
    assert (found.live, found.ended_at) == (True, None)
    assert exposed(watched)["vedette_anomaly_incidents_open"] == [({"query": "load"}, 1)]
    run(watched, clock, 40)
    assert [one.time for one in watched.log.newest_first()] == [NOW + 600]


def test_a_learning_that_ends_while_a_query_is_read_leaves_no_gap_in_what_it_knows(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    series = recorded.add("load", daily)
    watched = service(LOAD)
    watched.train_due(clock.now)
    run(watched, clock, 10)
    query, read, version = watched.queries["load"], recorded.range, watched.queries["load"].version

    def learn_meanwhile(*asked: Any, **more: Any) -> Any:
        recorded.range = read  # type: ignore[method-assign]
        watched.roll_back("load", version)
        return read(*asked, **more)

    recorded.range = learn_meanwhile  # type: ignore[method-assign]
    run(watched, clock, 1)
    assert query.read_until == NOW - 60
    run(watched, clock, 1)
    assert query.series[series].known_until == query.read_until == clock.now - 60
    assert recorded.reads[-1] == ("load", NOW, clock.now - 60)


def test_what_people_confirmed_is_no_example_of_normal(service: Build, recorded: Recorded, clock: Clock) -> None:
    series = recorded.add("load", with_load(NOW + 600, NOW + 1800))
    watched = service(LOAD)
    watched.train_due(clock.now)
    run(watched, clock, 60)
    [found] = watched.log.newest_first()
    watched.log.confirm(found.id, True, "me", clock.now)
    [span] = watched.log.not_normal("load", series)
    assert span.start == NOW + 600
    assert span.end >= NOW + 1800
    watched.train("load")
    watched.train_due(clock.now)
    assert watched.queries["load"].points == 7 * 1440
    assert exposed(watched)["vedette_anomaly_precision_ratio"] == [({"query": "load"}, 1)]


def test_what_is_odd_otherwise_is_normal_during_an_event_that_was_learned(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    deployments = [NOW - days * DAY for days in range(1, 7)] + [NOW + 600]

    def values(times: np.ndarray) -> np.ndarray:
        busy = np.zeros(len(times), bool)
        for begin in deployments:
            busy |= (times >= begin) & (times <= begin + 1800)
        return daily(times) + np.where(busy, 30, 0)

    recorded.add("load", values)
    watched = service(LOAD)
    for begin in deployments:
        watched.sources.events.add(Event("deployment", begin, begin + 1800))
    watched.train_due(clock.now)
    run(watched, clock, 40)
    assert watched.log.newest_first() == []


def test_each_night_it_learns_anew(service: Build, recorded: Recorded, clock: Clock) -> None:
    recorded.add("load", daily)
    watched = service(LOAD, training=Training(at="02:00", spread=60.0))
    watched.train_due(clock.now)
    assert watched.train_due(NOW + 13.9 * 3600) is None
    assert watched.train_due(NOW + 14.1 * 3600) == "load"
    assert len(watched.versions("load")) == 2


def test_a_version_that_was_gone_back_to_holds_until_the_next_night(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    recorded.add("load", daily)
    watched = service(LOAD, training=Training(at="02:00", spread=60.0))
    watched.train_due(clock.now)
    clock.now += DAY
    watched.train_due(clock.now)
    first, _ = watched.versions("load")
    watched.roll_back("load", first)
    assert watched.train_due(clock.now + 60) is None
    assert watched.queries["load"].version == first
    assert watched.train_due(clock.now + DAY) == "load"


def test_an_expression_that_cannot_be_learned_is_an_error_of_its_query_alone(tmp_path: Path, clock: Clock) -> None:
    queries = (AnomalyQuery(name="total", expr="sum(rate(x[5m])"), AnomalyQuery(name="answer", expr="42"))
    watched = AnomalyService(LearnedNormal(prometheus=SERVER, queries=queries), tmp_path, clock=clock)
    assert [watched.train_due(clock.now) for _ in range(3)] == ["total", "answer", None]
    run(watched, clock, 1)
    watched.stop(1.0)
    page = exposed(watched)
    assert page["vedette_baseline_ready"] == [({"query": "total"}, 0), ({"query": "answer"}, 0)]
    errors = {(of["query"], of["reason"]): value for of, value in page["vedette_anomaly_read_errors_total"] if value}
    assert errors == {("total", "expression"): 1, ("answer", "expression"): 1}
    assert str(watched.queries["total"].error).startswith("total: not PromQL: ")
    assert not watched.queries["answer"].is_warming_up


def test_new_series_that_went_away_again_take_no_place_and_cause_no_learning(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    recorded.add("load", daily, pod="old")
    watched = service(msgspec.structs.replace(LOAD, series=4), min_points=60)
    watched.train_due(clock.now)
    for pod in range(6):  # each lives for half an hour, and so is never learned
        begin = clock.now
        new = recorded.add("load", daily, pod=str(pod))
        run(watched, clock, 30)
        recorded.series["load"].pop(new)
        run(watched, clock, 60)
        assert watched.train_due(clock.now) is None, f"{(clock.now - begin) / STEP} minutes after its first point"
    assert watched.queries["load"].dropped == 0
    run(watched, clock, 20)
    states = {labels["state"]: value for labels, value in exposed(watched)["vedette_anomaly_series"]}
    assert states == {"ready": 1, "warming_up": 0}


def test_a_new_series_with_few_points_is_learned_once_it_has_enough_and_not_each_hour(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    recorded.add("load", daily, pod="old")
    watched = service(LOAD, min_points=60)
    watched.train_due(clock.now)
    began = clock.now

    def sparse(times: np.ndarray) -> np.ndarray:
        return np.where((times > began) & (times % 600 == 0), daily(times, 2), np.nan)

    recorded.add("load", sparse, pod="sparse")
    learned = []
    for hour in range(11):
        run(watched, clock, 60)
        if hour == 5:  # in the middle, somebody has the others learned
            watched.train("load")
            watched.train_due(clock.now)
        learned.append(watched.train_due(clock.now))
    assert learned == [None] * 10 + ["load"]
    assert len(watched.queries["load"].series) == 2


def test_series_that_are_gone_do_not_count_against_the_bound_of_what_is_learned(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    for pod in range(6):
        known = recorded.add("load", daily, pod=str(pod))
        if pod >= 3:  # of before the last deployment
            recorded.absent[known] = (NOW - 7200, NOW)
    watched = service(msgspec.structs.replace(LOAD, series=4))
    watched.train_due(clock.now)
    assert watched.queries["load"].error is None
    assert {one.labels["pod"] for one in watched.queries["load"].series.values()} == {"0", "1", "2"}
    few = service(msgspec.structs.replace(LOAD, series=2))
    few.train_due(clock.now)
    assert str(few.queries["load"].error) == "load: 3 series, more than its bound of 2"
