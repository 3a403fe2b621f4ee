"""A rival: the bands that recording rules of PromQL make of a metric, by the median of a day and what is around it.

After the robust strategy of grafana/promql-anomaly-detection (its rules/robust.yml, 2025): from the median of the last
day, two median deviations or half of the median, whichever is more; and as far as the same hour a day and a week ago.
"""

import numpy as np

DAY, HOUR = 86_400, 3_600
#: how far back the hours begin that are compared: a quarter of an hour less than a week, and than a day
SEASONS = (167.75 * HOUR, 23.75 * HOUR)
DEVIATIONS, MARGIN = 2.0, 0.5


def score(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """How far values are from the middle of the band, 1 at its edges: float64 (n,).

    times: seconds, float64 (n,), evenly spaced. values: finite, float64 (n,).
    """
    step = float(np.median(np.diff(times)))
    middle, deviation = _spread(values, DAY, step)
    lower = [middle - DEVIATIONS * deviation, middle - MARGIN * middle]
    upper = [middle + DEVIATIONS * deviation, middle + MARGIN * middle]
    middle, deviation = _spread(values, HOUR, step)
    for back in (round(seconds / step) for seconds in SEASONS):
        if back < len(values):
            before = np.full(back, np.nan)
            lower.append(np.concatenate([before, (middle - DEVIATIONS * deviation)[:-back]]))
            upper.append(np.concatenate([before, (middle + DEVIATIONS * deviation)[:-back]]))
    low, high = np.maximum(np.nanmin(lower, axis=0), 0.0), np.nanmax(upper, axis=0)
    half = np.maximum((high - low) / 2, 1e-9 * max(float(np.abs(values).max()), 1e-9))
    return np.abs(values - (low + high) / 2) / half


def _spread(values: np.ndarray, seconds: float, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Of the last so many seconds at each point, the median and that of the distances from it."""
    points = max(round(seconds / step), 1)
    middle = last_median(values, points)
    return middle, last_median(np.abs(values - middle), points)


def last_median(values: np.ndarray, points: int) -> np.ndarray:
    """The median of the last so many values at each one; before the first one, it counts as if it had been there."""
    from scipy.ndimage import median_filter

    return median_filter(values, size=points, mode="nearest", origin=(points - 1) // 2)
