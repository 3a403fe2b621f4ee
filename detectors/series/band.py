"""The band around the expected value that holds a share of the values, kept true by looking at whether it did.

It starts from the empirical quantiles of what was learned, and is adjusted a little at each point: wider when a value
was outside, narrower when it was not, in such a proportion that the share of values outside comes out right whatever
their distribution. One edge never crosses the expected value, so lower <= expected <= upper.

Source: quantile tracking, Gibbs & Candès 2021 (adaptive conformal inference); Angelopoulos et al. 2023.
"""

import numpy as np

#: share of values in the band, and how far an edge moves at a point outside, as a share of the band's width
COVERAGE, PACE = 0.95, 0.05


class Band:
    """Distances of the lower and the upper edge from the expected value, both >= 0. O(1) a point."""

    __slots__ = ("_unit", "lower", "upper")

    def __init__(self) -> None:
        self.lower = self.upper = self._unit = 0.0

    def learn(self, residuals: np.ndarray) -> None:
        """Begin with the quantiles of these: finite values minus what was expected, float64 (n,), n >= 1."""
        outside = (1 - COVERAGE) / 2
        low, high = np.quantile(residuals, [outside, 1 - outside]).tolist()
        self.lower, self.upper = max(-low, 0.0), max(high, 0.0)
        self._unit = PACE * (self.lower + self.upper)

    def step(self, residual: float) -> None:
        """Take a value minus what was expected."""
        outside = (1 - COVERAGE) / 2
        self.upper = max(self.upper + self._pace(residual) * ((residual > self.upper) - outside), 0.0)
        self.lower = max(self.lower + self._pace(residual) * ((-residual > self.lower) - outside), 0.0)

    def _pace(self, residual: float) -> float:
        # a series that had no spread while learning: the first deviation gives the unit
        if self._unit == 0.0:
            self._unit = PACE * abs(residual)
        return self._unit

    def dump(self) -> np.ndarray:
        """Three numbers that `load` takes."""
        return np.array([self.lower, self.upper, self._unit])

    def load(self, state: np.ndarray) -> None:
        """Take back what `dump` gave."""
        self.lower, self.upper, self._unit = state.tolist()
