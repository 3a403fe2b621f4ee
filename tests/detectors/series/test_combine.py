"""Components into one score."""

import numpy as np

from detectors.series.combine import shares, soft_or


def test_the_score_is_the_length_of_the_components():
    assert soft_or(np.array([[3.0, 4.0], [0.0, 2.0], [0.0, 0.0]])).tolist() == [5.0, 2.0, 0.0]


def test_without_a_component_there_is_no_score():
    assert np.isnan(soft_or(np.array([[np.nan, 1.0]]))).all()


def test_shares_sum_to_one_wherever_anything_spoke():
    assert shares(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist() == [[0.36, 0.64], [0.0, 0.0]]
