"""The seasonal profile: the ordinary value at each time of the day or of the week.

A slot of the season holds the median of what was seen in it. Medians do not follow an anomaly that is in the history,
and keep edges. Without a season there is one slot.
"""

from dataclasses import dataclass

import numpy as np

from detectors.series.season import PERIODS

#: a season has at most this many slots: 5 minutes of a day, half an hour of a week
MAX_SLOTS = {"none": 1, "daily": 288, "weekly": 336}


@dataclass(frozen=True)
class Profile:
    """levels: float64 (k,), the median of each slot. season: none, daily or weekly."""

    season: str
    levels: np.ndarray

    def slots(self, seconds: np.ndarray) -> np.ndarray:
        """Slots of times, given as seconds of the week: int64 (n,)."""
        return slots(seconds, self.season, len(self.levels))

    def expected(self, seconds: np.ndarray) -> np.ndarray:
        """The ordinary value at each time, given as seconds of the week: float64 (n,)."""
        return self.levels[self.slots(seconds)]

    def expected_at(self, seconds: float) -> float:
        """The same for one time."""
        period = PERIODS[self.season]
        place = int((seconds % period) * (len(self.levels) / period)) if period else 0
        return float(self.levels[min(place, len(self.levels) - 1)])


def slots(seconds: np.ndarray, season: str, count: int) -> np.ndarray:
    """Which of `count` equal parts of the season each time is in: int64 (n,)."""
    period = PERIODS[season]
    if not period:
        return np.zeros(len(seconds), np.int64)
    return np.minimum((seconds % period) * (count / period), count - 1).astype(np.int64)


def learn(seconds: np.ndarray, values: np.ndarray, season: str, step: float) -> Profile:
    """The profile of finite values at times given as seconds of the week. step: seconds between points.

    Raises ValueError without values.
    """
    if not len(values):
        raise ValueError("expected at least one value to learn a profile from")
    count = slot_count(season, step)
    return Profile(season, _medians(slots(seconds, season, count), values, count))


def slot_count(season: str, step: float) -> int:
    """Slots of a season of points `step` seconds apart: one a point, up to the maximum."""
    return int(np.clip(round(PERIODS[season] / max(step, 1.0)), 1, MAX_SLOTS[season]))


def _medians(which: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """The median of the values of each slot; of slots without values, linearly between their neighbours."""
    order = np.lexsort((values, which))
    which, values = which[order], values[order]
    begin, end = np.searchsorted(which, np.arange(count)), np.searchsorted(which, np.arange(count), "right")
    filled = np.flatnonzero(end > begin)
    low = values[begin[filled] + (end - begin - 1)[filled] // 2]
    high = values[begin[filled] + (end - begin)[filled] // 2]
    return np.interp(np.arange(count), filled, (low + high) / 2, period=count)


#: a season is taken when it makes the mean absolute error on other days this much smaller
GAIN = 0.9


def fitted(
    times: np.ndarray, seconds: np.ndarray, values: np.ndarray, season: str, step: float
) -> tuple[Profile, np.ndarray]:
    """The profile of a history, of the season that predicts it best if `season` is auto, and the values minus it.

    The differences are those on days (or weeks) that the profile was not learned from, wherever there are two of them.
    times: seconds since 1970; seconds: of the week by local clocks; step: seconds between points.
    """
    tried = {name: _left_out(times, seconds, values, name, step) for name in _candidates(times, season, step)}
    best = "none" if season == "auto" else season
    for name in ("daily", "weekly"):
        if season == "auto" and name in tried and _error(tried[name]) < GAIN * _error(tried[best]):
            best = name
    return learn(seconds, values, best, step), tried[best]


def _error(residuals: np.ndarray) -> float:
    return float(np.mean(np.abs(residuals)))


def _candidates(times: np.ndarray, season: str, step: float) -> list[str]:
    """With auto those that the history has twice: a season seen once cannot be told from an accident."""
    if season != "auto":
        return [season]
    span = times[-1] - times[0] + step
    return [name for name, period in PERIODS.items() if span >= 2 * period]


def _left_out(times: np.ndarray, seconds: np.ndarray, values: np.ndarray, season: str, step: float) -> np.ndarray:
    """Values minus the profile of the odd periods in even ones, and the other way round."""
    period = PERIODS[season]
    odd = (times - times[0]) // period % 2 == 1 if period else np.zeros(len(times), bool)
    if not odd.any():
        return values - learn(seconds, values, season, step).expected(seconds)
    residuals = np.empty(len(values))
    for part in (odd, ~odd):
        residuals[part] = values[part] - learn(seconds[~part], values[~part], season, step).expected(seconds[part])
    return residuals
