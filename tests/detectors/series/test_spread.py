"""Running spreads."""

import numpy as np
import pytest

from detectors.series.spread import Spread, Usual


def slow_spread(values):
    return np.sqrt(np.std(values) * np.abs(np.diff(values)).sum() / len(values))


@pytest.mark.parametrize("shift", [0.0, 1e9])
def test_the_spread_is_that_of_all_values_so_far(shift):
    values = shift + np.random.default_rng(1).normal(size=200)
    spread, at_once = Spread(), Spread()
    for i, value in enumerate(values.tolist()):
        spread.add(value)
        assert spread.value() == pytest.approx(slow_spread(values[: i + 1]), rel=1e-5)
    at_once.learn(values)
    assert at_once.value() == pytest.approx(spread.value(), rel=1e-6)


@pytest.mark.parametrize("values", [[], [5.0], [5.0] * 100])
def test_a_constant_has_no_spread(values):
    spread, at_once = Spread(), Spread()
    for value in values:
        spread.add(value)
    at_once.learn(np.array(values))
    assert spread.value() == at_once.value() == 0.0


def test_the_usual_size_is_a_mean_square_that_forgets():
    usual, distances = Usual(points=50), np.random.default_rng(2).random(300).tolist()
    assert usual.value() == 0.0
    for distance in distances:
        usual.add(distance)
    weights = (1 - 1 / 50) ** np.arange(len(distances))[::-1]
    assert usual.value() == pytest.approx(np.sqrt(np.average(np.square(distances), weights=weights)))


def test_both_go_on_from_what_was_dumped():
    for kind in (Spread, Usual):
        one, other = kind(), kind()
        for value in (1.0, 5.0, 2.0):
            one.add(value)
        other.load(one.dump())
        one.add(9.0)
        other.add(9.0)
        assert one.value() == other.value() > 0
