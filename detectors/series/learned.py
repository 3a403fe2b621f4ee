"""The default algorithm: several kinds of novelty, each in units of what is usual in this series, joined by a soft or.

component      news about                                           memory
value          the value                                            everything since the start
hour           the value at this time of the day                    days before, not the last 12 hours
level          the median of ten points at this time of the day     days before, not the last 12 hours
flat           a run of the same value                              the longest run before

A distance is divided by the running spread of the series plus three times the component's own recent root mean square:
a series that often brings news has to bring more of it. The weights put the components on one scale, on which 1 is the
alert line. The score is the square root of the sum of their squares: above each of them, and far above only if several
say the same.
"""

import math

import numpy as np

from detectors.series.flat import FlatLine
from detectors.series.hourly import HourlyValues
from detectors.series.novelty import SeenValues
from detectors.series.rolling import RollingMedian, medians
from detectors.series.spread import Spread, Usual

NAMES = ("value", "hour", "level", "flat")
#: what a component's distance is multiplied with, so that 1 is the alert line
WEIGHTS = {"value": 10.0, "hour": 1.0, "level": 0.7, "flat": 2.0}
#: how often the root mean square counts
USUAL = 3.0
#: more than this is not said, such as of the first other value in a series that has been constant
HIGHEST = 20.0
#: of news that lasts, a distance of more than so many units counts as this in what is usual: an incident must not
#: make itself usual while it goes on
LONGEST = 3.0
LEVEL_POINTS = 10
#: a step of more than so many seconds, and so many times the one before, is a gap: levels do not reach over it
GAP_SECONDS, GAP_STEPS = 3600.0, 5.0
#: values nearer than this share of the spread stand for one another
TOLERANCE = 0.003
#: the last points of a history are gone through one by one, so that it is known what news is usual
REPLAYED = 3000


class Learned:
    """What one series has been, and how new a point is to it. About 15 µs a point."""

    names: tuple[str, ...] = NAMES
    features: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._values = SeenValues(size=4096)
        self._hours, self._levels = HourlyValues(), HourlyValues()
        self._median, self._flat = RollingMedian(LEVEL_POINTS), FlatLine()
        self._spread = Spread()
        self._usual = {name: Usual() for name in ("value", "hour", "level")}
        self._time, self._gap = math.nan, math.nan

    def learn(self, times: np.ndarray, hours: np.ndarray, values: np.ndarray) -> None:
        """Take a history into a new state. times: seconds, ascending; hours: 0 to 23; values: finite; all (n,)."""
        cut = max(len(values) - REPLAYED, 0)
        if cut > LEVEL_POINTS:
            self._take(times[:cut], hours[:cut], values[:cut])
        else:
            cut = 0
        for time, hour, value in zip(times[cut:].tolist(), hours[cut:].tolist(), values[cut:].tolist(), strict=True):
            self.step(time, hour, value)

    def _take(self, times: np.ndarray, hours: np.ndarray, values: np.ndarray) -> None:
        """The same as so many steps, but that what is usual stays unknown."""
        levels = medians(values, LEVEL_POINTS)
        self._spread.learn(values)
        self._values.tolerance = TOLERANCE * self._spread.value()
        for store in (self._hours, self._levels):
            store.set_tolerance(TOLERANCE * self._spread.value())
        self._values.learn(values)
        self._hours.learn(times, hours, values)
        self._levels.learn(times, hours, levels)
        self._flat.learn(values)
        self._median.load(values[-LEVEL_POINTS:])
        self._time, self._gap = float(times[-1]), float(times[-1] - times[-2])

    def refresh(self, times: np.ndarray, hours: np.ndarray, values: np.ndarray) -> None:
        """Nothing to do: it learns from each point that it judges, and forgets nothing."""

    def step(self, time: float, hour: int, value: float) -> tuple[float, ...]:
        """Judge a finite value by what was before it, and take it in: its components, each 1 at its alert line."""
        if self._is_gap(time):
            self._median = RollingMedian(LEVEL_POINTS)
        level = self._median.step(value)
        self._spread.add(value)
        spread, usual = self._spread.value(), self._usual
        found = (
            _scaled(WEIGHTS["value"], _distance(self._values, value), spread, usual["value"]),
            _of_hour(WEIGHTS["hour"], self._hours.look(hour, value), spread, usual["hour"]),
            _of_hour(WEIGHTS["level"], self._levels.look(hour, level), spread, usual["level"]),
            min(WEIGHTS["flat"] * self._flat.step(value), HIGHEST),
        )
        self._values.add(value)
        self._hours.add(time, hour, value)
        self._levels.add(time, hour, level)
        return found

    def _is_gap(self, time: float) -> bool:
        step, before = time - self._time, self._gap
        self._time, self._gap = time, step
        return step > GAP_SECONDS and step > GAP_STEPS * before

    def judge(self, times: np.ndarray, hours: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Judge finite values in their order, each by what was before it: components (n, k), nearest values (n,)."""
        components, nearest = np.empty((len(values), len(NAMES))), np.empty(len(values))
        steps = zip(times.tolist(), hours.tolist(), values.tolist(), strict=True)
        for i, (time, hour, value) in enumerate(steps):
            nearest[i] = self._values.nearest(value)
            components[i] = self.step(time, hour, value)
        return components, nearest

    def dump(self) -> dict[str, np.ndarray]:
        """Plain arrays that `load` takes."""
        state = {
            "time": np.array([self._time, self._gap]),
            "median": self._median.dump(),
            "flat": self._flat.dump(),
            "spread": self._spread.dump(),
        }
        for name, usual in self._usual.items():
            state[f"usual.{name}"] = usual.dump()
        state |= {"values": self._values.dump(), "tolerance": np.array([self._values.tolerance])}
        for name, store in (("hours", self._hours), ("levels", self._levels)):
            state |= {f"{name}.{part}": values for part, values in store.dump().items()}
        return state

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take back what `dump` gave."""
        self._time, self._gap = state["time"].tolist()
        self._median.load(state["median"])
        self._flat.load(state["flat"])
        self._spread.load(state["spread"])
        for name, usual in self._usual.items():
            usual.load(state[f"usual.{name}"])
        self._values.load(state["values"], state["tolerance"][0])
        for name, store in (("hours", self._hours), ("levels", self._levels)):
            prefix = f"{name}."
            store.load({key.removeprefix(prefix): state[key] for key in state if key.startswith(prefix)})


def _distance(seen: SeenValues, value: float) -> float:
    nearest = seen.nearest(value)
    return abs(value - nearest) if nearest == nearest else 0.0


def _of_hour(weight: float, look: tuple[float, float], spread: float, usual: Usual) -> float:
    distance, local = look
    if distance != distance:
        return 0.0
    unit = spread + local + USUAL * usual.value()
    usual.add(min(distance, LONGEST * unit))
    return min(weight * distance / unit, HIGHEST) if unit > 0 else 0.0


def _scaled(weight: float, distance: float, spread: float, usual: Usual) -> float:
    """A component: a distance in units of what is usual, on the common scale."""
    unit = spread + USUAL * usual.value()
    usual.add(distance)
    return min(weight * distance / unit, HIGHEST) if unit > 0 else 0.0
