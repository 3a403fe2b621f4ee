"""Yardstick: how far a natural query lies from its nearest earlier one, here and now.

With more queries in the history the nearest is nearer, and where natural queries are dense it is nearer than elsewhere.
Of N points in d dimensions the nearest is at a distance in proportion to (N f)^(-1/d), f the density there. So the
usual distance of the warm-up, 1, is made smaller by two factors:

    growth  (N / n)^e for N queries in the window, n in the warm-up. e is the slope of the logarithm of the median
            nearest distance over that of the number of queries, on parts of the warm-up; between -1 and 0
    around  the distance to the reference query of rank n / 10 by nearness, as a share of its median among the
            references themselves

Neither is ever above 1. Whoever wants to move the yardstick must send more queries, and gets N^(-1/d) for them: what
was learned stands still. Medians, and a rank above the 5 % of attack queries that a warm-up may hold, keep it robust.

Blind to structure that the warm-up is too small to show: many texts that are rare each and come again later.

Source: Loftsgaarden & Quesenberry 1965 (density from the k-th nearest neighbour).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from detectors.coordinates import neighbours

#: parts of the warm-up have this many queries at least, and each size is half of the next
SMALLEST, SIZES = 25, 4
#: e is not below
STEEPEST = -1.0
#: the yardstick is at least so much of the warm-up's: below it, points are too coarse
LEAST = 1 / 64


class Yardstick:
    """The usual distance to the nearest earlier query. first: queries of the warm-up. exponent: e."""

    def __init__(self, first: int, exponent: float) -> None:
        self.first, self.exponent = first, exponent

    @classmethod
    def of(cls, points: np.ndarray) -> "Yardstick":
        """The yardstick of these points: int16 (n, d)."""
        return cls(len(points), exponent(points))

    def scales(self, counts: np.ndarray, around: np.ndarray) -> np.ndarray:
        """The usual distance for each query as a share of the warm-up's: float64 (n,), LEAST to 1.

        counts: int (n,), queries in the window. around: float64 (n,), as a share of the median.
        """
        growth = (np.maximum(counts, self.first) / self.first) ** self.exponent
        return np.maximum(growth * np.minimum(around, 1.0), LEAST)

    def dump(self) -> dict[str, Any]:
        """As plain values."""
        return {"first": self.first, "exponent": self.exponent}

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> "Yardstick":
        """The yardstick that `dump` made this of."""
        return cls(int(state["first"]), float(state["exponent"]))


def exponent(points: np.ndarray) -> float:
    """e of the growth, -1 to 0: the steeper of the slopes over all sizes and over the three largest.

    points: int16 (n, d). The structure of tables and texts shows only in the larger parts, and makes the slope steeper.
    """
    sizes = [len(points) >> halvings for halvings in range(SIZES) if len(points) >> halvings >= SMALLEST][::-1]
    if len(sizes) < 2:
        return 0.0
    medians = np.array([median_distance(points, len(points) // size) for size in sizes])
    if not (medians > 0).all() or not np.isfinite(medians).all():
        return 0.0
    logs, distances = np.log(sizes), np.log(medians)
    slopes = [float(np.polyfit(logs[-last:], distances[-last:], 1)[0]) for last in (SIZES, 3)]
    return min(max(min(slopes), STEEPEST), 0.0)


def median_distance(points: np.ndarray, parts: int) -> float:
    """The median distance to the nearest other point of the same part; a part is every so manyth point."""
    rows = points.astype(np.float64)
    found = np.concatenate([neighbours(rows[start::parts]) for start in range(parts)])
    found = found[np.isfinite(found)]
    return float(np.median(found)) if found.size else 0.0
