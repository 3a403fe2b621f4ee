"""Why a point has its score."""

import numpy as np
import pytest

from detectors.series import Baseline, SeriesOptions, explain
from detectors.series.baseline import ALGORITHMS
from detectors.series.explanation import MEANINGS
from detectors.series.forest import FEATURES
from tests.detectors.series.series import noise, times


def judged(value):
    baseline = Baseline()
    baseline.learn(times(2000), noise(2000))
    return baseline.judge(times(2001)[2000:], np.array([value]))


def test_it_says_expected_against_actual_and_what_spoke():
    explanation = explain(judged(90.0), 0, 90.0)
    sentence = explanation.sentence()
    assert sentence.startswith("90 instead of about 49.9")
    assert "a value that was never seen" in sentence
    assert sentence.endswith("as far from expected never")
    assert explanation.nearest == noise(2000).max()
    assert sum(explanation.shares.values()) == pytest.approx(1)
    assert list(explanation.shares.values()) == sorted(explanation.shares.values(), reverse=True)


def test_an_ordinary_value_is_said_to_be_one():
    value = float(noise(2000)[77])
    explanation = explain(judged(value)._replace(components=np.zeros((1, 4))), 0, value)
    assert "nothing unusual" in explanation.sentence()
    assert "of the past" in explanation.sentence()


def test_a_point_that_was_not_judged_has_no_explanation():
    with pytest.raises(ValueError, match="point 0 was not judged"):
        explain(judged(np.nan), 0, np.nan)


def test_every_component_has_a_meaning():
    assert set(MEANINGS) == {name for make in ALGORITHMS.values() for name in make().names}


def test_the_forest_says_which_of_its_features_made_a_point_odd():
    baseline = Baseline(SeriesOptions(algorithm="isolation_forest"))
    baseline.learn(times(2000), noise(2000))
    explanation = explain(baseline.judge(times(2001)[2000:], np.array([90.0])), 0, 90.0)
    assert set(explanation.features) == set(FEATURES)
    assert sum(explanation.features.values()) == pytest.approx(1)
    assert list(explanation.features.values()) == sorted(explanation.features.values(), reverse=True)
    assert f"most of it by the {next(iter(explanation.features))}" in explanation.sentence()


def test_an_algorithm_without_features_has_no_shares_of_them():
    assert explain(judged(90.0), 0, 90.0).features == {}
