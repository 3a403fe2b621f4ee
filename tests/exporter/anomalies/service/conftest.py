"""A query with a load, and series in which it is higher for a while."""

from collections.abc import Callable

import numpy as np

from exporter.anomalies.service import AnomalyService
from exporter.config.anomalies import AnomalyQuery, PrometheusServer
from tests.exporter.anomalies.conftest import daily

Build = Callable[..., AnomalyService]
SERVER = PrometheusServer(url="http://prometheus.test:9090")
LOAD = AnomalyQuery(name="load", expr="load", min_deviation=5)


def with_load(begin: float, end: float, level: float = 30.0) -> Callable[[np.ndarray], np.ndarray]:
    """The daily load, so much higher from begin to end."""
    return lambda times: daily(times) + np.where((times >= begin) & (times <= end), level, 0.0)
