"""Time of the day and of the week by local clocks."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from detectors.series.season import DAY, WEEK, utc_offset, week_seconds


def slow(time, zone):
    local = datetime.fromtimestamp(time, ZoneInfo(zone))
    return local.weekday() * DAY + local.hour * 3600 + local.minute * 60 + local.second


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata"])
def test_it_is_what_clocks_and_calendars_say(zone):
    # over both changes of the clocks in 2026
    times = np.arange(1_767_225_600, 1_798_761_600, 17_989).astype(float)
    np.testing.assert_array_equal(week_seconds(times, zone), [slow(time, zone) for time in times])


def test_it_stays_within_the_week():
    assert week_seconds(np.array([4 * DAY, 4 * DAY + WEEK - 1, 0.0])).tolist() == [0.0, WEEK - 1, 3 * DAY]


def test_three_in_the_morning_stays_so_when_the_clocks_change():
    before, after = (datetime(2026, 3, day, 3, tzinfo=ZoneInfo("Europe/Berlin")).timestamp() for day in (28, 30))
    assert (week_seconds(np.array([before, after]), "Europe/Berlin") % DAY / 3600).tolist() == [3.0, 3.0]


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "/etc/passwd"])
def test_a_zone_that_does_not_exist_is_refused(zone):
    with pytest.raises(ValueError, match="expected the name of a time zone such as Europe/Berlin, got"):
        utc_offset(0, zone)
