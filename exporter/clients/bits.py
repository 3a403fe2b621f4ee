"""The evidence bits: what each may say of a client, how much it weighs, and which of them a profile looks at.

All constants of the decision stand here. They were fixed on prototypes and traces of our own, and are the same for
every model: what is learned of a model is only how often a bit is set among its first queries.
"""

import math
from typing import NamedTuple

from detectors.cluster import VARIANTS

#: sum of evidence from which a client is in alarm; sums end at four times that
ALARM, MOST = 12.0, 48.0
#: time in which evidence halves
HALF_LIFE = 86_400.0
#: S / h from which a client has each level
WATCH_RATIO, ALARM_RATIO, SEVERE_RATIO = 0.5, 1.0, 2.0

LEVELS = ("warming_up", "ok", "watch", "alarm", "severe")
#: two different ones in alarm are independent
FAMILIES = ("repeat", "variants", "uncertainty", "distribution")


class Bit(NamedTuple):
    """A kind of evidence. p0: how often it is set for a natural query at most; p1: for one of an attack."""

    name: str
    family: str
    p0: float
    p1: float
    words: str


BITS = (
    Bit("exact_repeat", "repeat", 0.05, 0.6, "repeats a query"),
    Bit("near_distance", "variants", 0.01, 0.5, "is near to an earlier query"),
    Bit("revisit", "variants", 0.05, 0.6, "is near to an old query, or to one of another client"),
    Bit("fingerprint", "variants", 0.01, 0.5, "shares most of its pieces with an earlier query"),
    Bit("cluster", "variants", 0.01, 0.5, "belongs to a cluster of variants in alarm"),
    Bit("low_confidence", "uncertainty", 0.06, 0.6, "the model is unsure of the answer"),
    Bit("out_of_distribution", "distribution", 0.03, 0.5, "lies far from what the model is asked"),
    Bit("distance_shape", "distribution", 0.01, 0.5, "the distances between its queries are not natural"),
)
PLACE = {bit.name: place for place, bit in enumerate(BITS)}


class Profile(NamedTuple):
    """What is looked at. cluster_variants: from which a cluster is in alarm, None for label changes only."""

    bits: frozenset[str]
    cluster_variants: int | None


PROFILES = {
    "default": Profile(
        frozenset({"exact_repeat", "revisit", "low_confidence", "out_of_distribution", "cluster", "distance_shape"}),
        VARIANTS,
    ),
    "strict": Profile(
        frozenset(
            {
                "exact_repeat",
                "near_distance",
                "revisit",
                "low_confidence",
                "out_of_distribution",
                "cluster",
                "distance_shape",
            }
        ),
        8,
    ),
    "stream": Profile(frozenset({"low_confidence", "out_of_distribution", "cluster"}), None),
}


def steps(p0: float, p1: float) -> tuple[float, float]:
    """What a query with and one without the evidence add: the logarithms of the likelihood ratios."""
    return math.log(p1 / p0), math.log((1 - p1) / (1 - p0))


def natural_rate(p0: float, flags: float, queries: int) -> float:
    """How often a natural query sets a bit: the default, or the rate among the first ones + 2 standard errors."""
    if not queries:
        return p0
    rate = flags / queries
    return max(p0, min(rate + 2 * math.sqrt(rate * (1 - rate) / queries), 1.0))


def is_off(p0: float, p1: float) -> bool:
    """Whether a bit is of no use for a model: set for natural queries nearly as often as for attacks."""
    return p0 >= p1 / 2
