"""Nearest distance: the nearest earlier query of a model, whoever sent it, where one is near.

Near is a distance below 0.3 × the usual one: the median distance between neighbours among the model's first queries,
made smaller where the history is larger or queries are denser (detectors/yardstick.py). Evidence is a near query with
other content; exact repeats are another evidence.

The history holds at most 100,000 queries and 24 hours. Each is compared with all of them by its first 64 numbers.
Points are turned at random, so that these hold about the share of the squared distance that they are of all numbers;
who may be related by that, within four standard deviations, is compared in full. A related pair is missed with a chance
below 1 in 10,000, and nobody knows which. Points of up to 64 numbers are compared exactly.

Source: Chen, Carlini & Wagner 2020, "Stateful detection of black-box adversarial attacks", with one neighbour and a
threshold that follows the data.
"""

from collections.abc import Mapping
from secrets import token_hex
from typing import Any

import numpy as np

from detectors.blas import one_thread
from detectors.coordinates import RESOLUTION
from detectors.kept import RowReader, Rows, check_same

#: near, as a share of the usual distance between neighbours
NEAR = 0.3
#: near enough to be evidence where it is to an old query of a client, or to one of another client
REVISIT = 0.4
#: related, and compared with at all, as such a share: the next frame of a video, a row with two features changed
RELATED = 0.6
#: numbers that are compared first, and how large they may be: sums of 64 such products are exact in float32
PREFIX, PREFIX_LARGEST = 64, 300
#: rows that are compared in one product
TILE = 2048
NONE = -1
#: rows that are read together when a history is loaded
READ = 4096
#: what is kept of a query besides its point: its number, its time, and the key of its content, 8 bytes each
COLUMNS = 3


class History:
    """Points of the last queries in a ring, by the number of the query, oldest first; numbers only grow.

    size: queries at most. seconds: their age at most.
    """

    def __init__(self, dimensions: int, size: int = 100_000, seconds: float = 86_400.0) -> None:
        self.dimensions, self.size, self.seconds = dimensions, size, seconds
        #: names its rows outside, and no others
        self._id = token_hex(8)
        self._prefix_length = min(PREFIX, dimensions)
        self._prefix_share = prefix_share(self._prefix_length, dimensions)
        self._first = self._last = 0
        self._allocate(1024)

    def _allocate(self, capacity: int) -> None:
        self._points = np.zeros((capacity, self.dimensions), dtype=np.int16)
        # the last number is minus half the square of the others: a product with (point, 1) is then a distance
        self._prefixes = np.zeros((capacity, self._prefix_length + 1), dtype=np.float32)
        self._numbers = np.full(capacity, NONE, dtype=np.int64)
        self._times = np.zeros(capacity)
        self._keys = np.zeros(capacity, dtype=np.uint64)

    def __len__(self) -> int:
        return self._last - self._first

    @property
    def nbytes(self) -> int:
        """Memory that the rows take, in bytes."""
        return sum(array.nbytes for array in self._arrays())

    def add(self, points: np.ndarray, keys: np.ndarray, numbers: np.ndarray, times: np.ndarray) -> None:
        """Take queries in, in order. points: int16 (n, dimensions). keys: of their content. times never run back."""
        for start in range(0, len(points), self.size):
            part = slice(start, start + self.size)
            self._add(points[part], keys[part], numbers[part], times[part])

    def _add(self, points: np.ndarray, keys: np.ndarray, numbers: np.ndarray, times: np.ndarray) -> None:
        # rows that leave while a batch comes in are still compared with its first queries
        if len(self) + len(points) > len(self._points):
            self._grow(len(self) + len(points))
        slots = (self._last + np.arange(len(points))) % len(self._points)
        self._points[slots], self._keys[slots] = points, keys
        self._numbers[slots], self._times[slots] = numbers, times
        self._prefixes[slots] = _halved(points, self._prefix_length)
        self._last += len(points)

    def _arrays(self) -> tuple[np.ndarray, ...]:
        return self._points, self._prefixes, self._numbers, self._times, self._keys

    def _grow(self, needed: int) -> None:
        held, arrays = np.arange(self._first, self._last), self._arrays()
        self._allocate(max(needed * 5 // 4, 1024))
        for new, before in zip(self._arrays(), arrays, strict=True):
            new[held % len(new)] = before[held % len(before)]

    def forget(self, now: float) -> None:
        """Let go of what is too old, or too much, at this time."""
        keep = self._last - min(len(self), self.size)
        held = np.arange(keep, self._last) % len(self._points)
        self._first = keep + int(np.searchsorted(self._times[held], now - self.seconds, side="right"))

    def counts(self, added: int) -> np.ndarray:
        """For each of the last `added` queries how many earlier ones are in its window: int64 (added,)."""
        own = np.arange(self._last - added, self._last)
        times = self._times[np.arange(self._first, self._last) % len(self._points)]
        oldest = self._first + np.searchsorted(times, times[own - self._first] - self.seconds, side="right")
        return own - np.maximum(oldest, own - self.size)

    def nearest(self, added: int, scales: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """For each of the last `added` queries the nearest one before it with other content, if one is related.

        scales: float64 (added,), the usual distance as a share of the median between neighbours; 1 if it is not given.
        Returns its number, int64 (added,), NONE where there is none, and the distance as a share of the usual one,
        float64 (added,), inf where there is none. Of several equally near the latest.
        """
        numbers, distances = np.full(added, NONE), np.full(added, np.inf)
        own = np.arange(self._last - added, self._last)
        slots = own % len(self._points)
        usual = RESOLUTION * (np.ones(added) if scales is None else scales)
        for row, column in zip(*self._candidates(slots, (RELATED * usual) ** 2), strict=True):
            pairs = self._pairs(int(own[row]), slots[row], column)
            if pairs.size:
                squares = self._squares(slots[row], pairs)
                best = len(squares) - 1 - int(np.argmin(squares[::-1]))
                if squares[best] < (RELATED * usual[row]) ** 2:
                    numbers[row] = self._numbers[pairs[best]]
                    distances[row] = np.sqrt(squares[best]) / usual[row]
        return numbers, distances

    def _candidates(self, slots: np.ndarray, related: np.ndarray) -> tuple[list[int], list[np.ndarray]]:
        """Queries of the batch that may have a near one, and the slots of those that may be near, in ring order."""
        queries = self._prefixes[slots].copy()
        halves = -queries[:, -1]
        queries[:, -1] = 1.0
        # |a - b|² < r²  where  a·b - |b|²/2  >  (|a|² - r²)/2; halves are rounded down, so one more is allowed for
        least = halves - (related * self._prefix_share / 2).astype(np.float32) - 2
        found: list[list[np.ndarray]] = [[] for _ in range(len(slots))]
        used = min(self._last, len(self._points))
        with one_thread():
            for start in range(0, used, TILE):
                products = queries @ self._prefixes[start : start + TILE].T
                for row in np.flatnonzero(products.max(axis=1) > least):
                    found[row].append(start + np.flatnonzero(products[row] > least[row]))
        rows = [row for row, parts in enumerate(found) if parts]
        return rows, [np.concatenate(found[row]) for row in rows]

    def _pairs(self, own: int, slot: int, columns: np.ndarray) -> np.ndarray:
        """Those of the slots that count: in the window as it was for this query, earlier, of other content."""
        capacity = len(self._points)
        places = columns + (own - columns) // capacity * capacity  # the latest use of each slot up to this query
        window = (places >= max(self._first, own - self.size)) & (places < own)
        window &= self._times[columns] > self._times[slot] - self.seconds
        window &= self._keys[columns] != self._keys[slot]
        return columns[window][np.argsort(places[window], kind="stable")]

    def _squares(self, slot: int, columns: np.ndarray) -> np.ndarray:
        differences = self._points[columns].astype(np.int64) - self._points[slot]
        return np.vecdot(differences, differences)

    def row_spaces(self) -> dict[str, Rows]:
        """The points that are held, and what belongs to them, by the ids of their spaces."""
        return {
            self._id: Rows(self._first, self._last, self.dimensions, "<i2"),
            f"{self._id}c": Rows(self._first, self._last, COLUMNS, "<u8"),
        }

    def rows_since(self, space: str, number: int, limit: int) -> tuple[int, np.ndarray]:
        """A copy of at most `limit` rows of the space from this number or the oldest held on."""
        if space not in self.row_spaces():
            raise KeyError(space)
        start = max(number, self._first)
        slots = np.arange(start, min(start + limit, self._last)) % len(self._points)
        if space == self._id:
            return start, self._points[slots]
        columns = self._numbers[slots].view(np.uint64), self._times[slots].view(np.uint64), self._keys[slots]
        return start, np.stack(columns, axis=1)

    def dump(self) -> dict[str, Any]:
        """Everything but the rows, as plain values."""
        return {"id": self._id, "first": self._first, "last": self._last, "dimensions": self.dimensions}

    def load(self, state: Mapping[str, Any], read_rows: RowReader | None) -> None:
        """Fill this history, which is empty, with what `dump` gave and the rows. Raises ValueError if they differ."""
        check_same(state, dimensions=self.dimensions)
        first, last = int(state["first"]), int(state["last"])
        if last > first and read_rows is None:
            raise ValueError(f"the state is of {last - first} rows, and there is nothing to read them from")
        self._id = state["id"]
        self._first = self._last = first
        for start in range(first, last, READ):
            stop = min(start + READ, last)
            assert read_rows is not None
            columns = np.ascontiguousarray(read_rows(f"{self._id}c", start, stop).T)
            numbers, times = columns[0].view(np.int64), columns[1].view(np.float64)
            self._add(read_rows(self._id, start, stop), columns[2], numbers, times)

    @property
    def first(self) -> int:
        """The row of the oldest query held; rows are counted from the first ever, and keep their number."""
        return self._first

    @property
    def last(self) -> int:
        """The row after the newest."""
        return self._last

    def number_of(self, row: int) -> int:
        """The number of the query in a row that is held."""
        return int(self._numbers[row % len(self._numbers)])

    def distances_between(self, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Distances of rows to others, int64 (n,) each, as shares of the median between neighbours: float64 (n,)."""
        capacity = len(self._points)
        differences = self._points[rows % capacity].astype(np.int64) - self._points[others % capacity]
        return np.sqrt(np.vecdot(differences, differences)) / RESOLUTION


def prefix_share(length: int, dimensions: int) -> float:
    """The share of a squared distance that the first numbers of a turned point have, and four standard deviations more.

    It is distributed as Beta(length / 2, (dimensions - length) / 2). At most 1.
    """
    share = length / dimensions
    return min(1.0, share + 4 * float(np.sqrt(2 * share * (1 - share) / (dimensions + 2))))


def _halved(points: np.ndarray, length: int) -> np.ndarray:
    prefixes = np.clip(points[:, :length], -PREFIX_LARGEST, PREFIX_LARGEST).astype(np.float32)
    halves = np.floor(np.vecdot(prefixes, prefixes) / 2)
    return np.concatenate([prefixes, -halves[:, None]], axis=1)
