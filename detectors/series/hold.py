"""Incidents: of scores that follow one another closely, only a new highest one counts.

No threshold is needed for it: whatever the alert line is, the points at or above it that remain are the beginning of
an incident and those at which it became worse than it had been.
"""

from collections import deque
from collections.abc import Iterable

import numpy as np


class Hold:
    """Lets a score through when it is above every score of the `points` points before it; else 0.

    O(1) a point on average, O(points) of memory at most.
    """

    def __init__(self, points: int) -> None:
        if points < 0:
            raise ValueError(f"expected points >= 0, got {points}")
        self._points = points
        self._position = 0
        #: (position, score) of scores that may still be the highest of the last points, highest first
        self._highest: deque[tuple[int, float]] = deque()

    def step(self, score: float) -> float:
        """The score as an incident's score. NaN stays NaN and leaves the hold as it is, but for the time passing."""
        position, highest = self._position, self._highest
        self._position += 1
        if highest and highest[0][0] < position - self._points:
            highest.popleft()
        if score != score:
            return score
        is_new = not highest or score > highest[0][1]
        while highest and highest[-1][1] <= score:
            highest.pop()
        highest.append((position, score))
        return score if is_new else 0.0


def incident_scores(scores: Iterable[float], points: int) -> np.ndarray:
    """The scores after a hold of that many points: float64, one a score."""
    hold = Hold(points)
    return np.array([hold.step(float(score)) for score in scores], dtype=np.float64)
