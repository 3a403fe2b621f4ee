"""When the scores of a series become an incident, one point at a time.

A series is in alarm while three of its last five points are at or above the line: one odd point in a series with
heavy tails is no incident. An incident begins with the alarm and ends when there was none for fifteen points.

Where points look back on a window of time, an incident begins one window later, or when the values are back: when a
target goes away, its window empties, and what is computed from the rest moves as if something had happened. Nobody can
know that at the time; but one window after, there either is no point any more, or it was no emptying window.
"""

from collections import deque
from typing import Literal

from detectors.series.alarm import LEAST, QUIET, WINDOW

Change = Literal["opened", "closed"]
#: waiting: in alarm, and the window is not over. dismissed: people said that what lasts is no incident
State = Literal["calm", "waiting", "open", "dismissed"]


class Alarm:
    """The last points of one series. window: seconds that one of them looks back on."""

    def __init__(self, window: float = 0.0) -> None:
        self._window = window
        self._above: deque[bool] = deque(maxlen=WINDOW)
        self._quiet = 0
        self._state: State = "calm"
        self._alarmed_at = 0.0
        #: when the first of the points came that are above the line
        self.since: float | None = None
        self.opened_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether an incident lasts."""
        return self._state == "open"

    @property
    def is_dismissed(self) -> bool:
        """Whether what lasts is no incident, as people said: it opens none, until it is over."""
        return self._state == "dismissed"

    def step(self, time: float, is_above: bool, is_known: bool = True) -> Change | None:
        """Take a point; what has changed by it. is_known: False for one that says nothing, as after a gap."""
        self._above.append(is_above)
        if is_above and self.since is None:
            self.since = time
        if sum(self._above) >= LEAST:
            self._alarmed(time)
        elif self._state == "calm":
            if not any(self._above):
                self.since = None
            return None
        else:
            self._quiet += 1
            if self._quiet >= QUIET:
                return self._over()
        return self._after_the_window(time, is_known) if self._state == "waiting" else None

    def _alarmed(self, time: float) -> None:
        self._quiet = 0
        if self._state == "calm":
            self._state, self._alarmed_at = "waiting", time

    def _over(self) -> Change | None:
        was, self._state = self._state, "calm"
        self._quiet, self.since = 0, None
        return None if was == "waiting" else "closed"

    def _after_the_window(self, time: float, is_known: bool) -> Change | None:
        if not is_known:  # it was away meanwhile
            self.reset()
            return None
        is_back = sum(self._above) < LEAST  # a window that empties does not come back
        if not is_back and time < self._alarmed_at + self._window:
            return None
        self._state, self.opened_at = "open", self._alarmed_at if self.since is None else self.since
        return "opened"

    def dismiss(self) -> None:
        """People said that the incident which lasts is none."""
        if self.is_open:
            self._state = "dismissed"

    def resume(self, time: float) -> None:
        """Go on with an incident that began at this time, as after a restart."""
        self._state, self.opened_at, self.since = "open", time, time

    def reset(self) -> None:
        """Forget the last points, as after a time in which nothing was seen."""
        self._above.clear()
        self._quiet, self._state, self.since = 0, "calm", None
