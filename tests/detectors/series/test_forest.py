"""The isolation forest."""

from itertools import combinations
from math import factorial

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
    assert far.judge(NOTHING, NOTHING, np.array([1060.0]))[0][0, 0] > 1
    ordinary_scores = ordinary.judge(NOTHING, NOTHING, np.random.default_rng(4).normal(1000, 3, 2000))[0][:, 0]
    assert (ordinary_scores < 1).mean() > 0.99


def slow_length(tree, number, row):
    """The length of the path of one row through one tree."""
    node = 0
    while tree["feature"][number, node] >= 0:
        goes_left = row[tree["feature"][number, node]] <= tree["cut"][number, node]
        node = tree["left" if goes_left else "right"][number, node]
    return tree["length"][number, node]


def slow_shares(tree, row):
    """Shapley values of how much shorter the path is than that of the median, over all subsets of the features."""
    count, lengths = len(row), {}
    for size in range(count + 1):
        for subset in combinations(range(count), size):
            mixed = np.where(np.isin(np.arange(count), subset), row, np.float32(0))
            lengths[subset] = np.mean([slow_length(tree, number, mixed) for number in range(len(tree["feature"]))])
    shares = np.zeros(count)
    for subset, length in lengths.items():
        for feature in set(range(count)) - set(subset):
            weight = factorial(len(subset)) * factorial(count - len(subset) - 1) / factorial(count)
            shares[feature] += weight * (length - lengths[tuple(sorted((*subset, feature)))])
    return shares


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("points", [12, 70, 400])
def test_shares_are_the_shapley_values_that_all_subsets_give(monkeypatch, seed, points):
    monkeypatch.setattr("detectors.series.forest.TREES", 4)
    random = np.random.default_rng([seed, points])
    forest = Forest(seed)
    forest.learn(NOTHING, NOTHING, random.normal(10, 2, points))
    tree = {name.removeprefix("tree_"): array for name, array in forest.dump().items() if name.startswith("tree_")}
    for row in forest.rows(np.array([17.0, 2.0, 40.0])):
        slow = slow_shares(tree, row)
        expected = slow / slow.sum() if slow.sum() > 1e-9 else np.zeros(9)
        np.testing.assert_allclose(forest.shares(row), expected, atol=1e-9)


def test_an_odd_point_says_which_features_made_it_so_and_an_ordinary_one_nothing(grown):
    forest = Forest()
    forest.load(grown[0].dump())
    [ordinary, odd] = forest.judge(NOTHING, NOTHING, np.array([1000.0, 1060.0]))[0]
    assert odd[1:].sum() == pytest.approx(1)
    assert odd[1] > 0
    assert not ordinary[1:].any()


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
