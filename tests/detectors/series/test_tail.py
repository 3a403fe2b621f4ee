"""The threshold beyond what was seen."""

import numpy as np
import pytest

from detectors.series.tail import beyond


def test_of_an_exponential_tail_it_is_the_true_quantile():
    sample = np.random.default_rng(1).exponential(2.0, 400_000)
    assert beyond(sample, 1e-5) == pytest.approx(-2 * np.log(1e-5), rel=0.05)


def test_of_a_power_law_it_is_of_the_right_order():
    sample = np.random.default_rng(2).pareto(3, 400_000)
    assert beyond(sample, 1e-5) == pytest.approx(1e5 ** (1 / 3) - 1, rel=0.4)


def test_an_anomaly_in_the_sample_does_not_move_it():
    sample = np.random.default_rng(3).exponential(1.0, 10_000)
    spoiled = np.concatenate([sample, np.full(20, 1e6)])
    assert beyond(spoiled) == pytest.approx(beyond(sample), rel=0.2)


@pytest.mark.parametrize("sample", [[0.0], [3.0] * 50, [0.0] * 99 + [1.0]])
def test_few_or_equal_values_give_a_finite_threshold(sample):
    assert np.isfinite(beyond(np.array(sample)))


def test_an_empty_sample_is_refused():
    with pytest.raises(ValueError, match="at least one value"):
        beyond(np.empty(0))
