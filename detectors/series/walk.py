"""A walk through a history as if it were live: learn, judge, refresh each night, never looking ahead."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from detectors.series.baseline import Baseline
from detectors.series.hold import Hold
from detectors.series.judgement import Judgement, joined
from detectors.series.options import SeriesOptions
from detectors.series.season import DAY

#: a walk judges after this share of its points, or after so many, whichever comes first
WARM_UP_SHARE, WARM_UP_POINTS = 0.15, 750
#: points that are learned from
HISTORY_POINTS = 40_320


class Walked(NamedTuple):
    """Consecutive points of a walk: the first one's position, their judgement and their scores after the hold."""

    start: int
    judgement: Judgement
    incident_scores: np.ndarray


def warm_up(points: int) -> int:
    """Points that are only learned from."""
    return min(int(WARM_UP_SHARE * points), WARM_UP_POINTS)


def walk(times: np.ndarray, values: np.ndarray, options: SeriesOptions | None = None) -> Iterator[Walked]:
    """Judge all points behind the warm-up, a day at a time; the baseline looks at the past again before each day.

    times: seconds since 1970, float64 (n,), never falling. values: float64 (n,), not finite where there is none.
    A point's judgement depends on it and on those before it alone.
    """
    options = options or SeriesOptions()
    known = np.flatnonzero(np.isfinite(values))
    # with nothing to learn from, nothing can be judged
    start = max(warm_up(len(times)), int(known[0]) + 1) if len(known) else len(times)
    baseline, hold = Baseline(options), Hold(options.hold_points)
    while start < len(times):
        end = max(int(np.searchsorted(times, times[start] + DAY)), start + 1)
        past = slice(max(0, start - HISTORY_POINTS), start)
        baseline.refresh(times[past], values[past])
        judgement = baseline.judge(times[start:end], values[start:end])
        yield Walked(start, judgement, np.array([hold.step(score) for score in judgement.score.tolist()]))
        start = end


def walked(times: np.ndarray, values: np.ndarray, options: SeriesOptions | None = None) -> tuple[Judgement, np.ndarray]:
    """The whole walk at once: the judgement of all points behind the warm-up, and their scores after the hold."""
    parts = list(walk(times, values, options))
    return joined([part.judgement for part in parts]), np.concatenate([part.incident_scores for part in parts])
