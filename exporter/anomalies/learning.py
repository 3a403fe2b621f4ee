"""Learning a query: reads its past, and makes baselines of it, series by series."""

import logging
import time as clocks
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

import numpy as np

from detectors.series import Baseline
from detectors.series.contexts import LEAST_POINTS, without_season
from exporter.anomalies.blocks import Labels, Points, ReadError, after_gaps, floor, on_grid
from exporter.anomalies.events import Ranges
from exporter.anomalies.log import Span
from exporter.anomalies.series import ORDINARY
from exporter.anomalies.watched import VANISHED_STEPS, ContextsOf, Trained, TrainedSeries
from exporter.config.anomalies import ResolvedQuery

log = logging.getLogger(__name__)
#: newest points whose residuals are kept for a group: two days of minutes
RESIDUALS = 2880


class Source(Ranges, Protocol):
    """Where the points of a query come from."""

    def check(self, query: ResolvedQuery, now: float) -> int:
        """How many series it has now. Raises ReadError when it cannot be learned."""


class Stopped(Exception):
    """Learning was called off."""


def learn(
    query: ResolvedQuery,
    source: Source,
    now: float,
    past_seconds: float,
    range_seconds: float,
    contexts: ContextsOf,
    not_normal: Callable[[str], Sequence[Span]],
    pause: Callable[[], None] = lambda: None,
) -> Trained:
    """What the past of a query says of its series. Raises ReadError, also where too few points are there.

    past_seconds: how much of it; range_seconds: what one point looks back on. not_normal: spans of a series, by its
    id, that are no example. pause: called between series; what it raises ends the learning.
    """
    began = clocks.monotonic()
    count = source.check(query, now)
    end = floor(now - query.lag, query.step)
    start = floor(end - past_seconds, query.step) + query.step
    found = source.range(query.expr, start, end, query.step, query.name, count)
    if len(found) > query.series:
        found = _of_now(found, end - VANISHED_STEPS * query.step)
    if len(found) > query.series:
        raise ReadError("too_many_series", f"{query.name}: {len(found)} series, more than its bound of {query.series}")
    learned, most = {}, 0
    for identifier, (labels, raw) in found.items():
        pause()
        points = usable(raw, query.step, start - query.step, range_seconds)
        finite = int(np.isfinite(points.values).sum())
        most = max(most, finite)
        if finite >= query.min_points:
            baselines = baselines_of(points, query, contexts(points.times), not_normal(identifier))
            residuals = residuals_of(points, baselines[ORDINARY]) if query.group else None
            learned[identifier] = TrainedSeries(labels, baselines, finite, residuals)
    if not learned:
        text = f"{query.name}: warming up, {most} points of the {query.min_points} that a series needs"
        raise ReadError("too_few_points", text)
    version = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    return Trained(version, learned, end, now, clocks.monotonic() - began)


def _of_now(found: dict[str, tuple[Labels, Points]], since: float) -> dict[str, tuple[Labels, Points]]:
    """The series that have points since then: those of before the last deployment are not what is bounded."""
    return {key: one for key, one in found.items() if len(one[1].times) and one[1].times[-1] >= since}


def usable(raw: Points, step: float, after: float, range_seconds: float) -> Points:
    """The points on the grid, NaN where they say nothing."""
    points = on_grid(raw, step, after, Counter())
    gaps, _ = after_gaps(points, step, range_seconds)
    return Points(points.times, np.where(gaps | ~np.isfinite(points.values), np.nan, points.values))


def baselines_of(
    points: Points, query: ResolvedQuery, contexts: np.ndarray, not_normal: Sequence[Span]
) -> dict[str, Baseline]:
    """A baseline for ordinary times, and one for each context that is common enough.

    Raises ValueError when there is no ordinary point.
    """
    times, values = points
    is_example = np.isfinite(values)
    for span in not_normal:
        is_example &= (times < span.start) | (times > span.end)
    if not (is_example & (contexts == ORDINARY)).any():  # better what is odd than nothing
        is_example, contexts = np.isfinite(values), np.full(len(times), ORDINARY, dtype=object)
    out = {}
    for name in [ORDINARY, *sorted(set(contexts) - {ORDINARY})]:
        where = is_example & (contexts == name)
        if name == ORDINARY or where.sum() >= LEAST_POINTS:
            options = query.options if name == ORDINARY else without_season(query.options)
            out[name] = Baseline(options)
            out[name].learn(times[where], values[where])
    return out


def residuals_of(points: Points, baseline: Baseline) -> Points:
    """Values minus what is expected of them, of the newest points; the baseline learns nothing by it."""
    times, values = points.times[-RESIDUALS:], points.values[-RESIDUALS:]
    expected = baseline.judge(times, np.full(len(times), np.nan)).expected
    return Points(times, values - expected)


def described(labels: Labels) -> str:
    """A series for people: its labels, without those that say the same of all."""
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()) if name not in ("__name__", "job"))
