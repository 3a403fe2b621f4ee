"""The sketch against sorting all times."""

import numpy as np
import pytest

from exporter.history.sketch import ACCURACY, LONGEST, SHORTEST, Sketch


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95, 0.99, 1.0])
@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0])
def test_a_quantile_is_within_its_accuracy_of_the_one_by_sorting(share: float, spread: float) -> None:
    seconds = np.random.default_rng(1).lognormal(-2, spread, 5_001)
    exact = np.quantile(seconds, share, method="inverted_cdf")
    assert Sketch(seconds).quantile(share) == pytest.approx(exact, rel=ACCURACY + 1e-9)


def test_a_quantile_of_few_times_is_the_least_that_so_many_do_not_exceed() -> None:
    assert Sketch([0.05, 0.2]).quantile(0.95) == pytest.approx(0.2, rel=ACCURACY)
    assert Sketch([0.1] * 93 + [0.5] * 7).quantile(0.93) == pytest.approx(0.1, rel=ACCURACY)
    assert Sketch([0.1] * 93 + [0.5] * 7).quantile(0.94) == pytest.approx(0.5, rel=ACCURACY)


def test_merged_sketches_are_the_sketch_of_all() -> None:
    seconds = np.random.default_rng(2).exponential(0.3, 1_000).tolist()
    parts, whole = [Sketch(seconds[:300]), Sketch(seconds[300:])], Sketch(seconds)
    parts[0].merge(parts[1])
    assert parts[0].buckets == whole.buckets


@pytest.mark.parametrize("seconds", [[], [0.25], [0.0, 1e-9, 5.0, 1e9], [3.0] * 7])
def test_what_is_packed_comes_back(seconds: list[float]) -> None:
    assert Sketch.unpack(Sketch(seconds).pack()).buckets == Sketch(seconds).buckets


def test_a_minute_of_times_is_packed_small() -> None:
    assert len(Sketch(np.random.default_rng(3).lognormal(-2, 1, 100_000)).pack()) < 1_000


def test_nothing_has_no_quantile_and_no_bytes_are_nothing() -> None:
    assert Sketch().quantile(0.5) is None
    assert Sketch.unpack(b"").quantile(0.5) is None


def test_what_is_shorter_or_longer_counts_as_the_bound() -> None:
    assert Sketch([-1.0]).quantile(0.5) == pytest.approx(SHORTEST, rel=2 * ACCURACY)
    assert Sketch([1e300]).quantile(0.5) == pytest.approx(LONGEST, rel=2 * ACCURACY)
