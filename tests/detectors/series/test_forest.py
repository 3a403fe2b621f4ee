"""The isolation forest."""

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from detectors.series.forest import FEATURES, Forest, features, usual_length

NOTHING = np.empty(0)


def slow_features(values, i):
    found = [values[i]]
    for points in (5, 10, 30, 60):
        window = values[max(0, i + 1 - points) : i + 1]
        found += [np.mean(window), np.std(window)]
    return found


@pytest.fixture(scope="module")
def grown():
    history = np.random.default_rng(8).normal(1000, 3, 2000)
    forest = Forest()
    forest.learn(NOTHING, NOTHING, history)
    return forest, history


def test_features_are_the_value_and_means_and_deviations_of_what_led_to_it():
    values = 1e6 + np.random.default_rng(7).normal(size=200)
    slow = [slow_features(values, i) for i in range(200)]
    np.testing.assert_allclose(features(values, NOTHING), slow, atol=1e-7)
    np.testing.assert_allclose(features(values[150:], values[:150]), slow[150:], atol=1e-7)
    assert len(FEATURES) == 9


def test_the_arrays_say_what_scikit_learn_says(grown):
    forest, history = grown
    rows = features(history, NOTHING)[60:]
    scaled = ((rows - np.median(rows, axis=0)) / rows.std(axis=0)).astype(np.float32)
    theirs = IsolationForest(n_estimators=100, max_samples=256, random_state=0).fit(scaled)
    np.testing.assert_allclose(forest.oddness(scaled[:200]), -theirs.score_samples(scaled[:200]), atol=1e-9)


def test_a_batch_is_what_its_points_are_one_by_one(grown):
    forest, _ = grown
    state, values = forest.dump(), np.random.default_rng(9).normal(1000, 5, 100)
    together = forest.judge(NOTHING, NOTHING, values)[0]
    again = Forest()
    again.load(state)
    single = [again.judge(NOTHING, NOTHING, values[i : i + 1])[0][0] for i in range(100)]
    np.testing.assert_allclose(together, single, atol=1e-6)


def test_a_far_value_is_above_the_line_and_an_ordinary_one_below(grown):
    state = grown[0].dump()
    far, ordinary = Forest(), Forest()
    far.load(state)
    ordinary.load(state)
    assert far.judge(NOTHING, NOTHING, np.array([1060.0]))[0] > 1
    ordinary_scores = ordinary.judge(NOTHING, NOTHING, np.random.default_rng(4).normal(1000, 3, 2000))[0]
    assert (ordinary_scores < 1).mean() > 0.99


def test_path_shares_sum_to_how_much_shorter_the_paths_are(grown):
    forest, _ = grown
    rows = forest.rows(np.array([1060.0, 1000.0]))
    shares = forest.path_shares(rows)
    usual = usual_length(np.array([256]))[0]
    lengths = -np.log2(forest.oddness(rows)) * usual
    root = shares.sum(axis=1) + lengths
    assert root[0] == pytest.approx(root[1])
    assert root[0] == pytest.approx(usual, rel=0.25)
    assert shares[0, 0] > 0 > shares[1, 0]


def exact_shapley(forest, row):
    """Over all subsets of the features."""
    from itertools import combinations
    from math import factorial

    count = len(row)
    worth = {}
    for size in range(count + 1):
        for subset in combinations(range(count), size):
            known = np.isin(np.arange(count), subset)
            worth[subset] = np.where(known, row, np.float32(0))
    names = list(worth)
    odd = dict(zip(names, forest.oddness(np.array([worth[name] for name in names])), strict=True))
    shares = np.zeros(count)
    for subset in names:
        for feature in set(range(count)) - set(subset):
            weight = factorial(len(subset)) * factorial(count - len(subset) - 1) / factorial(count)
            shares[feature] += weight * (odd[tuple(sorted((*subset, feature)))] - odd[subset])
    return shares


def test_sampled_shares_come_near_the_exact_ones_and_sum_to_the_whole(grown):
    forest, _ = grown
    row = forest.rows(np.array([1060.0]))[0]
    shares = forest.sampled_shares(row, permutations=400)
    whole = forest.oddness(row[None])[0] - forest.oddness(np.zeros((1, 9), np.float32))[0]
    assert shares.sum() == pytest.approx(whole)
    np.testing.assert_allclose(shares, exact_shapley(forest, row), atol=0.1 * whole)


def test_a_constant_history_gives_finite_scores():
    forest = Forest()
    forest.learn(NOTHING, NOTHING, np.full(100, 3.0))
    found = forest.judge(NOTHING, NOTHING, np.array([3.0, 4.0]))[0]
    assert np.isfinite(found).all()


def test_the_usual_path_of_one_two_and_many_samples():
    assert usual_length(np.array([1, 2])).tolist() == [0.0, 1.0]
    # 2 H(n - 1) - 2 (n - 1) / n, with the harmonic number itself
    harmonic = sum(1 / i for i in range(1, 256))
    assert usual_length(np.array([256]))[0] == pytest.approx(2 * harmonic - 2 * 255 / 256, abs=0.01)
