"""Samples against each other: every kind of feature, missing values, too few of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from detectors.drift.decision import MINIMUM, decide
from detectors.drift.samples import EMBEDDING, Sample, Sorted, compare

NO_VECTORS = np.zeros((0, 0))


def sample(numeric=True, vectors=NO_VECTORS, **columns):
    """A sample of columns; NaN stands for a value that is no number."""
    values = np.array(list(columns.values()), dtype=np.float64).T
    is_number = ~np.isnan(values) & np.array(numeric)
    return Sorted(Sample(tuple(columns), np.nan_to_num(values, nan=-1.0), is_number, vectors))


def test_numbers_are_tested_as_scipy_does():
    before, after = np.random.default_rng(1).normal([[0.0], [0.2]], 1.0, (2, 500))
    [found] = compare(sample(a=before), sample(a=after))
    expected = stats.ks_2samp(before, after, method="asymp")
    assert found.scores["ks"] == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue, rel=0.3)
    assert found.scores["wasserstein"] == pytest.approx(stats.wasserstein_distance(before, after) / before.std())


def test_numbers_of_few_values_and_texts_are_tested_as_categories():
    random = np.random.default_rng(2)
    before, after = random.integers(0, 4, (2, 500))
    counts = np.array([np.bincount(before), np.bincount(after)])
    expected = stats.chi2_contingency(counts, correction=False).pvalue
    for numeric in (True, False):
        [found] = compare(sample(numeric, a=before), sample(numeric, a=after))
        assert found.p == pytest.approx(expected)
        assert set(found.scores) == {"psi"}


def test_values_that_begin_to_be_missing_are_drift_though_the_numbers_stay():
    before, after = np.random.default_rng(3).standard_normal((2, 1000))
    after[:300] = np.nan
    [found] = compare(sample(a=before), sample(a=after))
    assert found.p < 1e-20
    assert found.scores["psi"] > 0.2
    assert decide([found], 0.001).severity


def test_samples_of_too_few_rows_are_not_tested():
    many, few = np.arange(1000.0), np.arange(MINIMUM - 1.0)
    assert compare(sample(a=few), sample(a=many)) == compare(sample(a=many), sample(a=few)) == []


def test_a_feature_that_is_gone_and_one_that_is_new_are_drift():
    many = np.arange(1000.0)
    tests = compare(sample(a=many, b=many), sample(b=many, c=many))
    assert [test.feature for test in tests] == ["a", "b", "c"]
    assert [test.p < 1e-20 for test in tests] == [True, False, True]
    assert [test.feature for test in decide(tests, 0.001).drifted] == ["a", "c"]


def test_a_column_of_numbers_that_becomes_one_of_texts_is_drift():
    [found] = compare(sample(a=np.arange(1000.0)), sample(a=np.full(1000, np.nan)))
    assert found.p < 1e-20


def test_many_numbers_that_become_as_many_texts_are_drift_and_so_is_the_way_back():
    random = np.random.default_rng(4)
    before, after = random.standard_normal(1000), random.integers(0, 2**32, 1000)
    for pair in ((sample(True, a=before), sample(False, a=after)), (sample(False, a=after), sample(True, a=before))):
        [found] = compare(*pair)
        assert decide([found], 0.001).severity


def test_a_missing_value_is_not_taken_for_a_number_of_the_same_code():
    before, after = np.where(np.arange(600) % 2, 1.0, -1.0), np.where(np.arange(600) % 2, 1.0, np.nan)
    [found] = compare(sample(a=before), sample(a=after))
    assert decide([found], 0.001).severity


@pytest.mark.parametrize("after", [np.zeros((300, 8)), np.zeros((0, 0)), np.zeros((150, 16))])
def test_vectors_of_another_length_and_rows_that_lose_theirs_are_drift(after):
    before = np.random.default_rng(5).standard_normal((300, 16))
    rows = np.zeros((300, 1))
    [_, found] = compare(sample(a=rows[:, 0], vectors=before), sample(a=rows[:, 0], vectors=after))
    assert found.feature == EMBEDDING
    assert decide([found], 0.001).severity
    [_, found] = compare(sample(a=rows[:, 0], vectors=after), sample(a=rows[:, 0], vectors=before))
    assert decide([found], 0.001).severity


def test_vectors_are_one_feature_more_and_need_twice_the_minimum():
    random = np.random.default_rng(4)
    vectors = random.standard_normal((2, 2 * MINIMUM, 8))
    empty = {"names": (), "values": np.zeros((0, 0)), "numeric": np.zeros((0, 0), bool)}
    before, after, short = (Sorted(Sample(**empty, vectors=part)) for part in (*vectors, vectors[0][:-1]))
    [found] = compare(before, after)
    assert found.feature == EMBEDDING
    assert set(found.scores) == {"ks", "psi", "wasserstein"}
    assert compare(before, short) == []


@given(st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_a_feature_is_tested_the_same_alone_and_among_others(seed):
    random = np.random.default_rng(seed)
    columns = [
        {"a": random.standard_normal(200), "b": random.integers(0, 5, 200), "c": random.standard_cauchy(200)}
        for _ in range(2)
    ]
    columns[1]["c"][::3] = np.nan
    together = {test.feature: test for test in compare(*(sample(**part) for part in columns))}
    for name in "abc":
        [alone] = compare(*(sample(**{name: part[name]}) for part in columns))
        assert alone == together[name]


def test_every_score_is_finite_or_beyond_all_bounds_and_no_probability_leaves_0_to_1():
    random = np.random.default_rng(5)
    odd = {
        "constant": np.zeros(200),
        "huge": random.choice([-1e150, 0, 1e150], 200) * random.random(200),
        "tiny": random.random(200) * 1e-300,
        "ties": np.repeat(np.arange(20.0), 10),
    }
    for test in compare(sample(**odd), sample(**{name: column + 1 for name, column in odd.items()})):
        assert 0.0 <= test.p <= 1.0
        assert not any(np.isnan(score) or score < 0 for score in test.scores.values())
