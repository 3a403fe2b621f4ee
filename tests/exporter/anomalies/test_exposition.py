"""Learned series as metrics."""

from collections.abc import Callable

import numpy as np

from exporter.anomalies.exposition import shown
from exporter.anomalies.service import AnomalyService
from exporter.config.anomalies import AnomalyQuery
from exporter.metrics.families import FAMILIES, PREFIX
from tests.exporter.anomalies.conftest import NOW, Recorded, daily, exposed, run
from tests.exporter.conftest import Clock

Build = Callable[..., AnomalyService]
LEARNED = ("anomaly_", "baseline_", "group_anomaly_")


def high(times: np.ndarray) -> np.ndarray:
    return daily(times) + np.where(times > NOW + 300, 40.0, 0.0)


def test_every_family_of_learned_series_is_there_when_everything_has_happened(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    for name in ("one", "two"):
        recorded.add(name, high, instance="a")
    watched = service(*(AnomalyQuery(name=name, expr=name, group="host") for name in ("one", "two")))
    for _ in range(2):
        watched.train_due(clock.now)
    run(watched, clock, 12)
    watched.train("one")
    watched.train_due(clock.now)
    found = next(one for one in watched.log.newest_first() if one.metric == "one")
    watched.log.confirm(found.id, True, None, clock.now)
    families = {family.name: set(family.labels) for family in FAMILIES if family.name.startswith(LEARNED)}
    page = exposed(watched)
    assert set(page) == {PREFIX + name for name in families}
    for name, labels in families.items():
        assert all(set(found) == labels for found, _ in page[PREFIX + name]), name


def test_a_value_that_is_no_number_is_not_exposed(service: Build, recorded: Recorded, clock: Clock) -> None:
    recorded.add("x", lambda times: np.where(times > NOW, np.nan, daily(times)))
    watched = service(AnomalyQuery(name="x", expr="x"))
    watched.train_due(clock.now)
    run(watched, clock, 3)
    page = exposed(watched)
    assert {"vedette_anomaly_value", "vedette_anomaly_score"} & set(page) == set()
    assert {"vedette_anomaly_lower", "vedette_anomaly_upper"} <= set(page)


def test_labels_of_the_series_are_names_that_every_prometheus_takes_and_each_once(
    service: Build, recorded: Recorded, clock: Clock
) -> None:
    theirs = {"__name__": "x", "a.b": "1", "a_b": "2", "query": "3", "exported_query": "4", "ü": "5", "0": "6"}
    identifier = recorded.add("load", daily, **theirs)
    watched = service(AnomalyQuery(name="load", expr="load"))
    watched.train_due(clock.now)
    run(watched, clock, 2)
    [sample] = next(family for family in watched.labelled() if family.name == "vedette_anomaly_score").samples
    assert sample.labels == {
        "a_b": "2",
        "exported_a_b": "1",
        "exported_query": "4",
        "exported_exported_query": "3",
        "_": "5",
        "_0": "6",
        "query": "load",
        "series": identifier,
    }


def test_the_name_of_a_series_has_no_character_that_could_do_harm() -> None:
    assert shown({"instance": "a:9100", "device": '<b>"x"</b>', "job": "node"}) == "device:_b__x__/b_/instance:a:9100"
    assert shown({}) == "-"
