"""Several series judged together, at work."""

import msgspec
import numpy as np

from exporter.anomalies.anomaly import Anomaly
from exporter.anomalies.blocks import series_id
from exporter.anomalies.service import AnomalyService
from exporter.config.anomalies import AnomalyQuery
from tests.exporter.anomalies.conftest import DAY, NOW, STEP, Recorded, daily, exposed, run
from tests.exporter.anomalies.service.conftest import Build, with_load
from tests.exporter.conftest import Clock


def together(watched: AnomalyService, clock: Clock) -> Anomaly:
    """The incident of a group of which one member is odd."""
    while watched.train_due(clock.now):
        pass
    run(watched, clock, 20)
    [found] = watched.log.lasting("group:box")
    return found


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
