"""When scores become a notification: the rule that people get, as a function on arrays.

A series is in alarm while `least` of its last `window` points are at or above the line: one odd point in a series with
heavy tails is no incident. A query notifies once when any of its series is in alarm, and again only after none of them
was for `quiet` points: one notification a query, never one a series.
"""

import numpy as np

LEAST, WINDOW, QUIET = 3, 5, 15


def in_alarm(scores: np.ndarray, line: float = 1.0, least: int = LEAST, window: int = WINDOW) -> np.ndarray:
    """Whether each series is in alarm at each point: bool, of the shape of `scores`, (n,) or (series, n).

    NaN is below the line.
    """
    above = np.cumsum(scores >= line, axis=-1, dtype=np.int64)
    before = np.zeros_like(above)
    before[..., window:] = above[..., :-window]
    return above - before >= least


def notifications(alarms: np.ndarray, quiet: int = QUIET) -> np.ndarray:
    """The points at which a query notifies. alarms: bool (series, n). Returns int64 positions, ascending."""
    at = np.flatnonzero(alarms.any(axis=0))
    return at[np.diff(at, prepend=-quiet - 1) > quiet]
