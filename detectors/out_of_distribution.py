"""Out of distribution: how far a query lies from what a model was asked first.

The score is the mean distance to the 5 nearest of up to 1,000 reference queries, as a share of the 99 % quantile of
that distance among the reference queries themselves (each without itself). The evidence is a score above 1.15.

Extraction with made-up or borrowed inputs lies far out. Blind to extraction with inputs like those of everybody, and
to drift: when the world moves, everybody is far out (then the evidence is of no use, and the model health says why).

Source: Ramaswamy et al. 2000 (distance to the k nearest as a measure of outliers), with the mean of k distances.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from detectors.coordinates import squared_distances
from detectors.kept import packed, unpacked

#: neighbours that are averaged over, reference queries at most, the quantile that is the reach, what is beyond it
NEIGHBOURS, REFERENCES, QUANTILE, BEYOND = 5, 1_000, 0.99, 1.15
#: one in so many references lies within what is around a query: more than an attack may have put there
AROUND = 10


class Reach:
    """Reference points, and how far from them a query may lie."""

    def __init__(self, references: np.ndarray) -> None:
        """references: int16 (n, d), n at least NEIGHBOURS + 1."""
        self.references = references[:REFERENCES]
        self._rows = self.references.astype(np.float64)
        distances, ranked = nearest_distances(self._rows, self._rows, without_self=True)
        self.distance, self._usual = robust_reach(distances), max(float(np.median(ranked)), 1.0)
        #: scores of the references themselves, and what is around them
        self.own, self.own_around = distances / self.distance, ranked / self._usual

    def scores(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of int16 (n, d): distances as shares of the reach, and what is around, both float64 (n,).

        Around is the distance to the reference of rank one in AROUND, as a share of its median among the references:
        small where they are dense.
        """
        distances, ranked = nearest_distances(points.astype(np.float64), self._rows)
        return distances / self.distance, ranked / self._usual

    @property
    def nbytes(self) -> int:
        """Memory, in bytes."""
        return self.references.nbytes + self._rows.nbytes

    def dump(self) -> dict[str, Any]:
        """As plain values."""
        return {"references": packed(self.references)}

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> "Reach":
        """The reach that `dump` made this of."""
        return cls(unpacked(state["references"], "<i2"))


def nearest_distances(
    rows: np.ndarray, references: np.ndarray, without_self: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The mean distance to the nearest references, and that to the one of rank one in AROUND.

    rows, references: float64 (n, d) and (m, d); both results float64 (n,). without_self: the rows are the references,
    and none counts as its own neighbour.
    """
    squares = squared_distances(rows, references)
    if without_self:
        np.fill_diagonal(squares, np.inf)
    most = squares.shape[1] - (1 if without_self else 0)
    count, rank = min(NEIGHBOURS, most), min(max(squares.shape[1] // AROUND, 1), most)
    squares.partition((count - 1, rank - 1), axis=1)
    distances = np.sqrt(np.maximum(squares[:, : max(count, rank)], 0))
    return distances[:, :count].mean(axis=1), distances[:, rank - 1]


def robust_reach(distances: np.ndarray) -> float:
    """The 99 % quantile, held down where the farthest few lie apart from the others.

    A normal sample has its 99 % quantile at most 2.5 times as far from the median as its 90 % quantile (with room for
    skew); what lies beyond that was put there.
    """
    median, high, top = np.quantile(distances, (0.5, 0.9, QUANTILE))
    return float(max(min(top, median + 2.5 * (high - median)), 1.0))
