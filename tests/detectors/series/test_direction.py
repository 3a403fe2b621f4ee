"""Which deviations count."""

import numpy as np
import pytest

from detectors.series.direction import counts

VALUES, EXPECTED = np.array([90.0, 99.0, 100.0, 101.0, 110.0, np.nan]), np.full(6, 100.0)


@pytest.mark.parametrize(
    ("direction", "least", "ratio", "count"),
    [
        ("both", 0.0, 0.0, [1, 1, 1, 1, 1, 0]),
        ("up", 0.0, 0.0, [0, 0, 0, 1, 1, 0]),
        ("down", 0.0, 0.0, [1, 1, 0, 0, 0, 0]),
        ("both", 5.0, 0.0, [1, 0, 0, 0, 1, 0]),
        ("both", 0.0, 0.05, [1, 0, 0, 0, 1, 0]),
        ("both", 1.0, 0.05, [1, 0, 0, 0, 1, 0]),
        ("both", 50.0, 0.05, [0, 0, 0, 0, 0, 0]),
        ("up", 1.0, 0.01, [0, 0, 0, 1, 1, 0]),
    ],
)
def test_direction_and_size(direction, least, ratio, count):
    assert counts(VALUES, EXPECTED, direction, least, ratio).astype(int).tolist() == count
