"""Novelty at this time of the day: how far a value is from those seen at about this hour on days before.

What was seen within the last twelve hours does not count yet, so that an incident goes on being news while it lasts.
Blind to: what happens at this hour for the first time because the series is young, and series without a daily course
gain nothing by it.
"""

from array import array
from itertools import islice

import numpy as np

from detectors.series.novelty import NAN, SeenValues

HOURS = 24
INFINITE = float("inf")
#: seconds until a value counts as seen
DELAY_SECONDS = 43_200.0
#: neighbours by whose distance from one another a distance is judged
NEIGHBOURS = 5
#: values that wait in one store; of more frequent ones some are left out
MOST_WAITING = 1440


class Waiting:
    """Values that do not count yet, oldest first, as plain numbers: 24 bytes each, where objects would take 140."""

    __slots__ = ("_first", "_numbers")

    def __init__(self) -> None:
        self._numbers = array("d")  # time, hour, value, time, hour, value, …
        self._first = 0

    def append(self, time: float, hour: int, value: float, least_gap: float) -> None:
        """Take a value, unless the last one is nearer in time than `least_gap` seconds."""
        numbers = self._numbers
        if len(numbers) == self._first or time - numbers[-3] >= least_gap:
            numbers.extend((time, hour, value))

    def first(self) -> float:
        """The time of the oldest one; infinite without any."""
        return self._numbers[self._first] if self._first < len(self._numbers) else INFINITE

    def pop(self) -> tuple[int, float]:
        """Take out the oldest one: its hour and its value."""
        numbers, first = self._numbers, self._first
        hour, value = int(numbers[first + 1]), numbers[first + 2]
        self._first = first + 3
        if self._first > 600 and self._first * 2 > len(numbers):  # seldom, so that it costs nothing on average
            del numbers[: self._first]
            self._first = 0
        return hour, value

    def dump(self) -> np.ndarray:
        """The numbers, float64 (n, 3)."""
        return np.array(self._numbers[self._first :]).reshape(-1, 3)

    def load(self, rows: np.ndarray) -> None:
        """Take back what `dump` gave."""
        self._numbers, self._first = array("d", rows.ravel().tolist()), 0


class HourlyValues:
    """The values seen in each hour of the day. O(log n) a look; at most 24 × `size` values, and those of the delay."""

    def __init__(self, tolerance: float = 0.0, size: int = 256, delay: float = DELAY_SECONDS) -> None:
        self._hours = [SeenValues(tolerance, size) for _ in range(HOURS)]
        self._delay = delay
        self._waiting = Waiting()

    def set_tolerance(self, tolerance: float) -> None:
        """From now on, values nearer than this to a kept one are not kept."""
        for seen in self._hours:
            seen.tolerance = tolerance

    def look(self, hour: int, value: float) -> tuple[float, float]:
        """The distance to the nearest value seen in this hour, the one before or the one after, and the spread there.

        NaN twice when nothing was seen in these hours.
        """
        distance, spread = NAN, NAN
        for number in (hour - 1, hour, (hour + 1) % HOURS):  # -1 is the last one
            seen = self._hours[number]
            nearest = seen.nearest(value)
            if not abs(value - nearest) >= distance and nearest == nearest:
                distance, spread = abs(value - nearest), seen.spread_at(nearest, value, NEIGHBOURS)
        return distance, spread

    def add(self, time: float, hour: int, value: float) -> None:
        """Keep a finite value seen at this time, seconds since 1970 and never falling; it counts after the delay."""
        waiting, due = self._waiting, time - self._delay
        waiting.append(time, hour, value, self._delay / MOST_WAITING)
        while waiting.first() <= due:
            number, old = waiting.pop()
            self._hours[number].add(old)

    def learn(self, times: np.ndarray, hours: np.ndarray, values: np.ndarray) -> None:
        """Keep finite values of ascending times at once, as if they had been added one by one."""
        cut = int(np.searchsorted(times, times[-1] - self._delay, side="right")) if len(times) else 0
        for number, seen in enumerate(self._hours):
            seen.learn(values[:cut][hours[:cut] == number])
        for time, hour, value in zip(times[cut:].tolist(), hours[cut:].tolist(), values[cut:].tolist(), strict=True):
            self._waiting.append(time, hour, value, self._delay / MOST_WAITING)

    def dump(self) -> dict[str, np.ndarray]:
        """Plain arrays that `load` takes."""
        return {
            "values": np.concatenate([seen.dump() for seen in self._hours]),
            "sizes": np.array([len(seen) for seen in self._hours]),
            "tolerances": np.array([seen.tolerance for seen in self._hours]),
            "waiting": self._waiting.dump(),
        }

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take back what `dump` gave."""
        values = iter(state["values"].tolist())
        for seen, size, tolerance in zip(self._hours, state["sizes"], state["tolerances"], strict=True):
            seen.load(np.array(list(islice(values, int(size)))), tolerance)
        self._waiting.load(state["waiting"])
