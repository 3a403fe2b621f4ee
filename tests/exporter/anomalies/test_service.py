"""Learned normal at work, over series in memory: from the first learning to incidents, through all that can fail."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from exporter.anomalies.anomaly import Anomaly
from exporter.anomalies.blocks import ReadError, series_id
from exporter.anomalies.events import Event
from exporter.anomalies.service import AnomalyService
from exporter.config.anomalies import AnomalyQuery, Context, LearnedNormal, PrometheusServer, Training
from tests.exporter.anomalies.conftest import DAY, NOW, STEP, Recorded, daily, exposed, run
from tests.exporter.conftest import Clock

Build = Callable[..., AnomalyService]
SERVER = PrometheusServer(url="http://prometheus.test:9090")
LOAD = AnomalyQuery(name="load", expr="load", min_deviation=5)


def with_load(begin: float, end: float, level: float = 30.0) -> Callable[[np.ndarray], np.ndarray]:
    """The daily load, so much higher from begin to end."""
    return lambda times: daily(times) + np.where((times >= begin) & (times <= end), level, 0.0)


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


def test_an_incident_that_people_were_told_of_goes_on_over_a_restart_that_took_long(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    recorded.add("load", with_load(NOW + 600, NOW + 5400))
    watched = service(LOAD)
    watched.train_due(clock.now)
    run(watched, clock, 20)
    assert watched.stop(1.0)
    clock.now += 1200
    again = service(LOAD)
    again.restore()
    for _ in range(10):
        run(again, clock, 1)
        assert [one.time for one in again.log.lasting()] == [NOW + 600]
    run(again, clock, 70)
    [found] = again.log.newest_first()
    assert (found.time, found.live, found.ended_at is None) == (NOW + 600, True, False)


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


def test_a_restart_goes_on_with_what_was_learned(service: Build, recorded: Recorded, clock: Clock) -> None:
    recorded.add("load", daily)
    first = service(LOAD)
    first.train_due(clock.now)
    run(first, clock, 5)
    second = service(LOAD)
    second.restore()
    assert second.queries["load"].version == first.queries["load"].version
    assert second.train_due(clock.now) is None
    run(second, clock, 5)
    run(first, clock, 0)
    first.tick(clock.now)
    score = exposed(second)["vedette_anomaly_score"]
    assert score == exposed(first)["vedette_anomaly_score"]


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


def test_a_query_over_its_budget_mutes_itself(service: Build, recorded: Recorded, clock: Clock) -> None:
    recorded.add("load", with_load(NOW + 600, NOW + 1200))
    watched = service(LOAD, incidents_per_week=1)
    watched.train_due(clock.now)
    run(watched, clock, 30)
    assert exposed(watched)["vedette_anomaly_muted"] == [({"query": "load"}, 0)]
    [found] = watched.log.newest_first()
    watched.log.put(type(found)(**{**{f: getattr(found, f) for f in found.__struct_fields__}, "id": "another"}))
    assert exposed(watched)["vedette_anomaly_muted"] == [({"query": "load"}, 1)]


def test_each_night_it_learns_anew(service: Build, recorded: Recorded, clock: Clock) -> None:
    recorded.add("load", daily)
    watched = service(LOAD, training=Training(at="02:00", spread=60.0))
    watched.train_due(clock.now)
    assert watched.train_due(NOW + 13.9 * 3600) is None
    assert watched.train_due(NOW + 14.1 * 3600) == "load"
    assert len(watched.versions("load")) == 2


def test_the_series_own_labels_are_on_a_page_of_their_own(service: Build, recorded: Recorded, clock: Clock) -> None:
    series = recorded.add("load", daily, __name__="load", instance="a", query="x")
    watched = service(LOAD)
    watched.train_due(clock.now)
    run(watched, clock, 3)
    [sample] = next(iter(watched.labelled())).samples
    assert sample.labels == {"instance": "a", "exported_query": "x", "query": "load", "series": series}


def test_members_that_are_odd_only_together_are_found_and_named(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    def same(times: np.ndarray) -> np.ndarray:
        return daily(times, 1)

    def apart(times: np.ndarray) -> np.ndarray:
        usual = daily(times, 1)
        ordinary = 50 + 20 * np.sin(2 * np.pi * times / DAY)
        return np.where(times < NOW + 600, usual, 2 * ordinary - usual)

    queries = [AnomalyQuery(name=name, expr=name, group="host") for name in ("one", "two")]
    recorded.add("one", same, instance="a")
    recorded.add("two", apart, instance="a")
    watched = service(*queries)
    watched.train_due(clock.now)
    watched.train_due(clock.now)
    run(watched, clock, 10)
    [(labels, before)] = exposed(watched)["vedette_group_anomaly_score"]
    assert labels == {"group": "host"}
    assert before < 1
    run(watched, clock, 20)
    run(watched, clock, 20)
    assert exposed(watched)["vedette_group_anomaly_incidents_open"] == [({"group": "host"}, 1)]
    shares = [value for _, value in exposed(watched)["vedette_group_anomaly_member_ratio"]]
    assert len(shares) == 2
    assert abs(sum(shares) - 1) < 0.01
    [found] = watched.log.newest_first()  # neither is odd by itself
    assert (found.metric, found.labels, found.algorithm) == ("group:host", {"instance": "a"}, "group")
    assert found.time >= NOW + 600
    assert len(found.explanation["members"]) == 2
    assert found.explanation["sentence"].endswith("do not go together as they did")


def together(watched: AnomalyService, clock: Clock) -> Anomaly:
    """The incident of a group of which one member is odd."""
    while watched.train_due(clock.now):
        pass
    run(watched, clock, 20)
    [found] = watched.log.lasting("group:box")
    return found


def test_the_incident_of_a_group_goes_on_over_a_restart(service: Build, recorded: Recorded, clock: Clock) -> None:
    for name, begin in (("load", NOW + 600), ("other", NOW + DAY)):
        recorded.add(name, with_load(begin, NOW + 5400), instance="a")
    queries = [AnomalyQuery(name=name, expr=name, min_deviation=5, group="box") for name in recorded.series]
    first = service(*queries)
    begun = together(first, clock)
    again = service(*queries)
    again.restore()
    run(again, clock, 10)
    assert [one.id for one in again.log.lasting("group:box")] == [begun.id]
    assert exposed(again)["vedette_group_anomaly_incidents_open"] == [({"group": "box"}, 1)]
    run(again, clock, 80)
    [found] = [one for one in again.log.newest_first() if one.metric == "group:box"]
    assert (found.id, found.time) == (begun.id, begun.time)
    assert found.ended_at is not None


def test_what_people_said_is_no_incident_of_a_group_stays_none_over_a_restart(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    for name, begin in (("load", NOW + 600), ("other", NOW + DAY)):
        recorded.add(name, with_load(begin, NOW + 5400), instance="a")
    queries = [AnomalyQuery(name=name, expr=name, min_deviation=5, group="box") for name in recorded.series]
    first = service(*queries)
    begun = together(first, clock)
    first.confirm(begun.id, False, "me")
    ended = first.log.get(begun.id)
    assert ended is not None
    assert (ended.ended_at, ended.confirmed) == (NOW + 19 * STEP, False)
    again = service(*queries)
    again.restore()
    run(again, clock, 90)
    [found] = [one for one in again.log.newest_first() if one.metric == "group:box"]
    assert (found.id, found.ended_at, found.dismissed) == (begun.id, ended.ended_at, False)


def test_the_incident_of_a_group_whose_place_does_not_come_back_ends(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    for name, begin in (("load", NOW + 600), ("other", NOW + DAY)):
        recorded.add(name, with_load(begin, NOW + 5400), instance="a")
        recorded.add(name, daily, instance="b")
    queries = [AnomalyQuery(name=name, expr=name, min_deviation=5, group="box") for name in recorded.series]
    begun = together(service(*queries), clock)
    recorded.absent[series_id({"instance": "a"})] = (clock.now, NOW + DAY)
    again = service(*queries)
    again.restore()
    run(again, clock, 10)
    found = again.log.get(begun.id)
    assert found is not None
    assert found.ended_at is not None


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


def test_a_version_that_was_gone_back_to_holds_over_a_restart_until_the_next_night(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    recorded.add("load", daily)
    night = Training(at="02:00", spread=60.0)
    watched = service(LOAD, training=night)
    watched.train_due(clock.now)
    clock.now += DAY
    watched.train_due(clock.now)
    first, second = watched.versions("load")
    watched.roll_back("load", first)
    for _ in range(2):
        watched = service(LOAD, training=night)
        watched.restore()
        assert watched.queries["load"].version == first
        assert watched.train_due(clock.now + 60) is None
    assert watched.train_due(clock.now + DAY) == "load"
    third = service(LOAD, training=night)
    third.restore()
    assert third.queries["load"].version not in (first, second)


def test_after_a_restart_an_incident_was_told_once_and_does_not_last_for_ever(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    recorded.add("load", with_load(NOW + 600, NOW + 1500))
    first = service(LOAD)
    first.train_due(clock.now)
    run(first, clock, 20)
    [before] = first.log.newest_first()
    assert before.ended_at is None
    second = service(LOAD)
    second.restore()
    clock.now += 7200
    run(second, clock, 5)
    [after] = second.log.newest_first()
    assert (after.id, after.live) == (before.id, True)
    assert after.ended_at is not None
    assert exposed(second)["vedette_anomaly_incidents_week"] == [({"query": "load"}, 1)]


def test_a_restart_knows_the_course_of_the_series(service: Build, recorded: Recorded, clock: Clock) -> None:
    series = recorded.add("load", daily, instance="a")
    first = service(LOAD)
    first.train_due(clock.now)
    run(first, clock, 61)
    first.stop(1.0)
    known = list(first.queries["load"].series[series].course)
    second = service(LOAD)
    second.restore()
    assert list(second.queries["load"].series[series].course) == known
    run(second, clock, 20)
    times = [point.time for point in second.queries["load"].series[series].course]
    assert np.diff(times).tolist() == [300] * (len(known) + 3)


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


def test_a_reload_ends_the_incidents_of_queries_that_are_gone_or_others_now(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    names = ("gone", "other", "same")
    for name in names:
        recorded.add(name, with_load(NOW + 600, NOW + 7200))
    queries = [AnomalyQuery(name=name, expr=name, min_deviation=5) for name in names]
    watched = service(*queries)
    while watched.train_due(clock.now):
        pass
    run(watched, clock, 20)
    assert len(watched.log.lasting()) == 3
    other = msgspec.structs.replace(queries[1], min_deviation=6)
    watched.configure(msgspec.structs.replace(watched.config, queries=(other, queries[2])))
    assert [one.metric for one in watched.log.lasting()] == ["same"]
    assert {one.ended_at for one in watched.log.newest_first() if one.metric != "same"} == {NOW + 19 * STEP}


def test_a_reload_keeps_what_groups_know_and_ends_groups_that_are_gone(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    for name, begin in (("load", NOW + 600), ("other", NOW + DAY)):
        recorded.add(name, with_load(begin, NOW + 7200), instance="a")
    queries = [AnomalyQuery(name=name, expr=name, min_deviation=5, group="box") for name in recorded.series]
    watched = service(*queries)
    while watched.train_due(clock.now):
        pass
    run(watched, clock, 20)
    [begun] = watched.log.lasting("group:box")
    watched.configure(msgspec.structs.replace(watched.config, history_step=600.0))
    run(watched, clock, 5)
    assert [one.id for one in watched.log.lasting("group:box")] == [begun.id]
    alone = tuple(msgspec.structs.replace(query, group=None) for query in queries)
    watched.configure(msgspec.structs.replace(watched.config, queries=alone))
    [ended] = [one for one in watched.log.newest_first() if one.metric == "group:box"]
    assert (ended.id, ended.ended_at) == (begun.id, NOW + 24 * STEP)


def test_a_query_that_was_mended_does_not_wait_for_what_was_wrong_with_it(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    recorded.add("load", daily)
    watched = service(LOAD)
    recorded.broken = ReadError("expression", "load: it is no expression")
    for _ in range(60):
        watched.train_due(clock.now)
        clock.now += 600
    recorded.broken = None
    assert watched.train_due(clock.now) is None
    watched.configure(msgspec.structs.replace(watched.config, queries=(msgspec.structs.replace(LOAD, min_points=99),)))
    assert watched.train_due(clock.now) == "load"
    assert watched.queries["load"].is_ready


def test_after_the_clock_was_set_back_an_hour_it_goes_on_at_once(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    recorded.add("load", with_load(NOW + 2400, NOW + 4200))
    watched = service(LOAD)
    watched.train_due(clock.now)
    run(watched, clock, 10)
    recorded.gone.append((clock.now, NOW + DAY))  # the clock is ahead of what the server has
    clock.now += 3600
    run(watched, clock, 10)
    recorded.gone.clear()
    clock.now -= 3600
    run(watched, clock, 50)
    [found] = watched.log.newest_first()
    assert (found.time, found.live) == (NOW + 2400, True)


def test_a_clock_far_behind_the_points_shows_none_of_them_as_fresh(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    recorded.add("load", daily)
    watched = service(LOAD)
    watched.train_due(clock.now)
    run(watched, clock, 10)
    clock.now -= 3600
    run(watched, clock, 10)
    assert "vedette_anomaly_score" not in exposed(watched)
    run(watched, clock, 55)
    assert "vedette_anomaly_score" in exposed(watched)
    assert watched.log.newest_first() == []


def test_a_restart_under_a_clock_that_was_set_back_reads_on_at_once(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    recorded.add("load", daily)
    clock.now += 3600
    watched = service(LOAD)
    watched.train_due(clock.now)
    run(watched, clock, 10)
    assert watched.stop(1.0)
    clock.now = NOW
    again = service(LOAD)
    again.restore()
    run(again, clock, 3)
    assert exposed(again)["vedette_anomaly_last_point_timestamp_seconds"] == [({"query": "load"}, NOW + 120)]
    assert "vedette_anomaly_score" in exposed(again)


def test_the_incident_of_a_group_goes_on_when_a_member_goes(service: Build, recorded: Recorded, clock: Clock) -> None:
    for name, begin in (("load", NOW + 600), ("other", NOW + DAY), ("third", NOW + DAY)):
        recorded.add(name, with_load(begin, NOW + 9000), instance="a")
    watched = service(*(AnomalyQuery(name=name, expr=name, min_deviation=5, group="box") for name in recorded.series))
    begun = together(watched, clock)
    recorded.add("third", daily, instance="b")
    del recorded.series["third"][series_id({"instance": "a"})]
    assert watched.train("third")
    watched.train_due(clock.now)
    run(watched, clock, 10)
    assert [one.id for one in watched.log.lasting("group:box")] == [begun.id]


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


def test_a_clock_that_is_set_by_seconds_makes_no_pause(service: Build, recorded: Recorded, clock: Clock) -> None:
    known = recorded.add("load", with_load(NOW + 1260, NOW + 3600))
    recorded.absent[known] = (NOW + 300, NOW + 1200)
    watched = service(LOAD)
    watched.train_due(clock.now)
    run(watched, clock, 20)
    watched.tick(clock.now - 2)
    run(watched, clock, 20)
    [found] = watched.log.newest_first()
    assert (found.time, found.live) == (NOW + 1260, True)
