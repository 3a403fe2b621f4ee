"""What the tests of `/metrics` share: what is exposed, and the page of it."""

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from detectors import Query
from exporter.access.gate import Counts
from exporter.canary import Canary
from exporter.config import Config
from exporter.delivery import Delivery
from exporter.metrics.collector import VedetteCollector
from exporter.metrics.exposed import Exposed
from exporter.metrics.families import PREFIX
from exporter.models import Models
from exporter.pipeline import Pipeline
from exporter.sources.counts import IntakeCounts
from tests.exporter.conftest import Clock, samples
from tests.exporter.traffic import WARM_UP, natural, repeats

Build = Callable[..., Config]


class Files:
    """A drop directory that counted something."""

    read, failed = 3, {"malformed": 1, "unreadable": 0}

    def pending(self) -> int:
        return 2


class Gate:
    """A gate that kept somebody out."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.counts.failures["revoked"], self.counts.rate_limited = 3, 2


@pytest.fixture
def expose(clock: Clock) -> Callable[..., Exposed]:
    def build(config: Config, **other: Any) -> Exposed:
        pipeline = Pipeline(Models(config), 50_000, 1 << 20, clock)
        intake = {"push": IntakeCounts(), "detect": IntakeCounts()}
        canary = Canary(pipeline, config.limits, clock)
        return Exposed(config=config, pipeline=pipeline, intake=intake, canary=canary, clock=clock, **other)

    return build


def registry(exposed: Exposed) -> CollectorRegistry:
    made = CollectorRegistry(auto_describe=False)
    made.register(VedetteCollector(exposed))
    return made


def page(exposed: Exposed) -> dict[str, float]:
    """The samples without the prefix."""
    found = samples(generate_latest(registry(exposed)).decode())
    assert all(name.startswith(PREFIX) for name in found)
    return {name.removeprefix(PREFIX): value for name, value in found.items()}


def judge(exposed: Exposed, *queries: Query, source: str = "push", received: float = 1_000_000.0) -> None:
    exposed.pipeline.judge([Delivery(source=source, queries=list(queries), received=received)])


def attack(exposed: Exposed) -> None:
    """What it takes to get a client into alarm."""
    judge(exposed, *[to_query(event) for event in natural(WARM_UP)])
    judge(exposed, *[to_query(event) for event in repeats(12)])


def to_query(event: dict[str, Any]) -> Query:
    return Query(event["input"], event["output"], id=event["id"], client=event["client"])
