"""Flat lines."""

import numpy as np
import pytest

from detectors.series.flat import FlatLine


def slow(values):
    """Runs counted from the values themselves."""
    found = []
    for i in range(len(values)):
        begin = i
        while begin and values[begin - 1] == values[i]:
            begin -= 1
        longest, run = 0, 0
        for j in range(1, begin):
            run = run + 1 if values[j] == values[j - 1] else 0
            longest = max(longest, run)
        changes = sum(values[j] != values[j - 1] for j in range(1, i + 1))
        found.append(min((i - begin) / (15 + 2 * longest), 10.0) if changes >= 30 else 0.0)
    return found


def series():
    random = np.random.default_rng(3)
    values = random.integers(0, 3, 120).astype(float)
    return np.concatenate([values, [7.0] * 60, values, [8.0] * 150])


def test_it_is_what_the_slow_loop_says():
    flat = FlatLine()
    assert [flat.step(value) for value in series().tolist()] == pytest.approx(slow(series().tolist()))


@pytest.mark.parametrize("cut", [0, 1, 50, 150, 200, 329])
def test_learning_at_once_is_the_same_as_one_by_one(cut):
    one_by_one, at_once = FlatLine(), FlatLine()
    for value in series()[:cut].tolist():
        one_by_one.step(value)
    at_once.learn(series()[:cut])
    assert [one_by_one.step(value) for value in series()[cut:]] == [at_once.step(value) for value in series()[cut:]]


def test_a_series_that_was_always_constant_is_not_remarkable():
    flat = FlatLine()
    assert max(flat.step(5.0) for _ in range(5000)) == 0.0


def test_it_goes_on_from_what_was_dumped():
    flat, other = FlatLine(), FlatLine()
    flat.learn(series()[:150])
    other.load(flat.dump())
    assert flat.step(7.0) == other.step(7.0) > 0
