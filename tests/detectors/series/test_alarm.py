"""The alert rule as a function."""

import numpy as np

from detectors.series.alarm import in_alarm, notifications


def slow(scores, least, window):
    return [sum(one >= 1 for one in scores[max(0, i + 1 - window) : i + 1]) >= least for i in range(len(scores))]


def test_it_is_what_the_slow_loop_says():
    scores = np.random.default_rng(1).uniform(0, 2, (4, 200))
    scores[0, 50:60] = np.nan
    expected = [slow(row, 3, 5) for row in scores]
    np.testing.assert_array_equal(in_alarm(scores), expected)
    np.testing.assert_array_equal(in_alarm(scores[1]), expected[1])


def test_one_odd_point_is_no_alarm_and_three_are():
    scores = np.zeros(20)
    scores[5] = 100
    assert not in_alarm(scores).any()
    scores[7:9] = 1
    assert np.flatnonzero(in_alarm(scores)).tolist() == [8, 9]


def test_a_query_notifies_once_however_many_of_its_series_are_in_alarm():
    alarms = np.zeros((3, 100), bool)
    alarms[0, 10:20] = alarms[1, 15:30] = alarms[2, 40:42] = True
    alarms[2, 70] = True
    assert notifications(alarms, quiet=15).tolist() == [10, 70]


def test_without_alarms_there_are_no_notifications():
    assert notifications(np.zeros((3, 50), bool)).tolist() == []
