"""The severity of a score."""

import math

import pytest

from detectors.series.severity import severity


@pytest.mark.parametrize(
    ("score", "name"),
    [
        (0.0, None),
        (0.999, None),
        (1.0, "low"),
        (1.49, "low"),
        (1.5, "medium"),
        (2.0, "high"),
        (3.0, "critical"),
        (math.inf, "critical"),
        (math.nan, None),
    ],
)
def test_severity_follows_the_score_alone(score, name):
    assert severity(score) == name
