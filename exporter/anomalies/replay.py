"""The past as if it had been watched: learned each day from what was before, and what would have been found."""

from collections.abc import Callable, Iterator

import numpy as np

from exporter.anomalies.anomaly import Anomaly
from exporter.anomalies.blocks import Labels, Points, ReadError, floor
from exporter.anomalies.learning import Source, learn
from exporter.anomalies.log import AnomalyLog
from exporter.anomalies.watched import WatchedQuery, ordinary_times
from exporter.learned_config import DAY, LearnedNormal, ResolvedQuery
from exporter.promql import window


class Past:
    """What was read of a query once, to be read again in parts."""

    def __init__(self, series: dict[str, tuple[Labels, Points]]) -> None:
        self._series = series

    def check(self, query: ResolvedQuery, now: float) -> int:
        """How many series there are."""
        return len(self._series)

    def range(
        self, expr: str, start: float, end: float, step: float, name: str, series: int = 1
    ) -> dict[str, tuple[Labels, Points]]:
        """The points from start to end of the series that have any."""
        out = {}
        for identifier, (labels, points) in self._series.items():
            first, last = np.searchsorted(points.times, [start, end + step / 2]).tolist()
            if last > first:
                out[identifier] = (labels, Points(points.times[first:last], points.values[first:last]))
        return out


def replay(
    query: ResolvedQuery,
    config: LearnedNormal,
    source: Source,
    days: float,
    now: float,
    progress: Callable[[float], None] = lambda done: None,
) -> list[Anomaly]:
    """What the query would have found in the last days, the oldest first. Events and groups are left out.

    progress: told the share that is done. Raises ReadError, also where the past has too few points to learn from.
    """
    past, end = config.training.window, floor(now - query.lag, query.step)
    begin = floor(end - days * DAY, query.step)
    series = source.check(query, now)
    known = Past(source.range(query.expr, begin - past, end, query.step, query.name, series))
    log = AnomalyLog()
    watched = WatchedQuery(query, window(query.expr), config.history_step, log.put)
    last: ReadError | None = None
    for first in _days(begin, end):
        last = _live_through(watched, known, config, first, min(first + DAY, end)) or last
        progress((min(first + DAY, end) - begin) / (end - begin))
    if not watched.is_ready and last is not None:
        raise last
    return log.newest_first()[::-1]


def _days(begin: float, end: float) -> Iterator[float]:
    first = begin
    while first < end:
        yield first
        first += DAY


def _live_through(
    watched: WatchedQuery, known: Past, config: LearnedNormal, first: float, last: float
) -> ReadError | None:
    """Learn from what was before `first`, and judge up to `last`; returns why nothing could be learned."""
    query, error = watched.config, None
    try:
        trained = learn(
            query,
            known,
            first + query.lag,
            config.training.window,
            watched.window,
            ordinary_times,
            lambda series: (),
        )
        watched.swap(trained, first)
    except ReadError as failed:
        error = failed
    if watched.is_ready and watched.read_until is not None:
        block = known.range(query.expr, watched.read_until + query.step, last, query.step, query.name)
        watched.take(block, last, ordinary_times, live=True)
    return error
