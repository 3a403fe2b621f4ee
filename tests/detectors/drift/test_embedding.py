"""The classifier two-sample test: exact where nothing moved, powerful where something did, fit for odd vectors."""

import numpy as np
import pytest

from detectors.drift import numeric
from detectors.drift.embedding import PLACES, folded, held_out_scores


def probability(before, after):
    scores = held_out_scores(before, after)
    return numeric.kolmogorov_p(numeric.kolmogorov_smirnov(*scores), *map(len, scores))


def test_without_drift_few_are_found_whatever_the_vectors_look_like():
    random = np.random.default_rng(1)
    found = []
    for _ in range(300):
        both = random.standard_t(3, (2, 200, 16)) ** 3
        found.append(probability(*both) < 0.05)
    assert np.mean(found) < 0.09


@pytest.mark.parametrize("count", [400, 1000])
def test_a_moved_middle_is_found(count):
    random = np.random.default_rng(2)
    before, after = random.standard_normal((2, count, 64))
    assert probability(before, after + 0.3) < 1e-6


def test_more_spread_around_the_same_middle_is_found_by_the_distance_from_it():
    random = np.random.default_rng(3)
    before, after = random.standard_normal((2, 1000, 64))
    assert probability(before, 1.2 * after) < 1e-6


def test_scores_are_sorted_and_those_of_rows_it_never_learned_from():
    random = np.random.default_rng(4)
    before, after = random.standard_normal((2, 11, 3))
    scores = held_out_scores(before, after)
    assert [len(part) for part in scores] == [5, 5]
    assert all((np.diff(part) >= 0).all() for part in scores)
    other = after.copy()
    other[1] += 100.0  # an odd row: it changes its own score alone
    assert held_out_scores(before, other)[0] == pytest.approx(scores[0])


def test_vectors_that_are_all_the_same_have_finite_scores_and_no_drift():
    ones = np.ones((200, 8))
    scores = held_out_scores(ones, ones)
    assert np.isfinite(scores).all()
    assert probability(ones, ones) == 1.0


def test_one_vector_that_becomes_another_is_found():
    assert probability(np.ones((200, 8)), np.zeros((200, 8))) < 1e-20


@pytest.mark.parametrize("dimensions", [1, 5, PLACES])
def test_short_vectors_stay_as_they_are(dimensions):
    rows = np.random.default_rng(5).standard_normal((4, dimensions)).astype(np.float32)
    assert np.array_equal(folded(rows), rows)


@pytest.mark.parametrize("dimensions", [PLACES + 1, 512, 1000])
def test_long_vectors_are_folded_by_a_loop_of_signs_and_keep_their_angles_about(dimensions):
    rows = np.random.default_rng(6).standard_normal((300, dimensions)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    short = folded(rows)
    assert short.shape == (300, PLACES)
    unit = folded(np.eye(dimensions, dtype=np.float32))
    assert set(np.abs(unit).sum(axis=1)) == {1.0}
    assert [int(np.flatnonzero(row)[0]) for row in unit] == [index % PLACES for index in range(dimensions)]
    assert np.abs(short @ short.T - rows @ rows.T).std() < 2 / np.sqrt(PLACES)
    assert np.allclose(folded(rows[:1] + rows[1:2]), short[:1] + short[1:2], atol=1e-5)
