"""The rolling median."""

import numpy as np
import pytest

from detectors.series.rolling import RollingMedian, medians


@pytest.mark.parametrize("points", [1, 2, 5, 10])
@pytest.mark.parametrize("count", [0, 1, 4, 9, 300])
def test_both_ways_are_the_median_of_the_last_values(points, count):
    values = np.random.default_rng(points).integers(-5, 5, count).astype(float)
    slow = [np.median(values[max(0, i + 1 - points) : i + 1]) for i in range(count)]
    rolling = RollingMedian(points)
    assert [rolling.step(value) for value in values.tolist()] == slow
    np.testing.assert_array_equal(medians(values, points), slow)


def test_it_goes_on_from_what_was_dumped():
    rolling, other = RollingMedian(3), RollingMedian(3)
    for value in (5.0, 1.0, 9.0, 2.0):
        rolling.step(value)
    other.load(rolling.dump())
    assert rolling.step(7.0) == other.step(7.0) == 7.0
