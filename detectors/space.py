"""The rows of one space of vectors, in a ring that grows and shrinks, and the search for the nearest of them.

All are searched exactly, or all by their projection to PROJECTED dimensions and then the GROUPS most promising groups
of GROUP neighbours in time exactly.
"""

from collections.abc import Callable, Hashable, Iterator

import numpy as np

from detectors.kept import RowReader

#: rows that are compared in one product: more would not stay in the processor's cache, fewer would waste it
TILE = 2048
#: cosines that differ by less count as equal: float32 cannot tell them apart, and the last bits depend on how many are
#: multiplied together
TIE = 1e-6
#: from here on vectors count as the same
EQUAL = 1 - TIE
#: below every cosine: what may not be compared
NONE = np.float32(-2)
#: numbers of a projected row; rows of a group, and groups that are searched exactly
PROJECTED, GROUP, GROUPS = 96, 16, 16
#: rows that are read together when a window is loaded
READ = 4096


class Space:
    """Rows of one space, oldest first, each with the number of its query, in a ring that grows and shrinks.

    Row number n of all that were ever appended lies in slot n % capacity. Slots without a row of the window hold
    zeros or an old row; the number of their query (-1 or too low) keeps them out of every comparison.
    """

    def __init__(self, key: Hashable, dimensions: int, projection: Callable[[], np.ndarray] | None, id_: str) -> None:
        self.key, self.dimensions, self._make_projection = key, dimensions, projection
        #: names its rows outside, and no others: not those of an earlier space with the same key, nor after a reset
        self.id = id_
        self.row_bytes = 4 * (dimensions + (PROJECTED if projection else 0))
        #: queries of it in the log of the window
        self.logged = 0
        self._first = self._last = 0
        self._rows = np.zeros((0, dimensions), dtype=np.float32)
        self._sequences = np.zeros(0, dtype=np.int64)
        # made when there are more rows than would all be looked at anyway
        self._projection: np.ndarray | None = None
        self._projected = np.zeros((0, PROJECTED), dtype=np.float32)

    @property
    def first(self) -> int:
        """Number of the oldest row held."""
        return self._first

    @property
    def last(self) -> int:
        """Number that the next row gets."""
        return self._last

    @property
    def held(self) -> int:
        """Rows held."""
        return self._last - self._first

    @property
    def capacity(self) -> int:
        """Slots of the ring."""
        return len(self._rows)

    @property
    def nbytes(self) -> int:
        """Memory that they take, in bytes."""
        return self._rows.nbytes + self._projected.nbytes + self._sequences.nbytes

    def append(self, rows: np.ndarray, sequences: np.ndarray) -> None:
        """Take rows, float32 (n, dimensions), of the queries with these numbers, int64 (n,)."""
        capacity = len(self._rows)
        if self.held + len(rows) > capacity - (GROUP if capacity > GROUP else 0):
            self._resize(self.held + len(rows))
        slots = (self._last + np.arange(len(rows))) % len(self._rows)
        self._rows[slots], self._sequences[slots] = rows, sequences
        if self._projection is not None:
            self._projected[slots] = project(rows, self._projection)
        self._last += len(rows)

    def drop(self, count: int) -> None:
        """Let go of the oldest rows."""
        self._first += count
        if len(self._rows) > 2 * self.held + 4 * GROUP:
            self._resize(self.held)

    def _resize(self, needed: int) -> None:
        """Make room for a quarter more than needed, in whole groups and with one to spare: so no group has two ends."""
        capacity = needed if needed < GROUP else -(-(needed * 5 // 4 + GROUP) // GROUP) * GROUP
        held = np.arange(self._first, self._last)
        old, new = held % max(len(self._rows), 1), held % max(capacity, 1)
        self._rows = _moved(self._rows, old, new, capacity, 0)
        self._sequences = _moved(self._sequences, old, new, capacity, -1)
        if self._projection is not None and capacity > GROUP * GROUPS:
            self._projected = _moved(self._projected, old, new, capacity, 0)
        else:
            self._project()

    def _project(self) -> None:
        """Projections of all rows, where there are enough rows to need them."""
        if self._make_projection is None or len(self._rows) <= GROUP * GROUPS:
            self._projection = None
        else:
            self._projection = self._make_projection()
            self._projected = project(self._rows, self._projection)

    def sequences(self) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of the queries whose rows are held, oldest first: int64, in two pieces."""
        return self._pieces(self._sequences, self._first, self._last)

    def copied(self, start: int, stop: int) -> np.ndarray:
        """The rows with these numbers, which are held: float32 (n, dimensions)."""
        return np.concatenate(self._pieces(self._rows, start, stop))

    def _pieces(self, ring: np.ndarray, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """What the ring holds for these rows: up to its end, and from its start on. Not copied."""
        low = start % max(len(ring), 1)
        high = low + stop - start
        return ring[low:high], ring[: max(high - len(ring), 0)]

    def _slots(self, start: int, stop: int) -> np.ndarray:
        return np.arange(start, stop) % max(len(self._rows), 1)

    def load(self, first: int, last: int, capacity: int, sequences: np.ndarray, read_rows: RowReader) -> None:
        """Fill an empty ring as it was: with the same capacity, every later product has the same shape and result."""
        held = last - first
        if first < 0 or held < 1 or not held <= capacity <= 2 * held + 4 * GROUP:
            raise ValueError(f"the state has a space of rows {first} to {last} in {capacity} slots")
        self._first, self._last = first, last
        self._rows = np.zeros((capacity, self.dimensions), dtype=np.float32)
        self._sequences = np.full(capacity, -1, dtype=np.int64)
        self._sequences[self._slots(first, last)] = sequences
        for start in range(first, last, READ):
            stop = min(start + READ, last)
            rows = read_rows(self.id, start, stop)
            if rows.shape != (stop - start, self.dimensions) or rows.dtype != np.float32:
                expected = f"float32 {(stop - start, self.dimensions)}"
                raise ValueError(
                    f"rows {start} to {stop} of a space are {rows.dtype} {rows.shape}, expected {expected}"
                )
            self._rows[self._slots(start, stop)] = rows
        self._project()

    def search(
        self, queries: np.ndarray, sequences: np.ndarray, starts: np.ndarray
    ) -> tuple[np.ndarray, Callable[[int], tuple[int, np.ndarray]]]:
        """The highest cosine of each query to the rows from `starts` on and before its own number; NONE without any.

        Returns float32 (n,) and a function that gives, for one query, the number and the vector of that row (the
        oldest of equals).
        """
        if self._projection is None:
            return self._search_all(queries, sequences, starts)
        return self._search_promising(project(queries, self._projection), queries, sequences, starts)

    def _search_all(
        self, queries: np.ndarray, sequences: np.ndarray, starts: np.ndarray
    ) -> tuple[np.ndarray, Callable[[int], tuple[int, np.ndarray]]]:
        tiles = [
            (slots, cosines.max(axis=0)) for slots, cosines in self._cosines(self._rows, queries, sequences, starts)
        ]
        tops = np.max([top for _, top in tiles], axis=0)

        def locate(at: int) -> tuple[int, np.ndarray]:
            slots = next(slots for slots, top in tiles if top[at] >= tops[at] - TIE)
            cosines = self._rows[slots] @ queries[at]
            numbers = self._sequences[slots]
            cosines[(numbers < starts[at]) | (numbers >= sequences[at])] = NONE
            return self._row(slots.start + int(np.argmax(cosines >= cosines.max() - TIE)))

        return tops, locate

    def _search_promising(
        self, projected: np.ndarray, queries: np.ndarray, sequences: np.ndarray, starts: np.ndarray
    ) -> tuple[np.ndarray, Callable[[int], tuple[int, np.ndarray]]]:
        groups, estimates = [], []
        for slots, cosines in self._cosines(self._projected, projected, sequences, starts):
            groups.append(np.arange(slots.start, slots.stop, GROUP))
            estimates.append(cosines.reshape(-1, GROUP, len(queries)).max(axis=1))
        promising = np.ascontiguousarray(np.concatenate(estimates).T)
        count = min(GROUPS, promising.shape[1])
        chosen = np.concatenate(groups)[np.argpartition(promising, -count, axis=1)[:, -count:]]
        candidates = (chosen[:, :, None] + np.arange(GROUP)).reshape(len(queries), -1)
        numbers = self._sequences[candidates]
        comparable = (numbers >= starts[:, None]) & (numbers < sequences[:, None])
        cosines = np.stack([self._rows[slots] @ query for slots, query in zip(candidates, queries, strict=True)])
        cosines[~comparable] = NONE
        tops = cosines.max(axis=1)

        def locate(at: int) -> tuple[int, np.ndarray]:
            best = np.flatnonzero(cosines[at] >= tops[at] - TIE)
            return self._row(candidates[at, best[np.argmin(numbers[at, best])]])

        return tops, locate

    def _row(self, slot: int) -> tuple[int, np.ndarray]:
        return int(self._sequences[slot]), self._rows[slot].copy()

    def _cosines(
        self, rows: np.ndarray, queries: np.ndarray, sequences: np.ndarray, starts: np.ndarray
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Products of rows and queries by runs of slots, oldest first: float32 (slots, n), gone at the next step."""
        room = np.empty(min(TILE, len(rows)) * len(queries), dtype=np.float32)
        for slots in self._runs():
            length = slots.stop - slots.start
            cosines = np.matmul(rows[slots], queries.T, out=room[: length * len(queries)].reshape(length, -1))
            numbers = self._sequences[slots]
            # few rows are at an end of the window of some query: only they need to be looked at query by query
            ends = np.flatnonzero((numbers < starts[-1]) | (numbers >= sequences[0]))
            if ends.size:
                at = numbers[ends, None]
                cosines[ends] = np.where((at >= starts) & (at < sequences), cosines[ends], NONE)
            yield slots, cosines

    def _runs(self) -> Iterator[slice]:
        """Slots of the rows held, oldest first, in runs of at most TILE, in whole groups where there are groups."""
        capacity = len(self._rows)
        step = GROUP if capacity % GROUP == 0 else 1
        number, end = self._first // step * step, -(-self._last // step) * step
        while number < end:
            start = number % capacity
            stop = min(start + TILE, capacity, start + end - number)
            yield slice(start, stop)
            number += stop - start


def _moved(array: np.ndarray, old: np.ndarray, new: np.ndarray, capacity: int, empty: int) -> np.ndarray:
    moved = np.full((capacity, *array.shape[1:]), empty, dtype=array.dtype)
    moved[new] = array[old]
    return moved


def project(rows: np.ndarray, projection: np.ndarray) -> np.ndarray:
    """Projections of the rows, of unit length again; the directions of rows that the projection loses stay zero.

    Each is a product of its own: in a common product the last bits depend on how many rows there are, and a window
    that is loaded would be searched in other groups than the one that was kept.
    """
    projected = (np.ascontiguousarray(rows)[:, None] @ projection)[:, 0]
    lengths = np.sqrt(np.einsum("ij,ij->i", projected, projected))
    return projected / np.where(lengths > 0, lengths, 1)[:, None]
