"""The rows of a window: a uniform sample of its queries, of bounded size, however many come.

Which queries are kept depends on their number alone, so that a replay keeps the same.
Source: Vitter 1985; by skips, Li 1994 (algorithm L).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from detectors import Query
from detectors.drift.samples import MISSING, Sample
from detectors.kept import in_words, packed, unpacked
from exporter.drift.features import (
    FEATURES,
    columns_of,
    pictures_of,
    text_of_query,
    vector_of,
    vectors_of_pictures,
    vectors_of_texts,
)

#: rows of a window that are kept
CAPACITY = 5_000
#: queries that are looked at together, and how many characters of one may wait for that
TOGETHER, SMALL = 64, 10_000


class Rows:
    """Collects one window. capacity: rows that are kept at most."""

    def __init__(self, capacity: int) -> None:
        self.capacity = min(capacity, CAPACITY)
        #: queries that came
        self.seen = 0
        self._names: dict[str, int] = {}
        self._values = np.full((self.capacity, 0), MISSING)
        self._numeric = np.zeros((self.capacity, 0), bool)
        self._vectors = np.zeros((self.capacity, 0), np.float16)
        self._has_vector = np.zeros(self.capacity, bool)
        #: kept queries by place that are not looked at yet
        self._waiting: dict[int, Query] = {}
        self._draws = 0
        self._weight, self._next = 1.0, self.capacity
        self._skip()

    # -- which queries are kept

    def add(self, queries: Sequence[Query]) -> None:
        """Take in queries, in order."""
        first, self.seen = self.seen, self.seen + len(queries)
        kept = {place: queries[place - first] for place in range(first, min(self.capacity, self.seen))}
        while self._next < self.seen:
            kept[int(self._draw() * self.capacity)] = queries[self._next - first]
            self._next += 1
            self._skip()
        self._waiting |= kept
        if len(self._waiting) >= TOGETHER or not all(_is_small(query.input_data) for query in kept.values()):
            self._look()

    def _skip(self) -> None:
        """Draw which of the queries beyond the capacity is the next to take the place of another."""
        self._weight *= math.exp(math.log(self._draw()) / self.capacity)
        gap = math.log(self._draw()) / math.log1p(-self._weight) if self._weight > 1e-300 else math.inf
        self._next += int(min(gap, 1e15))

    def _draw(self) -> float:
        """The next of a fixed row of numbers, evenly spread above 0 and below 1 (splitmix64)."""
        self._draws += 1
        mixed = self._draws * 0x9E3779B97F4A7C15 % 2**64
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
        return ((mixed ^ mixed >> 31) + 0.5) / 2**64

    # -- what is kept of them

    def _look(self) -> None:
        """Look at the queries that wait, together."""
        if not self._waiting:
            return
        places, queries = np.array(list(self._waiting)), list(self._waiting.values())
        self._waiting = {}
        self._values[places], self._numeric[places], self._has_vector[places] = MISSING, False, False
        pictures = pictures_of(queries)
        for found in columns_of(queries, pictures):
            columns = np.array([self._column(name) for name in found.names])
            held = np.flatnonzero(columns >= 0)
            target = np.ix_(places[found.positions], columns[held])
            self._values[target], self._numeric[target] = found.values[:, held], found.numeric[:, held]
        texts = {place: text for place, query in enumerate(queries) if (text := text_of_query(query)) is not None}
        if pictures:
            self._put(places[list(pictures)], vectors_of_pictures(list(pictures.values())))
        if texts:
            self._put(places[list(texts)], vectors_of_texts(list(texts.values())))
        for place, query in enumerate(queries):
            if place not in texts and place not in pictures and (vector := vector_of(query)) is not None:
                self._put(places[place : place + 1], vector[None])

    def _column(self, name: str) -> int:
        """The column of a feature; -1 for one more than can be kept."""
        column = self._names.get(name)
        if column is None:
            if len(self._names) == FEATURES:
                return -1
            column = self._names[name] = len(self._names)
            if column >= self._values.shape[1]:
                self._values = _wider(self._values, MISSING)
                self._numeric = _wider(self._numeric, False)
        return column

    def _put(self, places: np.ndarray, vectors: np.ndarray) -> None:
        if self._vectors.shape[1] == 0:
            self._vectors = np.zeros((self.capacity, vectors.shape[1]), np.float16)
        if vectors.shape[1] == self._vectors.shape[1]:  # those of the first length; others cannot be compared with them
            self._vectors[places], self._has_vector[places] = vectors, True

    # -- what becomes of it

    def sample(self) -> Sample:
        """What was kept; copied."""
        self._look()
        kept, names = min(self.seen, self.capacity), self._held()
        vectors = self._vectors[:kept][self._has_vector[:kept]]
        values, numeric = (columns[:kept, list(names.values())] for columns in (self._values, self._numeric))
        return Sample(tuple(names), values, numeric, vectors)

    def _held(self) -> dict[str, int]:
        """The features of the rows that are kept, with their columns.

        Sorted, and without those of rows that others have replaced: the same whenever the rows were looked at.
        """
        held = np.any(self._values[: min(self.seen, self.capacity)] != MISSING, axis=0)
        return {name: column for name, column in sorted(self._names.items()) if held[column]}

    def dump(self) -> dict[str, Any]:
        """Everything, as plain values."""
        self._look()
        kept, names = min(self.seen, self.capacity), self._held()
        columns = list(names.values())
        return {
            "capacity": self.capacity,
            "seen": self.seen,
            "draws": self._draws,
            "weight": self._weight,
            "next": self._next,
            "names": list(names),
            "values": packed(self._values[:kept, columns]),
            "numeric": packed(self._numeric[:kept, columns]),
            "vectors": packed(self._vectors[:kept]),
            "has_vector": packed(self._has_vector[:kept]),
        }

    @classmethod
    def load(cls, state: Any) -> "Rows":
        """The rows of a dump. Raises ValueError when it is none."""
        with in_words():
            rows = cls(state["capacity"])
            rows.seen, rows._draws = state["seen"], state["draws"]
            rows._weight, rows._next = state["weight"], state["next"]
            rows._names = {name: column for column, name in enumerate(state["names"])}
            rows._values = rows._filled(unpacked(state["values"], "<f8"), MISSING)
            rows._numeric = rows._filled(unpacked(state["numeric"], "|b1"), False)
            rows._vectors = rows._filled(unpacked(state["vectors"], "<f2"), 0.0)
            rows._has_vector = rows._filled(unpacked(state["has_vector"], "|b1"), False)
        return rows

    def _filled(self, kept: np.ndarray, blank: Any) -> np.ndarray:
        """The kept rows with blank ones behind them, up to the capacity."""
        full = np.full((self.capacity, *kept.shape[1:]), blank, kept.dtype)
        full[: len(kept)] = kept
        return full


def _is_small(value: Any) -> bool:
    """Whether an input may wait: what is large is looked at at once, so that it is not held in memory."""
    return type(value) is dict or (type(value) is str and len(value) <= SMALL)


def _wider(columns: np.ndarray, blank: Any) -> np.ndarray:
    """Twice as many columns, eight at least."""
    more = np.full((len(columns), max(columns.shape[1], 8)), blank, columns.dtype)
    return np.concatenate([columns, more], axis=1)
