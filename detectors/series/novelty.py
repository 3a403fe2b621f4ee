"""Value novelty: how far a value is from every value seen before.

The score of a component made of it is this distance in units of a spread. It needs no model: whatever the shape of the
distribution (several levels, whole numbers, a gap in the middle), a place where the series has been is no news.
Blind to: odd sequences of ordinary values, and everything that has happened before.

Source: nearest-neighbour novelty detection, Tarassenko et al. 1995; Hodge & Austin 2004.
"""

from array import array
from bisect import bisect_left

import numpy as np

NAN = float("nan")


class SeenValues:
    """A bounded sorted store of the values seen, each kept one standing for all within `tolerance` of it.

    When it is full the tolerance is doubled and the store thinned, so that it covers its whole range at any size.
    Looking is O(log n); adding moves at most `size` numbers, and only for values that are news. 8 bytes a value.
    """

    __slots__ = ("_size", "_values", "tolerance")

    def __init__(self, tolerance: float = 0.0, size: int = 2048) -> None:
        if size < 2 or not tolerance >= 0:
            raise ValueError(f"expected size >= 2 and tolerance >= 0, got {size} and {tolerance}")
        self.tolerance = tolerance
        self._size = size
        self._values = array("d")

    def __len__(self) -> int:
        return len(self._values)

    def nearest(self, value: float) -> float:
        """The kept value that is nearest to this one; NaN without any. Of two equally near ones the smaller."""
        values = self._values
        place = bisect_left(values, value)
        if place == len(values):
            return values[-1] if values else NAN
        above = values[place]
        if place == 0:
            return above
        below = values[place - 1]
        return below if value - below <= above - value else above

    def spread_at(self, kept: float, value: float, count: int) -> float:
        """How far the next `count` kept values reach from a kept one, away from `value`: 0 without further ones.

        Where the neighbours of the nearest value are far apart themselves, as in a heavy tail, a distance says less.
        """
        values = self._values
        place = bisect_left(values, kept)
        if kept < value:
            return kept - values[max(place - count, 0)]
        return values[min(place + count, len(values) - 1)] - kept

    def add(self, value: float) -> None:
        """Keep a finite value, unless one within the tolerance is kept already."""
        if abs(value - self.nearest(value)) <= self.tolerance:
            return
        self._values.insert(bisect_left(self._values, value), value)
        if len(self._values) > self._size:
            self._thin()

    def learn(self, values: np.ndarray) -> None:
        """Keep many finite values at once; afterwards all of them are within the tolerance of a kept one."""
        self._values = _thinned(np.union1d(np.frombuffer(self._values), values), self.tolerance)
        while len(self._values) > self._size:
            self._thin()

    def _thin(self) -> None:
        values = np.array(self._values)
        # without a tolerance yet: the smallest one that can make a difference
        self.tolerance = 2 * self.tolerance or float(np.ptp(values)) / (4 * self._size)
        self._values = _thinned(values, self.tolerance)

    def dump(self) -> np.ndarray:
        """The kept values, float64, ascending; a copy."""
        return np.array(self._values)

    def load(self, values: np.ndarray, tolerance: float) -> None:
        """Take back what `dump` gave."""
        self._values, self.tolerance = array("d", np.sort(values).tobytes()), float(tolerance)


def _thinned(ascending: np.ndarray, tolerance: float) -> "array[float]":
    """Of ascending values the first, and then each that is further than the tolerance from the last one kept.

    The largest is always among them: how far a series has gone is what matters most.
    """
    if not len(ascending):
        return array("d")
    kept = array("d", [float(ascending[0])])
    last = kept[0]
    for value in ascending[1:-1].tolist():
        if value - last > tolerance:
            kept.append(value)
            last = value
    if ascending[-1] > last:
        kept.append(float(ascending[-1]))
    return kept
