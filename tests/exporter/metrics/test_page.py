"""The page of a scrape is bounded."""

from typing import Any

from prometheus_client import PlatformCollector

from exporter.config import Limits, Model
from exporter.metrics.collector import VedetteCollector
from tests.exporter.metrics.conftest import Build, page


def test_the_series_are_counted_and_bounded_a_model_at_a_time(config: Build, expose: Any) -> None:
    models = tuple(Model(name=f"m{n}") for n in range(5))
    full = page(expose(config(models=models)))
    assert full["series"] == len(full)
    exposed = expose(config(models=models, limits=Limits(series=len(full) - 1)))
    bounded = page(exposed)
    assert bounded["series"] == len(bounded) < len(full)
    assert bounded["series_dropped_total"] == len(full) - len(bounded)
    assert {name for name in full if 'model="m4"' in name} == set(full) - set(bounded)
    assert page(exposed)["series_dropped_total"] == 2 * (len(full) - len(bounded))


def test_the_series_of_the_process_count_too_and_are_never_left_out(config: Build, expose: Any) -> None:
    process = (PlatformCollector(registry=None),)
    full = list(VedetteCollector(expose(config()), process).collect())
    series = sum(len(family.samples) for family in full)
    for limit, has_models in ((series, True), (series - 1, False)):
        families = {
            family.name: family
            for family in VedetteCollector(expose(config(limits=Limits(series=limit))), process).collect()
        }
        assert "python_info" in families
        assert ("vedette_queries" in families) == has_models
        [exposed] = families["vedette_series"].samples
        assert exposed.value == sum(len(family.samples) for family in families.values()) <= limit
