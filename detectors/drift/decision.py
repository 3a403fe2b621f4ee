"""From tests to an alarm: enough values, an effect that matters, one that is no chance, over all features at once."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

#: alarms that a model without drift may have per day: 1 in 200 days, so that 1 in 100 is kept with room
ALARMS_PER_DAY = 0.005
DAY, HOUR = 86_400.0, 3_600.0
#: values that a sample needs on either side to be tested
MINIMUM = 100
NONE, LOW, MEDIUM, HIGH, CRITICAL = range(5)
LEVELS = ("none", "low", "medium", "high", "critical")
#: from which stability index, and from which distance in sd, an effect is low, medium, high
INDEX_LEVELS, DISTANCE_LEVELS = (0.1, 0.2, 0.5), (0.25, 0.4, 1.0)
#: a model's drift is one level worse when this share of its features has drifted, and at least two
BROAD = 0.25


class Finding(NamedTuple):
    """What the tests of one feature say.

    p: the probability of such a difference without drift, 0 to 1. scores: by method (ks, psi, wasserstein), each 0 for
    no difference.
    """

    feature: str
    p: float
    scores: dict[str, float]

    @property
    def effect(self) -> int:
        """How large the difference is, NONE to HIGH, by chance or not."""
        index = _level(self.scores.get("psi", 0.0), INDEX_LEVELS)
        return max(index, _level(self.scores.get("wasserstein", 0.0), DISTANCE_LEVELS))


class Verdict(NamedTuple):
    """What is said of a window: NONE to CRITICAL, the features that drifted and all that were tested, largest first."""

    severity: int
    drifted: tuple[Finding, ...]
    tested: tuple[Finding, ...]


def error_rate(seconds: float) -> float:
    """The probability of a false alarm that a window may have that took so long.

    Spent by time: whatever the length of the windows, those of a day together stay within ALARMS_PER_DAY. A window
    counts as an hour at most, so that a rare one is not tested more laxly.
    """
    return ALARMS_PER_DAY * min(max(seconds, 0.0), HOUR) / DAY


def decide(tests: Sequence[Finding], rate: float) -> Verdict:
    """The verdict on the features of one window. rate: the probability of a false alarm that it may have."""
    significant = rejected(np.array([test.p for test in tests]), rate)
    drifted = [test for test, is_so in zip(tests, significant, strict=True) if is_so and test.effect > NONE]
    return Verdict(_severity(drifted, len(tests)), _largest_first(drifted), _largest_first(tests))


def rejected(p: np.ndarray, rate: float) -> np.ndarray:
    """Which hypotheses Benjamini and Hochberg reject, bool (k,), at a false discovery rate.

    Where nothing has drifted, `rate` is the probability that any is rejected. Source: Benjamini & Hochberg 1995.
    """
    if not len(p):
        return np.zeros(0, bool)
    ordered = np.sort(p)
    below = np.flatnonzero(ordered <= rate * np.arange(1, len(p) + 1) / len(p))
    return p <= ordered[below[-1]] if len(below) else np.zeros(len(p), bool)


def _severity(drifted: Sequence[Finding], tested: int) -> int:
    worst = max((test.effect for test in drifted), default=NONE)
    return worst + (len(drifted) >= max(2, BROAD * tested))


def _largest_first(tests: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(
        sorted(tests, key=lambda test: (test.p > 1e-3, -test.effect, -test.scores.get("psi", 0.0), test.feature))
    )


def _level(value: float, bounds: Sequence[float]) -> int:
    return sum(value >= bound for bound in bounds)
