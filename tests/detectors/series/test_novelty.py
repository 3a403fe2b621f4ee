"""Value novelty."""

import numpy as np
import pytest

from detectors.series.novelty import SeenValues


def slow_nearest(seen, value):
    return min(sorted(seen), key=lambda one: abs(one - value))


def test_without_a_tolerance_it_is_the_nearest_of_all_values_seen():
    random, seen, store = np.random.default_rng(1), [], SeenValues()
    for value in random.integers(-50, 50, 400) / 4:
        if seen:
            assert store.nearest(value) == slow_nearest(seen, value)
        store.add(float(value))
        seen.append(float(value))


def test_nothing_is_near_when_nothing_was_seen():
    assert np.isnan(SeenValues().nearest(1.0))


@pytest.mark.parametrize("at_once", [True, False])
def test_every_value_is_within_the_tolerance_of_one_that_is_kept(at_once):
    values = np.random.default_rng(2).standard_t(2, 5000)
    store = SeenValues(tolerance=0.01, size=300)
    if at_once:
        store.learn(values)
    else:
        for value in values.tolist():
            store.add(value)
    assert len(store) <= 300
    assert max(abs(store.nearest(value) - value) for value in values.tolist()) <= 2 * store.tolerance
    assert store.nearest(np.inf) == pytest.approx(values.max(), abs=store.tolerance)
    assert store.nearest(-np.inf) == pytest.approx(values.min(), abs=store.tolerance)


def test_a_store_that_is_full_gets_coarser_instead_of_forgetting():
    store = SeenValues(size=10)
    for value in range(100):
        store.add(float(value))
    assert len(store) <= 10
    assert store.tolerance > 0
    assert max(abs(store.nearest(value) - value) for value in range(100)) <= 2 * store.tolerance


def test_what_was_dumped_can_be_loaded():
    store, other = SeenValues(tolerance=0.5), SeenValues()
    store.learn([3.0, 1.0, 2.0])
    other.load(store.dump(), store.tolerance)
    assert (other.dump().tolist(), other.tolerance) == ([1.0, 2.0, 3.0], 0.5)


@pytest.mark.parametrize(("tolerance", "size"), [(-1.0, 10), (np.nan, 10), (0.0, 1)])
def test_a_store_that_cannot_work_is_refused(tolerance, size):
    with pytest.raises(ValueError, match="expected size >= 2 and tolerance >= 0"):
        SeenValues(tolerance, size)
