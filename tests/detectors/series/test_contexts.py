"""Another normal during events."""

import numpy as np
import pytest

from detectors.series import ContextBaseline
from tests.detectors.series.series import noise, times


def history():
    """CPU at 50, and at 85 while one of ten deployments of 20 points runs."""
    values, contexts = noise(3000), [""] * 3000
    for begin in range(100, 3000, 300):
        values[begin : begin + 20] += 35
        contexts[begin : begin + 20] = ["deployment"] * 20
    return values, contexts


def learned():
    baseline = ContextBaseline()
    baseline.learn(times(3000), *history())
    return baseline


def test_what_is_normal_in_an_event_is_odd_outside():
    baseline, later = learned(), times(3003)[3000:]
    found = baseline.judge(later, np.array([85.0, 50.0, 85.0]), ["deployment", "", ""])
    assert [score > 1 for score in found.score] == [False, False, True]
    assert found.expected == pytest.approx([85, 50, 50], abs=1)
    assert baseline.contexts == ["deployment"]


def test_what_is_odd_in_an_event_is_found_in_it():
    assert learned().judge(times(3001)[3000:], np.array([10.0]), ["deployment"]).score[0] > 1


def test_a_context_that_was_seen_too_rarely_is_judged_as_ordinary():
    values, contexts = history()
    contexts[50:60] = ["holiday"] * 10
    baseline = ContextBaseline()
    baseline.learn(times(3000), values, contexts)
    assert baseline.contexts == ["deployment"]
    assert baseline.judge(times(3001)[3000:], np.array([50.0]), ["holiday"]).score[0] < 1


def test_points_that_are_left_out_are_no_example_in_any_context():
    values, contexts = history()
    baseline = ContextBaseline()
    baseline.learn(times(3000), values, contexts, exclude=np.array(contexts) == "deployment")
    assert baseline.contexts == []


def test_what_was_dumped_goes_on_as_if_nothing_had_been():
    one, other, later = learned(), ContextBaseline(), times(3002)[3000:]
    other.load_state(one.dump_state())
    values, contexts = np.array([85.0, 60.0]), ["deployment", ""]
    np.testing.assert_array_equal(
        one.judge(later, values, contexts).components, other.judge(later, values, contexts).components
    )


@pytest.mark.parametrize("state", [{"format": "baseline 1"}, {"format": "contexts 1", "contexts": {}}, None])
def test_a_dump_of_something_else_is_refused(state):
    with pytest.raises(ValueError, match="the state"):
        ContextBaseline().load_state(state)
