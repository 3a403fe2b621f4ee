"""The median of the last few points: a level that a single spike does not move. O(points) a point, of few."""

from bisect import bisect_left, insort
from collections import deque

import numpy as np


class RollingMedian:
    """The median of the last `points` values; of an even number the mean of the middle two."""

    __slots__ = ("_last", "_points", "_sorted")

    def __init__(self, points: int) -> None:
        self._points = points
        self._last: deque[float] = deque()
        self._sorted: list[float] = []

    def step(self, value: float) -> float:
        """Take a finite value; the median of what is held then."""
        held, last = self._sorted, self._last
        if len(last) == self._points:
            del held[bisect_left(held, last.popleft())]
        last.append(value)
        insort(held, value)
        half = len(held) // 2
        return held[half] if len(held) % 2 else (held[half - 1] + held[half]) / 2

    def dump(self) -> np.ndarray:
        """The values held, oldest first."""
        return np.array(self._last)

    def load(self, values: np.ndarray) -> None:
        """Take back what `dump` gave."""
        self._last = deque(values.tolist())
        self._sorted = sorted(self._last)


def medians(values: np.ndarray, points: int) -> np.ndarray:
    """What `RollingMedian` gives for each of these values: float64 (n,)."""
    begin = RollingMedian(points)
    first = [begin.step(value) for value in values[: points - 1].tolist()]
    if len(values) < points:
        return np.array(first)
    # partitioning a few columns is cheaper than numpy's median, which looks for NaN as well
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(values, points), axis=1)
    middle = (windows[:, (points - 1) // 2] + windows[:, points // 2]) / 2
    return np.concatenate([first, middle])
