"""Learned normal over a reload of the configuration."""

import msgspec

from exporter.anomalies.blocks import ReadError
from exporter.config.anomalies import AnomalyQuery
from tests.exporter.anomalies.conftest import NOW, STEP, Recorded, daily, run
from tests.exporter.anomalies.service.conftest import LOAD, Build, with_load
from tests.exporter.conftest import Clock


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
