"""The seasonal profile."""

import numpy as np
import pytest

from detectors.series import profile
from detectors.series.season import DAY, week_seconds
from tests.detectors.series.series import daily, noise, times


def slow_levels(seconds, values, season, count):
    """The median of each slot, by a loop; NaN without values."""
    period = {"daily": DAY, "weekly": 7 * DAY}[season]
    slots = [[] for _ in range(count)]
    for second, value in zip(seconds, values, strict=True):
        slots[int((second % period) * (count / period))].append(value)
    return np.array([np.median(slot) if slot else np.nan for slot in slots])


@pytest.mark.parametrize("season", ["daily", "weekly"])
def test_each_slot_has_the_median_of_its_values(season):
    at, values = times(15 * 288), daily(15 * 288)
    learned = profile.learn(week_seconds(at), values, season, 300.0)
    np.testing.assert_array_equal(
        learned.levels, slow_levels(week_seconds(at), values, season, profile.MAX_SLOTS[season])
    )


def test_one_time_and_many_have_the_same_expected_value():
    at, values = times(1000), daily(1000)
    for season in ("none", "daily", "weekly"):
        learned = profile.learn(week_seconds(at), values, season, 300.0)
        one_by_one = [learned.expected_at(second) for second in week_seconds(at).tolist()]
        np.testing.assert_array_equal(learned.expected(week_seconds(at)), one_by_one)


def test_slots_that_were_never_seen_lie_between_their_neighbours():
    at = times(288)
    seen = np.ones(288, bool)
    seen[100:110] = False
    values = np.arange(288.0)
    learned = profile.learn(week_seconds(at)[seen], values[seen], "daily", 300.0)
    np.testing.assert_allclose(learned.levels, values)


def test_without_values_there_is_no_profile():
    with pytest.raises(ValueError, match="expected at least one value"):
        profile.learn(np.empty(0), np.empty(0), "none", 60.0)


@pytest.mark.parametrize(
    ("values", "season"),
    [
        (daily(8 * 288), "daily"),
        (noise(8 * 288), "none"),
        (np.full(8 * 288, 7.0), "none"),
        (daily(30 * 288) * np.where(np.arange(30 * 288) // 288 % 7 < 5, 1, 0.3), "weekly"),
        (daily(400), "none"),
    ],
    ids=["daily", "noise", "constant", "weekends", "a day and a half"],
)
def test_the_season_is_the_one_that_predicts_other_days_best(values, season):
    at = times(len(values))
    found, residuals = profile.fitted(at, week_seconds(at), values, "auto", 300.0)
    assert found.season == season
    assert residuals.shape == values.shape
    assert np.isfinite(residuals).all()


def test_the_differences_are_those_of_days_that_were_not_learned_from():
    at = times(2 * 288)
    values = np.where(np.arange(2 * 288) < 288, 10.0, 20.0)
    _, residuals = profile.fitted(at, week_seconds(at), values, "daily", 300.0)
    assert set(residuals) == {-10.0, 10.0}


def test_an_anomaly_in_the_history_does_not_move_the_profile():
    at, values = times(10 * 288), daily(10 * 288)
    spoiled = values.copy()
    spoiled[500:600] += 500
    pure, other = (profile.learn(week_seconds(at), one, "daily", 300.0) for one in (values, spoiled))
    assert np.abs(pure.levels - other.levels).max() < 2


@pytest.mark.parametrize(
    ("season", "step", "count"),
    [("daily", 3600.0, 24), ("daily", 1800.0, 48), ("daily", 2 * DAY, 1), ("daily", 0.0, 288), ("none", 60.0, 1)],
)
def test_a_season_has_a_slot_for_each_point_up_to_its_maximum(season, step, count):
    assert profile.slot_count(season, step) == count


def test_the_last_moment_of_a_season_is_in_its_last_slot():
    seconds = np.array([0.0, np.nextafter(3600.0, 0), 3600.0, np.nextafter(DAY, 0), DAY])
    assert profile.slots(seconds, "daily", 24).tolist() == [0, 0, 1, 23, 0]
