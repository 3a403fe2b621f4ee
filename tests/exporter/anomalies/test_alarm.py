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
