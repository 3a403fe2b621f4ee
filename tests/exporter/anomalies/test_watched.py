"""How the incidents of a query end otherwise than by becoming quiet: series that vanish, and people who say no."""

from collections.abc import Callable

import numpy as np

from exporter.anomalies.blocks import ReadError
from exporter.anomalies.service import AnomalyService
from exporter.config.anomalies import AnomalyQuery
from tests.exporter.anomalies.conftest import NOW, STEP, Recorded, daily, exposed, run
from tests.exporter.conftest import Clock

Build = Callable[..., AnomalyService]
LOAD = AnomalyQuery(name="load", expr="load", min_deviation=5)


def high_until(end: float) -> Callable[[np.ndarray], np.ndarray]:
    """Too high from the sixth minute on, up to `end`."""
    return lambda times: daily(times) + np.where((times >= NOW + 300) & (times <= end), 30.0, 0.0)


def open_incidents(service: AnomalyService) -> float:
    [(_, count)] = exposed(service)["vedette_anomaly_incidents_open"]
    return count


def in_incident(service: Build, recorded: Recorded, clock: Clock, end: float = NOW + 86_400) -> AnomalyService:
    """A service whose query has an incident since the sixth minute; it is now the tenth."""
    recorded.add("load", high_until(end), instance="a")
    recorded.add("load", lambda times: daily(times, 2), instance="ordinary")
    watched = service(LOAD)
    watched.train_due(clock.now)
    run(watched, clock, 10)
    assert open_incidents(watched) == 1
    return watched


def vanish(recorded: Recorded, begin: float, end: float = NOW + 1e9) -> None:
    """The odd series has no points from `begin` to `end`; the other one goes on."""
    for key, (labels, _) in recorded.series["load"].items():
        if labels["instance"] == "a":
            recorded.absent[key] = (begin, end)


def test_the_incident_of_a_series_that_has_vanished_ends_with_its_last_point(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    watched = in_incident(service, recorded, clock)
    vanish(recorded, NOW + 600)
    run(watched, clock, 2)
    assert open_incidents(watched) == 1  # two points are missing: that happens
    run(watched, clock, 1)
    assert open_incidents(watched) == 0
    [found] = watched.log.newest_first()
    assert found.ended_at == NOW + 540


def test_no_incident_is_open_whose_series_is_absent_from_the_page(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    watched = in_incident(service, recorded, clock)
    vanish(recorded, NOW + 600)
    for _ in range(10):
        run(watched, clock, 1)
        scored = len(exposed(watched)["vedette_anomaly_score"])
        assert open_incidents(watched) <= scored - 1


def test_a_series_that_missed_two_points_goes_on_with_its_incident(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    watched = in_incident(service, recorded, clock)
    vanish(recorded, NOW + 600, NOW + 660)
    run(watched, clock, 10)
    [found] = watched.log.newest_first()
    assert found.ended_at is None
    assert open_incidents(watched) == 1


def test_a_query_of_which_nothing_is_left_has_no_incident(service: Build, recorded: Recorded, clock: Clock) -> None:
    watched = in_incident(service, recorded, clock)
    recorded.gone.append((NOW + 600, NOW + 1e9))
    run(watched, clock, 5)
    assert open_incidents(watched) == 0


def test_while_prometheus_is_away_an_incident_neither_ends_nor_begins(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    watched = in_incident(service, recorded, clock)
    recorded.broken = ReadError("unreachable", "it is down")
    run(watched, clock, 30)
    assert open_incidents(watched) == 1
    assert watched.log.newest_first()[0].ended_at is None


def test_an_incident_whose_series_vanished_while_nobody_looked_ends_after_a_restart(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    first = in_incident(service, recorded, clock)
    [found] = first.log.newest_first()
    vanish(recorded, NOW + 600)
    second = service(LOAD)
    second.restore()
    assert open_incidents(second) == 1
    run(second, clock, 5)
    assert open_incidents(second) == 0
    [after] = second.log.newest_first()
    assert (after.id, after.ended_at) == (found.id, NOW + 540)


def test_the_incident_of_a_place_whose_members_have_vanished_ends_as_well(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    def apart(times: np.ndarray) -> np.ndarray:
        ordinary = 50 + 20 * np.sin(2 * np.pi * times / 86_400)
        return np.where(times < NOW + 300, daily(times), 2 * ordinary - daily(times))

    for instance in ("a", "b"):
        recorded.add("one", daily, instance=instance)
        recorded.add("two", apart if instance == "a" else daily, instance=instance)
    watched = service(*(AnomalyQuery(name=name, expr=name, group="host") for name in ("one", "two")))
    for _ in range(2):
        watched.train_due(clock.now)
    for _ in range(30):
        run(watched, clock, 1)
        if exposed(watched)["vedette_group_anomaly_incidents_open"] == [({"group": "host"}, 1)]:
            break
    last = clock.now - STEP
    for key, (labels, _) in [*recorded.series["one"].items()]:
        if labels["instance"] == "a":
            recorded.absent[key] = (clock.now, NOW + 1e9)
    run(watched, clock, 4)
    assert exposed(watched)["vedette_group_anomaly_incidents_open"] == [({"group": "host"}, 0)]
    [found] = [one for one in watched.log.newest_first() if one.metric == "group:host"]
    assert found.ended_at == last
