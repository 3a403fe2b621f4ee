"""Bands as recording rules of PromQL make them."""

import numpy as np
import pytest

from bench.bands import last_median, score

RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize("points", [1, 2, 7, 12, 48])
def test_the_median_is_that_of_the_last_values_and_looks_at_none_to_come(points: int) -> None:
    values = RANDOM.standard_normal(200)
    before = np.concatenate([np.full(points, values[0]), values])
    expected = [np.sort(before[at + 1 : at + points + 1])[points // 2] for at in range(200)]
    np.testing.assert_array_equal(last_median(values, points), expected)


def test_the_edge_of_the_band_is_one_and_the_band_is_half_of_the_median_where_that_is_more() -> None:
    times, values = 300.0 * np.arange(600), np.full(600, 100.0)
    values[500], values[550] = 150.0, 25.0
    found = score(times, values)
    assert found[500] == pytest.approx(1.0)
    assert found[550] == pytest.approx(1.5)
    assert found[499] == 0


def test_what_was_so_a_day_ago_is_within_the_band() -> None:
    times = 300.0 * np.arange(4 * 288)
    values = np.where(np.arange(4 * 288) % 288 < 24, 300.0, 100.0) + RANDOM.standard_normal(4 * 288)
    usual, unusual = slice(2 * 288 + 12, 2 * 288 + 20), slice(2 * 288 + 150, 2 * 288 + 158)
    values[unusual] = 300.0
    found = score(times, values)
    assert found[usual].max() < 1.1
    assert found[unusual].min() > 3
