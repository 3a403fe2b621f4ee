"""What is read of a query, as arrays: the points of each of its series on the query's grid.

The grid are the multiples of the step since 1970: what is learned from and what is judged stand on the same one,
whenever it was asked for.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from exporter.promql import CounterError, ExpressionError, check

Labels = dict[str, str]
#: why a point was not judged: the closed set of the label `reason`
SKIP_REASONS = ("after_gap", "duplicate", "late", "not_finite", "off_grid", "warming_up")


class Points(NamedTuple):
    """The points of one series. times: seconds since 1970, ascending, float64 (n,); values: float64 (n,)."""

    times: np.ndarray
    values: np.ndarray


class ReadError(Exception):
    """A query could not be read. reason: of the closed set REASONS; the text says what was expected."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def unlearnable(expr: str, name: str) -> ReadError | None:
    """Why an expression cannot be learned whatever the server says; name: whose it is."""
    try:
        check(expr)
    except ExpressionError as error:
        return ReadError("counter" if isinstance(error, CounterError) else "expression", f"{name}: {error}")
    return None


#: the closed set of the label `reason` of read errors
READ_REASONS = (
    "counter",
    "expression",
    "internal",
    "no_data",
    "too_few_points",
    "too_large",
    "too_many_series",
    "unreachable",
)

NOTHING = Points(np.empty(0), np.empty(0))


def series_id(labels: Mapping[str, str]) -> str:
    """A stable name of a series: 16 hexadecimal digits from its labels, the metric's name among them, in any order."""
    return blake2b(json.dumps(sorted(labels.items())).encode(), digest_size=8).hexdigest()


def floor(time: float, step: float) -> float:
    """The last point of the grid that is not after this time."""
    return math.floor(time / step) * step


def chunks(start: float, end: float, step: float, points: int) -> Iterator[tuple[float, float]]:
    """Spans of the grid from start to end, both included, of at most so many points each; the newest first."""
    while end >= start:
        first = max(start, end - (points - 1) * step)
        yield first, end
        end = first - step


def on_grid(points: Points, step: float, after: float, skipped: Counter[str]) -> Points:
    """The points that stand on the grid and are newer than `after`, each time once: the first one counts."""
    times, values = points
    nearest = np.round(times / step) * step
    # servers round times to milliseconds
    keeps = np.abs(times - nearest) < 0.001
    skipped["off_grid"] += int((~keeps).sum())
    times, values = nearest[keeps], values[keeps]
    new = times > after
    skipped["late"] += int((~new).sum())
    times, values = times[new], values[new]
    times, first = np.unique(times, return_index=True)
    skipped["duplicate"] += len(values) - len(first)
    return Points(times, values[first])


def after_gaps(
    points: Points, step: float, window: float, last: float | None = None, gap_ended: float = -math.inf
) -> tuple[np.ndarray, float]:
    """Which points look back on a time without any, and so say nothing of the usual: bool (n,); and gap_ended anew.

    window: seconds that a point looks back on. last: the time of the point before these, None before the first one.
    gap_ended: when the points began again after the last gap before these.
    """
    times = points.times
    if not len(times) or window <= 0:
        return np.zeros(len(times), bool), gap_ended
    before = np.concatenate([[times[0] if last is None else last], times[:-1]])
    ends = np.maximum.accumulate(np.where(times - before > 1.5 * step, times, gap_ended))
    return times - ends < window - step / 2, float(ends[-1])


def joined(parts: list[Points]) -> Points:
    """Parts in the order of time, as one."""
    if not parts:
        return NOTHING
    return Points(np.concatenate([part.times for part in parts]), np.concatenate([part.values for part in parts]))
