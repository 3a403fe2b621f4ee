"""The alarm of a series against the rule on whole arrays."""

import numpy as np
import pytest

from detectors.series import in_alarm, notifications
from exporter.anomalies.alarm import Alarm


@pytest.mark.parametrize("seed", range(20))
def test_incidents_open_where_the_rule_on_arrays_notifies(seed: int) -> None:
    above = np.random.default_rng(seed).random(3000) < 0.12
    alarm = Alarm()
    changes = [alarm.step(60.0 * i, bool(is_above)) for i, is_above in enumerate(above)]
    opened = [i for i, change in enumerate(changes) if change == "opened"]
    assert opened == notifications(in_alarm(above[None, :].astype(float), line=0.5)).tolist()
    assert len(opened) > 1


def test_an_incident_began_with_its_first_odd_point() -> None:
    alarm = Alarm()
    assert [alarm.step(time, above) for time, above in ((0, False), (60, True), (120, True), (180, False))] == [
        None
    ] * 4
    assert alarm.step(240, True) == "opened"
    assert alarm.opened_at == 60


def test_it_ends_after_fifteen_quiet_points_and_not_before() -> None:
    alarm = Alarm()
    for time in range(3):
        alarm.step(time, True)
    quiet = [alarm.step(time, False) for time in range(3, 30)]
    assert quiet.index("closed") == 2 + 14  # two more points are in alarm
    assert not alarm.is_open


def test_an_odd_point_long_ago_is_not_the_beginning_of_anything() -> None:
    alarm = Alarm()
    alarm.step(0, True)
    for time in range(1, 10):
        alarm.step(time, False)
    assert alarm.since is None


def test_after_a_reset_nothing_of_the_last_points_counts() -> None:
    alarm = Alarm()
    for time in range(3):
        alarm.step(time, True)
    assert alarm.is_open
    alarm.reset()
    assert (alarm.is_open, alarm.since) == (False, None)
    assert [alarm.step(time, True) for time in (10, 11, 12)] == [None, None, "opened"]
    assert alarm.opened_at == 10


def test_a_second_incident_takes_as_long_to_end_as_the_first_and_begins_with_its_own_first_point() -> None:
    alarm, changes = Alarm(), []
    for lap in (0, 100):
        changes += [alarm.step(lap + time, True) for time in range(3)]
        quiet = [alarm.step(lap + time, False) for time in range(3, 40)]
        assert quiet.index("closed") == 2 + 14
        assert alarm.opened_at == lap


def test_what_was_dismissed_opens_nothing_until_it_is_over() -> None:
    alarm = Alarm()
    for time in range(3):
        alarm.step(time, True)
    alarm.dismiss()
    assert (alarm.is_open, alarm.is_dismissed) == (False, True)
    assert [alarm.step(time, True) for time in range(3, 50)] == [None] * 47
    assert [alarm.step(time, False) for time in range(50, 80)].count("closed") == 1
    assert not alarm.is_dismissed
    assert [alarm.step(time, True) for time in range(80, 83)] == [None, None, "opened"]


def test_nothing_is_dismissed_that_is_not_open() -> None:
    alarm = Alarm()
    alarm.dismiss()
    assert not alarm.is_dismissed


def test_where_points_look_back_an_incident_opens_one_window_after_the_alarm() -> None:
    alarm = Alarm(window=300)
    changes = {time: alarm.step(time, True) for time in range(0, 900, 60)}
    assert [time for time, change in changes.items() if change] == [120 + 300]
    assert alarm.opened_at == 0


def test_what_was_odd_for_less_than_the_window_is_told_all_the_same() -> None:
    alarm = Alarm(window=300)
    changes = [alarm.step(60 * number, number < 4) for number in range(30)]
    assert [change for change in changes if change] == ["opened", "closed"]


def test_what_was_away_meanwhile_is_not_waited_for() -> None:
    alarm = Alarm(window=300)
    for time in (0, 60, 120, 180):
        alarm.step(time, True)
    alarm.step(300, False, is_known=False)
    assert [alarm.step(time, False) for time in range(360, 1800, 60)] == [None] * 24
    assert alarm.since is None


def test_what_is_over_before_a_long_window_has_passed_is_told_when_it_is_back() -> None:
    alarm = Alarm(window=3600)
    changes = [alarm.step(60 * number, number < 20) for number in range(60)]
    assert changes.index("opened") == 20 + 2  # two of the last five are odd: no alarm any more
    assert changes.count("opened") == changes.count("closed") == 1
