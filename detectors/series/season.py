"""Seasons: which time of the day or of the week a point has, and which of them predicts a series.

Clock time counts, not elapsed time: the 3 a.m. job stays at 3 a.m. when the clocks change.
"""

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

DAY, WEEK = 86_400.0, 604_800.0
#: length of a season in seconds; without one, all times are the same time
PERIODS = {"none": 0.0, "daily": DAY, "weekly": WEEK}
#: Monday 1970-01-05 00:00 UTC
_MONDAY = 4 * DAY


#: clocks change at full quarters of an hour
_QUARTER = 900


@lru_cache(maxsize=65_536)
def utc_offset(quarter: int, zone: str) -> float:
    """Seconds that clocks in the zone are ahead of UTC in this quarter of an hour since 1970.

    Raises ValueError for a zone that does not exist.
    """
    try:
        offset = datetime.fromtimestamp(quarter * _QUARTER, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    except (OSError, KeyError, ValueError):  # what zoneinfo raises for names that are none
        raise ValueError(f"expected the name of a time zone such as Europe/Berlin, got {zone!r}") from None
    return offset.total_seconds() if offset else 0.0


def week_seconds(times: np.ndarray, zone: str = "UTC") -> np.ndarray:
    """Seconds of each time since Monday 00:00 by the clocks of the zone: float64 (n,), 0 to 604,800.

    times: seconds since 1970, finite. Raises ValueError for an unknown zone.
    """
    quarters, which = np.unique(np.floor_divide(times, _QUARTER).astype(np.int64), return_inverse=True)
    offsets = np.array([utc_offset(quarter, zone) for quarter in quarters.tolist()])
    return (times + offsets[which] - _MONDAY) % WEEK
