"""Values by the hour of the day."""

import numpy as np
import pytest

from detectors.series.hourly import MOST_WAITING, HourlyValues


def slow_look(seen, time, hour, value, delay):
    """The distance to what was seen long enough ago in this hour and the two beside it, and five neighbours further."""
    found = (np.nan, np.nan)
    for number in ((hour - 1) % 24, hour, (hour + 1) % 24):
        values = sorted({one for at, in_hour, one in seen if in_hour == number and at <= time - delay})
        if values:
            nearest = min(values, key=lambda one: abs(one - value))
            place = values.index(nearest)
            far = values[max(place - 5, 0)] if nearest < value else values[min(place + 5, len(values) - 1)]
            if not abs(nearest - value) >= found[0]:
                found = abs(nearest - value), abs(far - nearest)
    return found


def points(count=400, step=3000.0):
    random = np.random.default_rng(4)
    at = step * np.arange(count)
    return list(zip(at, (at // 3600 % 24).astype(int), random.normal(size=count), strict=True))


def test_it_is_what_the_slow_loop_says():
    store, seen, delay = HourlyValues(delay=43_200.0), [], 43_200.0
    for time, hour, value in points():
        # what waits is moved when a value is added: look as of the last one
        last = seen[-1][0] if seen else time
        np.testing.assert_array_equal(store.look(hour, value), slow_look(seen, last, hour, value, delay))
        store.add(time, hour, value)
        seen.append((time, hour, value))


def test_learning_at_once_is_the_same_as_one_by_one():
    one_by_one, at_once = HourlyValues(), HourlyValues()
    for point in points():
        one_by_one.add(*point)
    at_once.learn(*(np.array(column) for column in zip(*points(), strict=True)))
    for hour in range(24):
        assert one_by_one.look(hour, 0.123) == at_once.look(hour, 0.123)


def test_what_is_going_on_does_not_count_as_seen():
    store = HourlyValues(delay=3600.0)
    store.add(0.0, 5, 1.0)
    store.add(1800.0, 5, 2.0)
    assert np.isnan(store.look(5, 1.0)[0])
    store.add(3600.0, 6, 9.0)
    assert store.look(5, 1.0)[0] == 0.0
    assert store.look(5, 2.0)[0] == 1.0


def test_the_hours_beside_it_count_too_around_midnight():
    store = HourlyValues(delay=0.0)
    store.add(0.0, 0, 4.0)
    assert [np.isfinite(store.look(hour, 4.0)[0]) for hour in (22, 23, 0, 1, 2)] == [False, True, True, True, False]


def test_frequent_points_do_not_wait_without_bound():
    store = HourlyValues()
    for second in range(20_000):
        store.add(float(second), 3, float(second % 77))
    assert len(store.dump()["waiting"]) <= MOST_WAITING


def test_it_goes_on_from_what_was_dumped():
    store, other = HourlyValues(), HourlyValues()
    for point in points(300):
        store.add(*point)
    other.load(store.dump())
    for time, hour, value in points()[300:]:
        assert store.look(hour, value) == pytest.approx(other.look(hour, value), nan_ok=True)
        store.add(time, hour, value)
        other.add(time, hour, value)
