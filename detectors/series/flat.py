"""Flat lines: the same value again and again in a series that used to change.

The score is the length of the run in units of fifteen points and twice the longest run before. Blind to: sensors that
hang while noise is added behind them; series that have hardly changed so far (fewer than thirty changes).
"""

import numpy as np

LEAST_RUN, LEAST_CHANGES, HIGHEST = 15, 30, 10.0


class FlatLine:
    """Counts the run of equal values. O(1) a point."""

    __slots__ = ("_changes", "_last", "_longest", "_run")

    def __init__(self) -> None:
        self._last = float("nan")
        self._run = self._longest = self._changes = 0

    def step(self, value: float) -> float:
        """Take a finite value; how remarkable the run that it ends or goes on is, 0 to 10."""
        if value == self._last:
            self._run += 1
        else:
            self._longest = max(self._longest, self._run)
            self._changes += self._last == self._last
            self._last, self._run = value, 0
        if self._changes < LEAST_CHANGES:
            return 0.0
        return min(self._run / (LEAST_RUN + 2 * self._longest), HIGHEST)

    def learn(self, values: np.ndarray) -> None:
        """Take these finite values, as if one by one, into a state that is new."""
        if not len(values):
            return
        ends = np.flatnonzero(np.diff(values))
        lengths = np.diff(np.concatenate([[-1], ends, [len(values) - 1]])) - 1
        self._last, self._run, self._changes = float(values[-1]), int(lengths[-1]), len(ends)
        self._longest = int(max(lengths[:-1], default=0))

    def dump(self) -> np.ndarray:
        """Four numbers that `load` takes."""
        return np.array([self._last, self._run, self._longest, self._changes])

    def load(self, state: np.ndarray) -> None:
        """Take back what `dump` gave."""
        self._last = float(state[0])
        self._run, self._longest, self._changes = (int(number) for number in state[1:])
