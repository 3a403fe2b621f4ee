"""`/metrics`: collecting and rendering, next to rendering the same families alone."""

import time

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from bench.row import Row, in_turns
from detectors import Query
from exporter.canary import Canary
from exporter.config import Config, DetectorConfig, Limits, Model
from exporter.delivery import Delivery
from exporter.memory import settle
from exporter.metrics.collector import VedetteCollector
from exporter.metrics.exposed import Exposed
from exporter.models import Models
from exporter.pipeline import Pipeline

ROUNDS = 9


class _Fixed(Collector):
    """The same families every time."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _exposed(series: int) -> Exposed:
    """A page of about so many series: as many models with one detector as it takes."""
    detectors = (DetectorConfig(name="confidence"),)
    models = tuple(Model(name=f"model-{number}", detectors=detectors) for number in range(max(series // 34, 1)))
    config = Config(models=models, limits=Limits(models=10_000, series=1_000_000))
    pipeline = Pipeline(Models(config), 1_000_000, 1 << 30)
    for model in models:
        query = Query("hello", [0.7, 0.2, 0.1], id="q", model=model.name)
        pipeline.judge([Delivery(source="push", queries=[query], received=1.0)])
    return Exposed(config=config, pipeline=pipeline, intake={}, canary=Canary(pipeline, config.limits))


def _milliseconds(registry: CollectorRegistry) -> float:
    begun = time.process_time()
    generate_latest(registry)
    return (time.process_time() - begun) * 1e3


def rows() -> list[Row]:
    """Milliseconds of CPU a scrape, as a multiple of rendering alone."""
    settle()  # as the exporter does
    found = []
    for series in (1_000, 20_000):
        collector = VedetteCollector(_exposed(series))
        ours, alone = CollectorRegistry(auto_describe=False), CollectorRegistry(auto_describe=False)
        ours.register(collector)
        families = list(collector.collect())
        alone.register(_Fixed(families))
        pairs = [(_milliseconds(ours), _milliseconds(alone)) for _ in range(ROUNDS)]
        count = sum(len(family.samples) for family in families)
        name, limit_of = f"/metrics with {count:,} series", "generate_latest alone"
        figures, limits = zip(*pairs, strict=True)
        found.append(in_turns(name, "ms/scrape", figures, limits, limit_of=limit_of, target_ratio=1.3))
    return found
