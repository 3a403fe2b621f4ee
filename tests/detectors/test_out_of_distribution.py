"""How far out a query lies."""

import numpy as np
import pytest

from detectors.out_of_distribution import AROUND, BEYOND, NEIGHBOURS, Reach, nearest_distances, robust_reach

RANDOM = np.random.default_rng(4)
NATURAL = np.rint(RANDOM.normal(0, 500, (300, 40))).astype(np.int16)


def slow(row, references, ranked):
    distances = sorted(
        sum((float(a) - float(b)) ** 2 for a, b in zip(row, other, strict=True)) ** 0.5 for other in references
    )
    return sum(distances[:NEIGHBOURS]) / NEIGHBOURS, distances[ranked // AROUND - 1]


@pytest.mark.parametrize("count", [20, 60])
def test_distances_are_the_mean_of_the_five_nearest_and_that_of_the_tenth_part(count):
    mean, ranked = nearest_distances(NATURAL[:5].astype(float), NATURAL[100 : 100 + count].astype(float))
    expected = [slow(row, NATURAL[100 : 100 + count], count) for row in NATURAL[:5]]
    assert list(zip(mean, ranked, strict=True)) == [pytest.approx(pair) for pair in expected]


def test_references_are_not_their_own_neighbours():
    mean, ranked = nearest_distances(NATURAL[:30].astype(float), NATURAL[:30].astype(float), without_self=True)
    assert (mean[3], ranked[3]) == pytest.approx(slow(NATURAL[3], np.delete(NATURAL[:30], 3, axis=0), 30))


def test_what_is_around_is_small_where_references_are_dense_and_hardly_moved_by_a_few_put_there():
    dense = np.concatenate([NATURAL[:100], NATURAL[100:200] // 10])
    _, around = Reach(dense).scores(np.zeros((1, 40), np.int16))
    assert around[0] < 0.3
    spoilt = np.concatenate([NATURAL[:190], np.tile(NATURAL[200], (10, 1))])
    before, after = (Reach(part).scores(NATURAL[200:201])[1][0] for part in (NATURAL[:200], spoilt))
    assert after > 0.95 * before


def test_natural_queries_are_within_reach_and_others_beyond():
    reach = Reach(NATURAL[:200])
    assert (reach.scores(NATURAL[200:])[0] > BEYOND).mean() < 0.03
    far = np.rint(RANDOM.uniform(-3000, 3000, (50, 40))).astype(np.int16)
    assert (reach.scores(far)[0] > BEYOND).all()


def test_a_few_far_queries_among_the_references_hardly_widen_the_reach():
    spoilt = np.concatenate([NATURAL[:190], np.rint(RANDOM.uniform(-9000, 9000, (10, 40))).astype(np.int16)])
    assert Reach(spoilt).distance < 1.6 * Reach(NATURAL[:200]).distance


def test_equal_references_still_give_finite_scores():
    reach = Reach(np.zeros((10, 4), np.int16))
    assert np.isfinite(reach.scores(np.full((2, 4), 7, np.int16))).all()
    assert robust_reach(np.zeros(10)) == 1.0


def test_it_goes_on_after_a_dump():
    reach = Reach(NATURAL[:50])
    assert np.array_equal(Reach.load(reach.dump()).scores(NATURAL), reach.scores(NATURAL))


def test_the_reach_ends_two_and_a_half_times_as_far_from_the_median_as_nine_tenths_do():
    distances = np.concatenate([np.linspace(100, 200, 95), [1e4] * 5])
    median, high = np.quantile(distances, (0.5, 0.9))
    assert robust_reach(distances) == pytest.approx(median + 2.5 * (high - median))
    even = np.linspace(100, 200, 101)
    assert robust_reach(even) == pytest.approx(199.0)
