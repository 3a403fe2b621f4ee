"""Samples into the counts of their models."""

from collections.abc import Callable
from typing import Any

from exporter.config import Config, Model
from exporter.counting import Samples
from exporter.delivery import Delivery
from exporter.formats.custom import CustomSample
from exporter.formats.drift import Report
from exporter.formats.inference import Sample
from exporter.models import Models

Build = Callable[..., Config]


def count(samples: Samples, models: Models, source: str, *pushed: Any) -> None:
    samples.count(Delivery(source=source, queries=(), received=1000.0, samples=pushed), models, None)


def test_each_kind_of_sample_is_counted_in_its_place(config: Build) -> None:
    models = Models(config(models=(Model(name="m"),)))
    samples = Samples(models.config)
    inferences = [Sample(model_id="m", model_type="llm", request_id=name, latency=5.0) for name in ("1", "2", "1")]
    count(samples, models, "inference", *inferences)
    assert models.of("m").health.inferences == 2
    report = Report(model_id="m", drift_type="data", severity="low", confidence=0.5, feature="age")
    count(samples, models, "drift", report)
    assert [[said["feature"], time] for said, time, _ in samples.reports.dump()] == [["age", 1000.0]]
    custom = [CustomSample(name="tickets", kind="counter", value=value) for value in (1.0, 2.0)]
    count(samples, models, "custom", *custom)
    assert [sample.value for family in samples.custom.metrics(1000.0) for sample in family.samples] == [3.0]
