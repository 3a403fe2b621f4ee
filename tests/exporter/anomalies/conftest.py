"""A source that holds series in memory, a service on it, and a clock that a test moves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporter.anomalies.blocks import Labels, Points, ReadError, series_id
from exporter.anomalies.service import AnomalyService
from exporter.config.anomalies import AnomalyQuery, LearnedNormal, PrometheusServer, ResolvedQuery
from tests.exporter.conftest import Clock

STEP, DAY = 60.0, 86_400.0
#: Monday 2026-08-03 12:00 UTC, on the grid
NOW = 1_785_758_400.0


class Recorded:
    """Series as functions of time, on a grid of minutes. broken: what every read raises."""

    def __init__(self) -> None:
        self.series: dict[str, dict[str, tuple[Labels, Callable[[np.ndarray], np.ndarray]]]] = {}
        self.broken: ReadError | None = None
        self.reads: list[tuple[str, float, float]] = []
        self.gone: list[tuple[float, float]] = []
        #: by series: from when to when it alone has no points
        self.absent: dict[str, tuple[float, float]] = {}

    def add(self, expr: str, values: Callable[[np.ndarray], np.ndarray], **labels: str) -> str:
        """A series of an expression; its id."""
        identifier = series_id(labels)
        self.series.setdefault(expr, {})[identifier] = (labels, values)
        return identifier

    def check(self, query: ResolvedQuery, now: float) -> int:
        if self.broken:
            raise self.broken
        return len(self.series[query.expr])

    def range(
        self, expr: str, start: float, end: float, step: float, name: str, series: int = 1
    ) -> dict[str, tuple[Labels, Points]]:
        if self.broken:
            raise self.broken
        self.reads.append((expr, start, end))
        times = np.arange(start, end + step / 2, step)
        for begin, until in self.gone:
            times = times[(times < begin) | (times > until)]
        out = {}
        for key, (labels, values) in self.series.get(expr, {}).items():
            begin, until = self.absent.get(key, (np.inf, -np.inf))
            own = times[(times < begin) | (times > until)]
            out[key] = (labels, Points(own, values(own)))
        return out


def daily(times: np.ndarray, seed: int = 1) -> np.ndarray:
    """A load that follows the day, with noise that is the same whenever it is read."""
    noise = np.sin(times * 12.9898 + seed) * 43_758.5453
    return 50 + 20 * np.sin(2 * np.pi * times / DAY) + 4 * (noise - np.floor(noise) - 0.5)


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
def service(tmp_path: Path, clock: Clock, recorded: Recorded) -> Callable[..., AnomalyService]:
    """A service with these queries on the recorded series."""

    def build(*queries: AnomalyQuery, **other: Any) -> AnomalyService:
        server = PrometheusServer(url="http://prometheus.test:9090")
        config = LearnedNormal(prometheus=server, queries=queries, **other)
        return AnomalyService(config, tmp_path, source=recorded, clock=clock)

    return build


def run(service: AnomalyService, clock: Clock, minutes: int) -> None:
    """Let so many minutes pass, and look each minute."""
    for _ in range(minutes):
        clock.now += STEP
        service.tick(clock.now)


def exposed(service: AnomalyService) -> dict[str, list[tuple[dict[str, str], float]]]:
    """What it exposes, by full name."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for block in service.blocks():
        for samples in block.samples.values():
            for sample in samples:
                found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found
