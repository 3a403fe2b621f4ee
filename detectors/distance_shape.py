"""Distance shape: whether the distances of a client's queries to each other look like those of natural queries.

Natural queries have distances to their nearest earlier one that are about normally distributed. Made-up sequences
(steps of one size, jumps along a gradient) have not. The score is Shapiro and Wilk's W of these distances, 0 to 1,
lower is more suspicious; the evidence is W below 0.90, or below the lowest W of the model's first queries - 0.08.

For each client and predicted class a growing set is held: a query is added to it when it is farther from the set than
mean - sd of the distances by which the others came in. W is computed over the distances of all classes together,
without exact repeats and what lies beyond 3 standard deviations, from more than 100 of them on.

Blind to fresh accounts (fewer than 100 distances), to copying with natural inputs, and to steps that are mixed with
natural queries. For dense data (pictures) only: distances of rows and texts are not normal to begin with.

Source: Juuti et al. 2019, "PRADA: protecting against DNN model stealing attacks".
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from detectors.kept import packed, unpacked

#: W below which the shape is unnatural; how far it must be below the lowest of the first queries
NATURAL, MARGIN = 0.90, 0.08
#: distances that are needed; how many of the latest are looked at; after how many new ones W is computed again
LEAST, MOST, EVERY = 100, 500, 10
#: points of one class's growing set, and classes of one client, at most
MOST_POINTS, MOST_CLASSES = 32, 16
#: distances beyond so many standard deviations are left out
OUTLIER = 3.0


def shape(distances: np.ndarray) -> float:
    """Shapiro and Wilk's W of distances, float64 (n,), outliers left out; 1.0 when they are too few or all the same."""
    kept = distances[np.abs(distances - distances.mean()) <= OUTLIER * distances.std()] if distances.size else distances
    if len(kept) <= LEAST or np.ptp(kept) <= 0:
        return 1.0
    from scipy.stats import shapiro  # takes a while to import, and most models never need it

    return float(shapiro(kept).statistic)


class Growing:
    """The distances of one client, and per predicted class the points that they are measured to."""

    def __init__(self) -> None:
        self._points: dict[int, np.ndarray] = {}
        self._ways: dict[int, list[float]] = {}
        self.distances: list[float] = []
        self.w = 1.0
        self._added = 0
        #: when it was used last, as its owner counts
        self.turn = 0

    @property
    def nbytes(self) -> int:
        """Memory of the points, about, in bytes."""
        return sum(points.nbytes for points in self._points.values()) + 8 * len(self.distances)

    def add(self, point: np.ndarray, label: int) -> float:
        """Take a query in and give W as it is now. point: int16 (d,)."""
        held = self._points.get(label)
        if held is None:
            if len(self._points) < MOST_CLASSES:
                self._points[label], self._ways[label] = point[None].copy(), []
            return self.w
        differences = held.astype(np.float64) - point
        distance = float(np.sqrt(np.vecdot(differences, differences).min()))
        if distance > 0:
            self.distances = [*self.distances[-MOST + 1 :], distance]
            self._added += 1
            self._grow(label, point, distance)
            if self._added % EVERY == 0 and len(self.distances) > LEAST:
                self.w = shape(np.array(self.distances))
        return self.w

    def _grow(self, label: int, point: np.ndarray, distance: float) -> None:
        ways, held = self._ways[label], self._points[label]
        if len(held) < MOST_POINTS and (len(ways) < 2 or distance > float(np.mean(ways) - np.std(ways))):
            ways.append(distance)
            self._points[label] = np.concatenate([held, point[None]])

    def count(self, label: int) -> int:
        """The points of a class."""
        points = self._points.get(label)
        return 0 if points is None else len(points)

    def places(self) -> Iterator[tuple[int, int]]:
        """The class and the place in it of every point; what is held at a place never changes."""
        for label, points in self._points.items():
            yield from ((label, place) for place in range(len(points)))

    def point(self, label: int, place: int) -> dict[str, Any] | None:
        """The point at a place, as plain values; None where there is none."""
        points = self._points.get(label)
        return None if points is None or place >= len(points) else packed(points[place])

    def dump(self) -> dict[str, Any]:
        """Everything but the points, as plain values."""
        return {
            "labels": list(self._points),
            "ways": list(self._ways.values()),
            "distances": list(self.distances),
            "w": self.w,
            "added": self._added,
            "turn": self.turn,
        }

    @classmethod
    def load(cls, state: Mapping[str, Any], points: Mapping[tuple[int, int], Any]) -> "Growing":
        """The set that `dump` made this of, with its points by class and place."""
        growing = cls()
        for label, ways in zip(state["labels"], state["ways"], strict=True):
            held: list[np.ndarray] = []
            while (label, len(held)) in points:
                held.append(unpacked(points[label, len(held)], "<i2"))
            growing._points[label], growing._ways[label] = np.stack(held), list(ways)
        growing.distances, growing.w, growing._added = list(state["distances"]), state["w"], state["added"]
        growing.turn = state["turn"]
        return growing


def natural_threshold(points: np.ndarray, labels: np.ndarray) -> float:
    """W below which a client is suspicious, from a model's first queries in their order, as if from one client.

    points: int16 (n, d). labels: int64 (n,).
    """
    growing = Growing()
    lowest = min((growing.add(point, int(label)) for point, label in zip(points, labels, strict=True)), default=1.0)
    return max(NATURAL, lowest - MARGIN)
