"""How the incidents of a query end otherwise than by becoming quiet: series that vanish, and people who say no."""

from collections.abc import Callable

import msgspec
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


def test_an_incident_that_people_say_is_none_ends_at_once(service: Build, recorded: Recorded, clock: Clock) -> None:
    watched = in_incident(service, recorded, clock)
    [found] = watched.log.newest_first()
    said = watched.confirm(found.id, False, "me")
    assert said is not None
    assert (said.confirmed, said.confirmed_by, said.ended_at) == (False, "me", NOW + 540)
    assert open_incidents(watched) == 0
    assert "vedette_anomaly_series_info" not in exposed(watched)


def test_what_is_left_of_a_dismissed_incident_opens_no_other_one_but_the_next_one_does(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    watched = in_incident(service, recorded, clock, end=NOW + 1800)
    [found] = watched.log.newest_first()
    watched.confirm(found.id, False, "me")
    run(watched, clock, 40)
    assert [one.id for one in watched.log.newest_first()] == [found.id]
    [(key, (labels, values))] = [
        (key, known) for key, known in recorded.series["load"].items() if known[0]["instance"] == "a"
    ]
    again = clock.now + 600
    recorded.series["load"][key] = (labels, lambda times: values(times) + np.where(times >= again, 60.0, 0.0))
    run(watched, clock, 20)
    assert len(watched.log.newest_first()) == 2
    assert open_incidents(watched) == 1


def test_a_restart_does_not_open_anew_what_was_dismissed(service: Build, recorded: Recorded, clock: Clock) -> None:
    first = in_incident(service, recorded, clock, end=NOW + 1800)
    [found] = first.log.newest_first()
    first.confirm(found.id, False, "me")
    run(first, clock, 5)
    second = service(LOAD)
    second.restore()
    run(second, clock, 40)
    [after] = second.log.newest_first()
    assert (after.id, after.ended_at, after.confirmed) == (found.id, NOW + 540, False)
    assert open_incidents(second) == 0
    assert after.dismissed is False  # its points have become quiet


def test_what_people_say_last_holds_when_the_dismissed_points_are_over(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    watched = in_incident(service, recorded, clock, end=NOW + 900)
    [found] = watched.log.newest_first()
    watched.confirm(found.id, False, "me")
    clock.now += 1
    watched.confirm(found.id, True, "you")
    run(watched, clock, 40)
    [after] = watched.log.newest_first()
    assert (after.confirmed, after.confirmed_by, after.dismissed) == (True, "you", False)


def test_a_dismissed_incident_keeps_no_baseline_from_being_swapped(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    watched = in_incident(service, recorded, clock)
    [found] = watched.log.newest_first()
    series = watched.queries["load"].series[found.series]
    before = series.ordinary
    watched.confirm(found.id, False, "me")
    watched.train("load")
    watched.train_due(clock.now)
    assert series.ordinary is not before
    run(watched, clock, 5)
    assert open_incidents(watched) == 0


def test_a_yes_or_what_is_said_of_an_old_incident_ends_nothing(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    watched = in_incident(service, recorded, clock)
    [found] = watched.log.newest_first()
    watched.confirm(found.id, True, "me")
    assert watched.confirm("another", False, "me") is None
    assert open_incidents(watched) == 1
    assert watched.log.newest_first()[0].ended_at is None


RATE = AnomalyQuery(name="rate", expr="rate(x_total[5m])", min_deviation=5)


def emptying(begin: float, target_is_back: float = NOW + 1e9) -> Callable[[np.ndarray], np.ndarray]:
    """A rate whose target was scraped for the last time at `begin`: its window empties."""

    def values(times: np.ndarray) -> np.ndarray:
        left = np.clip(1 - (times - begin) / 300, 0.2, 1.0)
        return daily(times) * np.where((times > begin) & (times < target_is_back), left, 1.0)

    return values


def test_a_target_that_goes_away_is_no_incident_while_its_window_empties(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    series = recorded.add(RATE.expr, emptying(NOW + 600), instance="a")
    recorded.add(RATE.expr, lambda times: daily(times, 2), instance="b")
    recorded.absent[series] = (NOW + 600 + 270, NOW + 1e9)
    watched = service(RATE)
    watched.train_due(clock.now)
    worst = 0.0
    for _ in range(40):
        run(watched, clock, 1)
        worst = max(worst, *(value for _, value in exposed(watched)["vedette_anomaly_score"]))
        assert open_incidents(watched) == 0
    assert worst > 3  # it is odd; nobody knows why at the time
    assert watched.log.newest_first() == []
    assert exposed(watched)["vedette_anomaly_incidents_total"] == [({"query": "rate"}, 0)]


def test_a_rate_that_is_odd_for_longer_than_its_window_is_an_incident(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    recorded.add(RATE.expr, high_until(NOW + 86_400), instance="a")
    watched = service(RATE)
    watched.train_due(clock.now)
    opened_after = next(minute for minute in range(1, 40) if not run(watched, clock, 1) and open_incidents(watched))
    assert opened_after == 6 + 2 + 5  # the first odd point is read; the third one; one window
    [found] = watched.log.newest_first()
    assert found.time == NOW + 300


def test_a_group_waits_for_the_window_of_its_members_as_well(service: Build, recorded: Recorded, clock: Clock) -> None:
    names = ("rate(one_total[5m])", "rate(two_total[5m])")
    for name in names:
        series = recorded.add(name, emptying(NOW + 600), instance="a")
    recorded.absent[series] = (NOW + 600 + 270, NOW + 1e9)
    watched = service(*(AnomalyQuery(name=name[5:8], expr=name, group="host", min_deviation=5) for name in names))
    for _ in names:
        watched.train_due(clock.now)
    run(watched, clock, 40)
    assert watched.log.newest_first() == []


def test_a_group_that_people_say_is_none_ends_at_once(service: Build, recorded: Recorded, clock: Clock) -> None:
    def apart(times: np.ndarray) -> np.ndarray:
        ordinary = 50 + 20 * np.sin(2 * np.pi * times / 86_400)
        return np.where(times < NOW + 300, daily(times), 2 * ordinary - daily(times))

    recorded.add("one", daily, instance="a")
    recorded.add("two", apart, instance="a")
    watched = service(*(AnomalyQuery(name=name, expr=name, group="host") for name in ("one", "two")))
    for _ in range(2):
        watched.train_due(clock.now)
    run(watched, clock, 40)
    named = {labels["query"]: labels["name"] for labels, _ in exposed(watched)["vedette_anomaly_series_info"]}
    assert named == {"one": "instance:a", "two": "instance:a"}
    [found] = watched.log.newest_first()
    said = watched.confirm(found.id, False, "me")
    assert said is not None
    assert said.ended_at is not None
    assert "vedette_anomaly_series_info" not in exposed(watched)
    run(watched, clock, 10)
    assert exposed(watched)["vedette_group_anomaly_incidents_open"] == [({"group": "host"}, 0)]
    assert len(watched.log.newest_first()) == 1


def test_a_group_that_is_no_more_in_the_configuration_stops_nothing(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    for name in ("one", "two"):
        recorded.add(name, daily, instance="a")
    grouped = tuple(AnomalyQuery(name=name, expr=name, group="host") for name in ("one", "two"))
    watched = service(*grouped)
    for _ in grouped:
        watched.train_due(clock.now)
    run(watched, clock, 5)
    watched.configure(msgspec.structs.replace(watched.config, queries=(AnomalyQuery(name="one", expr="one"),)))
    watched.train_due(clock.now)
    run(watched, clock, 5)
    assert watched.queries["one"].judged_until == clock.now - STEP
