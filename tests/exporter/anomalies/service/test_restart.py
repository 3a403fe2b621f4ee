"""Learned normal over a restart."""

import numpy as np

from exporter.config.anomalies import Training
from tests.exporter.anomalies.conftest import DAY, NOW, Recorded, daily, exposed, run
from tests.exporter.anomalies.service.conftest import LOAD, Build, with_load
from tests.exporter.conftest import Clock


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
