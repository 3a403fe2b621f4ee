"""Warm-up: what is natural for a model, learned from its first 200 to 1,000 queries, without labels.

Medians and trimmed quantiles, so that a few per cent of attack queries among them do not hide later ones.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from detectors.coordinates import RESOLUTION, Layout, Points, neighbours
from detectors.distance_shape import natural_threshold
from detectors.fingerprint import MATCH, Fingerprints, Index
from detectors.kept import in_words
from detectors.low_confidence import threshold, unsure
from detectors.nearest_distance import NEAR, REVISIT
from detectors.out_of_distribution import BEYOND, NEIGHBOURS, Reach
from detectors.yardstick import Yardstick
from exporter.clients.bits import BITS, is_off, natural_rate

#: queries that are learned from; a live warm-up looks after every LEAST whether so many of the last are different
LEAST, MOST, DIFFERENT = 200, 1_000, 100
#: what a calibration is refused below, and how many of its queries must be different
FEWEST, FEWEST_DIFFERENT = 20, NEIGHBOURS + 1
#: the version of what is learned: state of another one is learned anew
VERSION = 2


class Natural:
    """What is natural for a model. points, reach and yardstick are None where no input could be compared."""

    points: Points | None = None
    fingerprints: Fingerprints | None = None
    reach: Reach | None = None
    yardstick: Yardstick | None = None

    def __init__(self, seed: int, queries: int) -> None:
        self.seed, self.queries = seed, queries
        #: 1 - max p above which an answer is unsure; W below which distances are unnatural; NaN where off
        self.doubt = self.shape = float("nan")
        #: by bit, how often it is set for natural queries; None where it was not measured
        self.rates = {bit.name: bit.p0 for bit in BITS}
        #: by bit, the share of the first queries that set it
        self.shares: dict[str, float] = {}
        #: bits that are of no use here, with the reason
        self.off: dict[str, str] = {}

    @classmethod
    def of(
        cls, values: Sequence[Any], keys: np.ndarray, scores: np.ndarray, labels: np.ndarray, seed: int
    ) -> "Natural":
        """Learn from inputs (unreadable ones left out before), their content keys, doubts and classes."""
        natural = cls(seed, len(values))
        flags = {"exact_repeat": _repeats(keys)}
        natural._learn_doubt(scores, flags)
        natural._learn_points(values, keys, labels, flags)
        for bit in BITS:
            if bit.name in flags:
                natural._judge(bit.name, bit.p0, bit.p1, flags[bit.name])
        return natural

    def _judge(self, name: str, p0: float, p1: float, flags: np.ndarray) -> None:
        self.shares[name] = float(flags.mean())
        self.rates[name] = natural_rate(p0, int(flags.sum()), len(flags))
        if is_off(self.rates[name], p1):
            self.off[name] = f"set for {flags.mean():.0%} of the natural queries"

    def _learn_doubt(self, scores: np.ndarray, flags: dict[str, np.ndarray]) -> None:
        self.doubt = threshold(scores)
        if np.isnan(self.doubt):
            self.off["low_confidence"] = "the answers have no probabilities"
        else:
            flags["low_confidence"] = unsure(scores, self.doubt)

    def _learn_points(
        self, values: Sequence[Any], keys: np.ndarray, labels: np.ndarray, flags: dict[str, np.ndarray]
    ) -> None:
        try:
            layout = Layout.of(values)
        except ValueError:
            layout = None
        numbers, fitting = layout.numbers(values) if layout else (np.zeros((0, 0)), np.zeros(0, dtype=np.int64))
        if layout is None or len(fitting) <= NEIGHBOURS:
            for name in ("near_distance", "revisit", "fingerprint", "cluster", "out_of_distribution", "distance_shape"):
                self.off[name] = "the inputs cannot be compared"
            return
        self.points = Points.of(layout, numbers, self.seed)
        points = self.points.of_numbers(numbers)
        self._learn_distances(points, labels[fitting], flags)
        self.fingerprints = Fingerprints(layout, self.seed)
        taken = [values[index] for index in fitting.tolist()]
        self.fingerprints.learn(taken, numbers)
        _, shares = Index(1 << 17).match(self.fingerprints.of(taken, numbers), np.arange(len(taken)), 0)
        flags["fingerprint"] = (shares >= MATCH) & ~_repeats(keys[fitting])

    def _learn_distances(self, points: np.ndarray, labels: np.ndarray, flags: dict[str, np.ndarray]) -> None:
        distinct = _distinct(points)
        self.reach, self.yardstick = Reach(distinct), Yardstick.of(distinct)
        flags["out_of_distribution"] = self.reach.own > BEYOND
        # of all others, not only of the earlier ones: a query to come has them all before it
        counts = np.full(len(distinct), len(distinct))
        usual = RESOLUTION * self.yardstick.scales(counts, self.reach.own_around)
        distances = neighbours(distinct.astype(np.float64)) / usual
        flags["near_distance"], flags["revisit"] = distances < NEAR, distances < REVISIT
        if self.points is not None and self.points.layout.kind == "image":
            self.shape = natural_threshold(points, labels)
        else:
            self.off["distance_shape"] = "only the distances of pictures are normally distributed"

    def dump(self) -> dict[str, Any]:
        """As plain values; without the secret."""
        return {
            "version": VERSION,
            "queries": self.queries,
            "doubt": self.doubt,
            "shape": self.shape,
            "rates": dict(self.rates),
            "shares": dict(self.shares),
            "off": dict(self.off),
            "points": self.points and self.points.dump(),
            "reach": self.reach and self.reach.dump(),
            "yardstick": self.yardstick and self.yardstick.dump(),
            "fingerprints": self.fingerprints and self.fingerprints.dump(),
        }

    @classmethod
    def load(cls, state: Mapping[str, Any], seed: int) -> "Natural":
        """What `dump` made this of. Raises ValueError when it is of another version."""
        with in_words():
            if state["version"] != VERSION:
                raise ValueError(f"the warm-up is of version {state['version']}, and this program has {VERSION}")
            natural = cls(seed, state["queries"])
            natural.doubt, natural.shape = state["doubt"], state["shape"]
            natural.rates, natural.off = dict(state["rates"]), dict(state["off"])
            natural.shares = dict(state["shares"])
            if state["points"] is not None:
                natural.points = Points.load(state["points"], seed)
                natural.reach = Reach.load(state["reach"])
                natural.yardstick = Yardstick.load(state["yardstick"])
                natural.fingerprints = Fingerprints(natural.points.layout, seed)
                natural.fingerprints.load(state["fingerprints"])
        return natural


def _distinct(points: np.ndarray) -> np.ndarray:
    """Every point once, in the order of their first: where one query is popular, its variants are no less near."""
    _, first = np.unique(points, axis=0, return_index=True)
    return points[np.sort(first)] if len(first) > NEIGHBOURS else points


def _repeats(keys: np.ndarray) -> np.ndarray:
    """Which keys came before: uint64 (n,) to bool (n,)."""
    _, first = np.unique(keys, return_index=True)
    repeats = np.ones(len(keys), dtype=bool)
    repeats[first] = False
    return repeats
