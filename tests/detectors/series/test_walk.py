"""A walk through a history."""

import numpy as np
import pytest

from detectors.series import Baseline, SeriesOptions, incident_scores, walked
from detectors.series.walk import walk, warm_up
from tests.detectors.series.series import daily, times


@pytest.mark.parametrize(("points", "least"), [(1, 0), (10, 1), (1000, 150), (5000, 750), (100_000, 750)])
def test_the_warm_up_is_a_share_of_the_points_up_to_a_bound(points, least):
    assert warm_up(points) == least


def test_a_day_is_judged_from_all_that_was_before():
    at, values = times(1500), daily(1500)
    judgement, incidents = walked(at, values)
    starts = [part.start for part in walk(at, values)]
    assert starts == [225 + 288 * day for day in range(5)]
    baseline = Baseline()
    for start, end in zip(starts, [*starts[1:], 1500], strict=True):
        baseline.refresh(at[:start], values[:start])
        found = baseline.judge(at[start:end], values[start:end])
        np.testing.assert_array_equal(judgement.score[start - 225 : end - 225], found.score)
        np.testing.assert_array_equal(judgement.expected[start - 225 : end - 225], found.expected)
    np.testing.assert_array_equal(incidents, incident_scores(judgement.score, 100))


def test_the_future_does_not_matter():
    at, values = times(1500), daily(1500)
    other = values.copy()
    other[1200:] = 0
    before, after = walked(at, values), walked(at, other)
    cut = 1200 - 225
    np.testing.assert_array_equal(before[0].score[:cut], after[0].score[:cut])
    np.testing.assert_array_equal(before[1][:cut], after[1][:cut])
    assert after[0].score[cut:].max() > before[0].score[cut:].max()


def test_the_hold_goes_on_over_midnight():
    at, values = times(1500), daily(1500)
    midnight = int(np.searchsorted(at, at[225] + 86_400))
    values[midnight - 3 : midnight + 3] = 500
    incidents = walked(at, values, SeriesOptions(hold_points=50))[1][midnight - 225 - 3 : midnight - 225 + 3]
    assert incidents[0] > 1
    assert (incidents[1:] == 0).all()


@pytest.mark.parametrize("values", [[5.0], [5.0, 6.0], [np.nan] * 10 + [1.0] * 10, [1.0] + [np.nan] * 30])
def test_short_and_empty_histories_are_walked_to_the_end(values):
    parts = list(walk(times(len(values)), np.array(values)))
    assert sum(len(part.incident_scores) for part in parts) <= len(values)
