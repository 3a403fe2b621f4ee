"""When the scores of a series become an incident, one point at a time.

A series is in alarm while three of its last five points are at or above the line: one odd point in a series with
heavy tails is no incident. An incident begins with the alarm and ends when there was none for fifteen points.
"""

from collections import deque
from typing import Literal

from detectors.series.alarm import LEAST, QUIET, WINDOW

Change = Literal["opened", "closed"]


class Alarm:
    """The last points of one series. is_open: whether an incident lasts."""

    def __init__(self) -> None:
        self._above: deque[bool] = deque(maxlen=WINDOW)
        self._quiet = 0
        self.is_open = False
        #: when the first of the points came that are above the line
        self.since: float | None = None
        self.opened_at = 0.0

    def step(self, time: float, is_above: bool) -> Change | None:
        """Take a point; what has changed by it."""
        self._above.append(is_above)
        if is_above and self.since is None:
            self.since = time
        if sum(self._above) >= LEAST:
            return self._alarmed(time)
        if not self.is_open:
            if not any(self._above):
                self.since = None
            return None
        self._quiet += 1
        if self._quiet < QUIET:
            return None
        self._quiet, self.is_open, self.since = 0, False, None
        return "closed"

    def _alarmed(self, time: float) -> Change | None:
        self._quiet = 0
        if self.is_open:
            return None
        self.is_open, self.opened_at = True, time if self.since is None else self.since
        return "opened"

    def resume(self, time: float) -> None:
        """Go on with an incident that began at this time, as after a restart."""
        self.is_open, self.opened_at, self.since = True, time, time

    def reset(self) -> None:
        """Forget the last points, as after a time in which nothing was seen."""
        self._above.clear()
        self._quiet, self.is_open, self.since = 0, False, None
