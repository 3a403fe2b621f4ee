"""Low confidence as evidence."""

import numpy as np
import pytest

from detectors.low_confidence import LEAST, doubts, threshold, unsure


def test_doubts_are_one_minus_the_largest_probability_with_its_class():
    scores, labels = doubts(
        [[0.7, 0.3], {"probabilities": [0.1, 0.8, 0.1]}, {"logits": [0.0, 0.0]}, {"label": "x"}, None]
    )
    np.testing.assert_allclose(scores[:3], [0.3, 0.2, 0.5])
    assert np.isnan(scores[3:]).all()
    assert labels.tolist() == [0, 1, 0, -1, -1]


def test_an_answer_that_cannot_be_read_is_none():
    scores, labels = doubts([[2.0, 3.0]])
    assert np.isnan(scores[0])
    assert labels[0] == -1


def test_wrong_answers_take_none_of_the_others_along():
    outputs = [
        [2.0, 3.0] if place % 3 == 0 else [0.25, 0.75] if place % 2 else [0.1, 0.2, 0.7] for place in range(3000)
    ]
    scores, labels = doubts(outputs)
    alone = [doubts([output]) for output in outputs]
    np.testing.assert_array_equal(scores, [one[0][0] for one in alone])
    assert labels.tolist() == [one[1][0] for one in alone]
    assert np.isnan(scores).sum() == 1000


def test_five_per_cent_of_the_first_answers_are_unsure():
    scores = np.random.default_rng(1).random(1000)
    assert unsure(scores, threshold(scores)).mean() == pytest.approx(0.05, abs=0.002)


def test_too_few_answers_make_no_threshold_and_nothing_unsure():
    above = threshold(np.array([0.5] * 19 + [np.nan] * 100))
    assert np.isnan(above)
    assert not unsure(np.array([0.99, np.nan]), above).any()


def test_a_model_that_was_always_sure_is_not_unsure_at_once():
    assert threshold(np.zeros(100)) == LEAST


def test_twenty_answers_make_a_threshold_and_one_at_it_is_not_unsure():
    scores = np.linspace(0.5, 0.6, 20)
    above = threshold(scores)
    assert above == pytest.approx(np.quantile(scores, 0.95))
    assert unsure(np.array([above, np.nextafter(above, 1.0)]), above).tolist() == [False, True]
