"""The test of categories against scipy's and against counting by hand."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from detectors.drift.categorical import FEWEST, chi_square_p, counted

CODES = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=80)


@given(CODES, CODES)
@settings(deadline=None)
def test_categories_are_counted_as_by_hand_and_rare_ones_together(before, after):
    both = Counter(before) + Counter(after)
    common = sorted(code for code in both if both[code] >= FEWEST)
    rare = [code for code in sorted(both) if both[code] < FEWEST]
    columns = [[code] for code in common]
    columns += [rare] if len(rare) > 1 else []
    expected = [[sum(sample.count(code) for code in column) for column in columns] for sample in (before, after)]
    found = counted(np.array(before), np.array(after))
    if len(rare) == 1:  # stands where it stands
        assert sorted(found.T.tolist()) == sorted([[s.count(c) for s in (before, after)] for c in both])
    else:
        assert found.tolist() == expected


def test_the_probability_is_that_of_scipy():
    counts = np.array([[500, 300, 200], [450, 290, 260]])
    assert chi_square_p(counts) == pytest.approx(stats.chi2_contingency(counts, correction=False).pvalue)


def test_one_category_has_not_moved():
    assert chi_square_p(counted(np.zeros(50), np.zeros(70))) == 1.0


def test_the_same_sample_has_not_moved():
    codes = np.arange(200) % 4.0
    assert chi_square_p(counted(codes, codes)) == pytest.approx(1.0)


def test_a_category_that_was_never_there_is_drift():
    before, after = np.zeros(1000), np.repeat([0.0, 9.0], [800, 200])
    assert chi_square_p(counted(before, after)) < 1e-20


def test_rare_words_are_counted_apart_from_rare_numbers_where_both_are_enough():
    numbers, words = np.arange(20.0), np.arange(30.0) + 1j
    assert counted(numbers, words).tolist() == [[20, 0], [0, 30]]
    assert counted(numbers, words[:9]).tolist() == [[20], [9]]


def test_without_drift_one_test_in_a_hundred_is_below_a_hundredth():
    random = np.random.default_rng(3)
    found = [chi_square_p(counted(*random.geometric(0.3, (2, 400)).astype(float))) < 0.01 for _ in range(2000)]
    assert 0.003 < np.mean(found) < 0.02
