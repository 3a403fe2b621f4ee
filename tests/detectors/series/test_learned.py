"""The default algorithm, against a loop that keeps everything."""

import numpy as np
import pytest

from detectors.series.flat import FlatLine
from detectors.series.learned import HIGHEST, LONGEST, NAMES, REPLAYED, USUAL, WEIGHTS, Learned
from tests.detectors.series.series import daily, times


def hours(at):
    return (at // 3600 % 24).astype(int)


def slow_spread(values):
    return np.sqrt(np.std(values) * np.abs(np.diff(values)).sum() / len(values))


def usual(distances):
    """Root mean square with weights that fall by 1/3000 a point."""
    weights = (1 - 1 / 3000) ** np.arange(len(distances))[::-1]
    return np.sqrt(np.average(np.square(distances), weights=weights)) if len(distances) else 0.0


def of_hour(at, in_hour, values, now, hour, value):
    """Distance and spread at this hour; None where nothing was seen."""
    near = (values[:0], np.inf)
    for number in ((hour - 1) % 24, hour, (hour + 1) % 24):
        seen = np.unique(values[: len(at)][(in_hour == number) & (at <= now - 43_200)])
        if len(seen) and np.abs(seen - value).min() < near[1]:
            near = seen, np.abs(seen - value).min()
    if not len(near[0]):
        return None
    place = int(np.argmin(np.abs(near[0] - value)))
    far = max(place - 5, 0) if near[0][place] < value else min(place + 5, len(near[0]) - 1)
    return near[1], abs(near[0][far] - near[0][place])


def slow(at, values):
    """All components of all points, each from everything before it."""
    levels = np.array([np.median(values[max(0, i - 9) : i + 1]) for i in range(len(values))])
    past = {name: [] for name in NAMES[:3]}
    flat, found = FlatLine(), []
    for i in range(len(values)):
        spread = slow_spread(values[: i + 1])
        row = []
        for name, series in (("value", values), ("hour", values), ("level", levels)):
            if name == "value":
                distance, near = (np.abs(series[:i] - series[i]).min() if i else 0.0), 0.0
            else:
                # what waits is looked through when a point is added, so as of the point before
                now = at[i - 1] if i else at[0]
                seen = of_hour(at[:i], hours(at[:i]), series[:i], now, hours(at)[i], series[i])
                if seen is None:
                    row.append(0.0)
                    continue
                distance, near = seen
            unit = spread + near + USUAL * usual(past[name])
            past[name].append(distance if name == "value" else min(distance, LONGEST * unit))
            row.append(min(WEIGHTS[name] * distance / unit, HIGHEST) if unit else 0.0)
        found.append([*row, min(WEIGHTS["flat"] * flat.step(float(values[i])), HIGHEST)])
    return np.array(found)


def test_it_is_what_the_slow_loop_says():
    at, values = times(500, 900.0), daily(500, 900.0)
    values[300:340] += 30
    values[400:] = values[400]
    learned = Learned()
    found, nearest = learned.judge(at, hours(at), values)
    np.testing.assert_allclose(found, slow(at, values), rtol=1e-9, atol=1e-12)
    assert np.isnan(nearest[0])
    assert nearest[300] == values[np.argmin(np.abs(values[:300] - values[300]))]
    assert (found[300, 1:3] > 0).all()
    assert found[450, NAMES.index("flat")] > 1


@pytest.mark.parametrize("cut", [1, 100, 2000, REPLAYED + 500])
def test_to_learn_is_to_have_judged(cut):
    at, values = times(REPLAYED + 1000, 300.0), daily(REPLAYED + 1000)
    learned, judged = Learned(), Learned()
    learned.learn(at[:cut], hours(at)[:cut], values[:cut])
    judged.judge(at[:cut], hours(at)[:cut], values[:cut])
    after = slice(cut, cut + 300)
    one, other = (it.judge(at[after], hours(at)[after], values[after])[0] for it in (learned, judged))
    # a long history is taken at once but for its end: near values stand for one another, and old news is forgotten
    np.testing.assert_allclose(one, other, atol=0 if cut <= REPLAYED else 0.3)


def test_it_goes_on_from_what_was_dumped():
    at, values = times(900), daily(900)
    one, other = Learned(), Learned()
    one.learn(at[:600], hours(at)[:600], values[:600])
    other.load(one.dump())
    for first, second in zip(
        one.judge(at[600:], hours(at)[600:], values[600:]),
        other.judge(at[600:], hours(at)[600:], values[600:]),
        strict=True,
    ):
        np.testing.assert_array_equal(first, second)


def test_news_in_a_series_that_was_constant_is_far_above_the_line_and_finite():
    at = times(400)
    learned = Learned()
    learned.judge(at, hours(at), np.full(400, 5.0))
    found, _ = learned.judge(at[-1:] + 300, np.array([9]), np.array([5.1]))
    assert found[0, NAMES.index("value")] == HIGHEST


def test_a_level_does_not_reach_over_a_gap():
    """Half a day without points, from the night's level to the day's."""
    at = times(6 * 288)
    values = np.where((hours(at) >= 8) & (hours(at) < 20), 80.0, 20.0) + np.random.default_rng(1).normal(size=len(at))
    present = ~((at >= at[5 * 288 - 60]) & (at < at[5 * 288 + 144]))
    learned = Learned()
    found, _ = learned.judge(at[present], hours(at[present]), values[present])
    assert (np.sqrt((found[5 * 288 - 60 :] ** 2).sum(axis=1)) < 1).all()
