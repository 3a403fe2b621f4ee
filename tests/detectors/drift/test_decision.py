"""The decision: significance over all features, an effect that matters, a severity, and a budget of false alarms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from detectors.drift.decision import (
    ALARMS_PER_DAY,
    CRITICAL,
    DAY,
    HIGH,
    HOUR,
    LOW,
    MEDIUM,
    NONE,
    Finding,
    decide,
    error_rate,
    rejected,
)


def finding(name: str = "x", p: float = 0.0, **scores: float) -> Finding:
    return Finding(name, p, scores)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.sampled_from([0.001, 0.05, 0.5]))
def test_rejections_are_those_of_scipys_adjusted_probabilities(p, rate):
    adjusted = stats.false_discovery_control(p)
    near = np.isclose(adjusted, rate, rtol=1e-9)
    assert ((rejected(np.array(p), rate) == (adjusted <= rate)) | near).all()


def test_no_features_have_no_drift():
    assert decide([], 0.01) == (NONE, (), ())


def test_a_difference_that_may_be_chance_is_no_drift_however_large():
    assert decide([finding(p=0.01, psi=5.0)], 0.001).severity == NONE


def test_a_difference_that_is_no_chance_is_no_drift_when_it_is_small():
    assert decide([finding(p=0.0, ks=0.03, psi=0.05, wasserstein=0.1)], 0.001).severity == NONE


@pytest.mark.parametrize(
    ("scores", "severity"),
    [
        ({"psi": 0.1}, LOW),
        ({"psi": 0.2}, MEDIUM),
        ({"psi": 0.5}, HIGH),
        ({"psi": 0.0, "wasserstein": 0.25}, LOW),
        ({"psi": 0.0, "wasserstein": 0.4}, MEDIUM),
        ({"psi": 0.1, "wasserstein": 1.0}, HIGH),
        ({"psi": 0.0, "wasserstein": float("inf")}, HIGH),
    ],
)
def test_the_severity_is_that_of_the_largest_effect(scores, severity):
    quiet = [finding(f"quiet-{index}", 0.5) for index in range(9)]
    found = decide([*quiet, finding("moved", **scores)], 0.001)
    assert found.severity == severity
    assert [test.feature for test in found.drifted] == ["moved"]
    assert found.tested[0].feature == "moved"
    assert len(found.tested) == 10


def test_drift_of_a_quarter_of_the_features_is_one_level_worse():
    def severity(drifted, quiet):
        moved = [finding(f"moved-{index}", psi=0.6) for index in range(drifted)]
        return decide([*moved, *(finding(f"quiet-{index}", 0.5) for index in range(quiet))], 0.001).severity

    assert severity(3, 9) == CRITICAL
    assert severity(2, 9) == HIGH
    assert severity(2, 6) == severity(2, 0) == CRITICAL
    assert severity(1, 0) == HIGH  # one feature is never broad


def test_the_windows_of_a_day_share_its_budget_whatever_their_length():
    for seconds in (1.0, 60.0, HOUR):
        assert error_rate(seconds) * DAY / seconds == pytest.approx(ALARMS_PER_DAY)
    assert error_rate(DAY) == error_rate(HOUR)
    assert error_rate(0.0) == error_rate(-5.0) == 0.0
