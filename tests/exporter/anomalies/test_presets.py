"""The queries that come with the program."""

import pytest

from exporter import promql
from exporter.anomalies.presets import PRESETS
from exporter.config.anomalies import AnomalyQuery

QUERIES = [pytest.param(query, id=query.name) for queries in PRESETS.values() for query in queries]


@pytest.mark.parametrize("query", QUERIES)
def test_each_has_a_least_deviation_in_its_unit_and_as_a_share(query: AnomalyQuery) -> None:
    assert query.min_deviation
    assert query.min_deviation_ratio
    assert query.min_deviation_ratio < 1


@pytest.mark.parametrize("query", QUERIES)
def test_each_takes_no_counter_as_it_is_and_looks_back_on_four_scrapes(query: AnomalyQuery) -> None:
    promql.check(query.expr)
    assert promql.window(query.expr) in (0, 300)
