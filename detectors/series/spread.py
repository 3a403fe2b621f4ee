"""Running spreads, each O(1) a point: what distances are measured in."""

import math

import numpy as np


class Spread:
    """Of all values so far: the geometric mean of their standard deviation and of their mean change.

    A series that wanders smoothly has a large deviation and small changes, and a distance of one deviation from all
    it has been is much; noise has both alike.
    """

    __slots__ = ("_changes", "_count", "_last", "_mean", "_squares")

    def __init__(self) -> None:
        self._count = 0
        self._mean = self._squares = self._changes = 0.0
        self._last = math.nan

    def add(self, value: float) -> None:
        """Take a finite value."""
        self._count += 1
        if self._count > 1:
            self._changes += abs(value - self._last)
        self._last = value
        off = value - self._mean
        self._mean += off / self._count
        self._squares += off * (value - self._mean)

    def learn(self, values: np.ndarray) -> None:
        """Forget what was, and take these finite values: the same as adding each, up to rounding."""
        self._count = len(values)
        self._mean = float(np.mean(values)) if len(values) else 0.0
        self._squares = float(np.sum((values - self._mean) ** 2))
        self._changes = float(np.sum(np.abs(np.diff(values))))
        self._last = float(values[-1]) if len(values) else math.nan

    def value(self) -> float:
        """The spread, in the unit of the values; 0 for a constant and before the second value."""
        if not self._count:
            return 0.0
        return math.sqrt(math.sqrt(self._squares / self._count) * self._changes / self._count)

    def dump(self) -> np.ndarray:
        """Five numbers that `load` takes."""
        return np.array([self._count, self._mean, self._squares, self._changes, self._last])

    def load(self, state: np.ndarray) -> None:
        """Take back what `dump` gave."""
        count, self._mean, self._squares, self._changes, self._last = state.tolist()
        self._count = int(count)


class Usual:
    """The root mean square of a component over about the last `points` points, recent ones counting more.

    What a series does often is not remarkable in it: distances are measured in this as well.
    """

    __slots__ = ("_share", "_squares", "_weight")

    def __init__(self, points: int = 3000) -> None:
        self._share = 1.0 / points
        self._squares = self._weight = 0.0

    def value(self) -> float:
        """The root mean square; 0 before the first point."""
        return math.sqrt(self._squares / self._weight) if self._weight else 0.0

    def add(self, distance: float) -> None:
        """Take a finite distance."""
        self._squares += self._share * (distance * distance - self._squares)
        self._weight += self._share * (1.0 - self._weight)

    def dump(self) -> np.ndarray:
        """Two numbers that `load` takes."""
        return np.array([self._squares, self._weight])

    def load(self, state: np.ndarray) -> None:
        """Take back what `dump` gave."""
        self._squares, self._weight = state.tolist()
