"""The tests of numbers against scipy's, against loops, and on samples that are odd."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from detectors.drift import numeric

SAMPLE = st.lists(st.one_of(st.integers(-3, 3).map(float), st.floats(-1e9, 1e9)), min_size=3, max_size=60)
PAIR = st.tuples(SAMPLE, SAMPLE).map(lambda pair: tuple(np.sort(np.array(part)) for part in pair))


@given(PAIR)
@settings(deadline=None)
def test_the_statistic_is_that_of_scipy_with_ties_and_unequal_sizes(pair):
    reference, current = pair
    expected = stats.ks_2samp(reference, current, method="asymp").statistic
    assert numeric.kolmogorov_smirnov(reference, current) == pytest.approx(expected, abs=1e-12)


@given(PAIR)
@settings(deadline=None)
def test_the_distance_is_that_of_scipy_over_the_spread_of_the_reference(pair):
    reference, current = pair
    moved, spread = stats.wasserstein_distance(reference, current), reference.std()
    found = numeric.distance(reference, current)
    if spread > 0:
        assert found == pytest.approx(moved / spread, rel=1e-6, abs=1e-9)
    else:
        assert found == (np.inf if moved else 0.0)


@pytest.mark.parametrize(("before", "after"), [(1000, 1000), (1000, 700), (300, 1000)])
@pytest.mark.parametrize("scaled", [1.0, 1.6, 2.2, 2.6])
def test_the_probability_is_close_to_the_exact_one_and_promises_no_more_than_a_tenth_too_much(before, after, scaled):
    statistic = scaled / math.sqrt(before * after / (before + after))
    steps = math.lcm(before, after)
    statistic = round(statistic * steps) / steps  # one that such samples can have
    exact = stats.ks_2samp(*_apart(before, after, statistic), method="exact")
    found = numeric.kolmogorov_p(exact.statistic, before, after)
    assert 0.9 * exact.pvalue <= found <= 2.0 * exact.pvalue


def _apart(before, after, statistic):
    """Two samples whose functions differ by about this much."""
    return np.arange(before) / before, np.arange(after) / after * (1 - statistic)


@given(PAIR)
@settings(deadline=None)
def test_the_index_is_that_of_a_loop_over_the_bins(pair):
    reference, current = pair
    edges = sorted({reference[len(reference) * tenth // 10] for tenth in range(1, 10)})
    bounds = [-math.inf, *edges, math.inf]
    total = 0.0
    for low, high in pairwise(bounds):
        shares = [
            (sum(low <= value < high for value in sample) + 0.5) / (len(sample) + 0.5 * (len(bounds) - 1))
            for sample in (reference, current)
        ]
        total += (shares[1] - shares[0]) * math.log(shares[1] / shares[0])
    assert numeric.stability_index(reference, current) == pytest.approx(total, abs=1e-9)


@given(PAIR)
@settings(deadline=None)
def test_what_is_the_same_has_not_moved_and_nothing_is_negative_or_nan(pair):
    for measure in (numeric.kolmogorov_smirnov, numeric.stability_index, numeric.distance):
        assert measure(pair[0], pair[0]) == 0.0
        assert measure(*pair) >= 0.0


def test_the_statistic_does_not_care_for_the_order_of_the_samples():
    random = np.random.default_rng(1)
    pair = np.sort(random.integers(0, 5, 40).astype(float)), np.sort(random.integers(1, 6, 30).astype(float))
    assert numeric.kolmogorov_smirnov(*pair) == pytest.approx(numeric.kolmogorov_smirnov(*pair[::-1]))


def test_half_a_standard_deviation_is_half_a_standard_deviation():
    reference = np.sort(np.random.default_rng(2).standard_normal(5000))
    assert numeric.distance(reference, reference + 0.5 * reference.std()) == pytest.approx(0.5)


def test_a_constant_that_stays_has_not_moved_and_one_that_changes_has_moved_beyond_all_bounds():
    constant = np.full(10, 3.0)
    assert numeric.stability_index(constant, constant) == 0.0
    assert numeric.distance(constant, constant + 1) == np.inf
    assert math.isfinite(numeric.stability_index(constant, constant + 1))
