"""Z-scores."""

import numpy as np
import pytest

from detectors.series.zscore import ZScore

NOTHING = np.empty(0)


def judged(name, history, values):
    zscore = ZScore(name)
    zscore.learn(NOTHING, NOTHING, np.array(history))
    return zscore.judge(NOTHING, NOTHING, np.array(values))[0][:, 0]


def test_four_standard_deviations_are_the_line():
    assert judged("zscore", [-1.0, 1.0] * 50, [0.0, 4.0, -8.0]).tolist() == [0.0, 1.0, 2.0]


def test_the_robust_one_does_not_see_what_is_rare_in_the_history():
    history = [*[-1.0, 0.0, 1.0] * 50, 1e6]
    assert judged("robust_zscore", history, [6 * 1.4826]) == pytest.approx(1.0)
    assert judged("zscore", history, [100.0]) < 0.1


@pytest.mark.parametrize("name", ["zscore", "robust_zscore"])
def test_a_constant_history_gives_a_finite_score(name):
    assert judged(name, [5.0] * 20, [5.0, 6.0]).tolist() == [0.0, 10.0]


def test_it_goes_on_from_what_was_dumped():
    one, other = ZScore("zscore"), ZScore("zscore")
    one.learn(NOTHING, NOTHING, np.arange(10.0))
    other.load(one.dump())
    assert one.judge(NOTHING, NOTHING, np.array([30.0])) == other.judge(NOTHING, NOTHING, np.array([30.0]))
