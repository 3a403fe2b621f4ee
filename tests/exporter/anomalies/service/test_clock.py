"""Learned normal under a clock that is set."""

from tests.exporter.anomalies.conftest import DAY, NOW, Recorded, daily, exposed, run
from tests.exporter.anomalies.service.conftest import LOAD, Build, with_load
from tests.exporter.conftest import Clock


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
