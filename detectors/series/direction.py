"""Which deviations count: their direction, and how large they must be to matter to people."""

import numpy as np


def counts(
    values: np.ndarray, expected: np.ndarray, direction: str, min_deviation: float, min_deviation_ratio: float
) -> np.ndarray:
    """Whether the deviation of each value from the expected one counts: bool, of the shape of `values`.

    direction: both, up (only values above the expected one) or down. min_deviation: in the unit of the values;
    min_deviation_ratio: as a share of the expected value's size. A deviation that is smaller than either does not
    count, and neither does a value that is not finite.
    """
    deviation = values - expected
    size = np.abs(deviation)
    large = (size >= min_deviation) & (size >= min_deviation_ratio * np.abs(expected))
    return large & {"both": size >= 0, "up": deviation > 0, "down": deviation < 0}[direction]
