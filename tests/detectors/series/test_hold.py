"""The incident hold."""

import numpy as np
import pytest

from detectors.series.hold import Hold, incident_scores


def slow(scores, points):
    """A score counts when it is above all of the `points` scores before it."""
    held = []
    for i, score in enumerate(scores):
        before = [one for one in scores[max(0, i - points) : i] if one == one]
        held.append(score if score != score or not before or score > max(before) else 0.0)
    return held


@pytest.mark.parametrize("points", [0, 1, 3, 10, 1000])
def test_it_is_what_the_slow_loop_says(points):
    random = np.random.default_rng(points)
    scores = random.integers(0, 6, 300).astype(float)
    scores[random.random(300) < 0.1] = np.nan
    np.testing.assert_array_equal(incident_scores(scores, points), slow(scores.tolist(), points))


def test_a_long_incident_is_one():
    held = incident_scores([0.1, 0.2, 5.0, *[4.9] * 50, 5.0, 0.1], 100)
    assert np.flatnonzero(held >= 1).tolist() == [2]


def test_an_incident_that_becomes_worse_is_said_again():
    held = incident_scores([0.1, 2.0, 1.0, 3.0, 1.0], 100)
    assert held.tolist() == [0.1, 2.0, 0.0, 3.0, 0.0]


def test_without_points_to_hold_every_score_is_an_incident_of_its_own():
    assert incident_scores([2.0, 2.0, 1.0], 0).tolist() == [2.0, 2.0, 1.0]


def test_a_negative_hold_is_refused():
    with pytest.raises(ValueError, match="expected points >= 0, got -1"):
        Hold(-1)
