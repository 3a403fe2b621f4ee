"""The highest cosine of each query to the queries before it, in a sliding window over all of them.

Vectors are comparable only within a space (a kind of input, a number of dimensions, a set of features). Each space
keeps its vectors as rows of one float32 array, used as a ring; the window is common to all: a row counts while its
query is among the last `size` ones, of whatever space, while the rows of the window do not take more than `max_bytes`,
and while they are of no more than `max_spaces` spaces: the senders make these. The arrays together take at most about
twice the rows in the window.

Windows of more than 50,000 rows are searched in two steps: all rows by their projection to 96 dimensions, then the 16
most promising groups of 16 neighbours in time exactly. The score is always an exact cosine; what can be missed is a
nearest row whose projection is not among the most promising. The error of a projected cosine c is about
(1 - c^2) / sqrt(96): near duplicates are found, far neighbours may not be. Who knows the seed of the projection can
make near duplicates that it hides.
"""

from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from secrets import token_hex
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from detectors.blas import one_thread
from detectors.contract import flags
from detectors.kept import RowReader, Rows, packed, unpacked

#: queries that are compared in one product: more would not stay in the processor's cache, fewer would waste it
CHUNK = 256
#: rows that are compared in one product, for the same reason
TILE = 2048
#: cosines from here on count as equal: float32 cannot tell them apart
EQUAL = 1 - 1e-6
#: below every cosine: what may not be compared
NONE = np.float32(-2)
#: windows that can hold more rows are searched by projection, unless their vectors are short anyway
PRUNED_ROWS, PRUNED_DIMENSIONS = 50_000, 192
PROJECTED, GROUP, GROUPS = 96, 16, 16
#: different spaces in a window at most
SPACES = 1000
#: rows that are read together when a window is loaded
READ = 4096


@dataclass(slots=True, frozen=True)
class Incident:
    """A flagged query: its score, and the query it is closest to, by position in the window (oldest 0) and vector."""

    score: float
    closest_index: int
    closest_embedding: np.ndarray


#: vectors of one space: what they can be compared with, their positions in the batch, rows of unit length or zero
Vectors = tuple[Hashable, np.ndarray, np.ndarray]


class Window:
    """The last `size` queries; fewer if their rows would take more than `max_bytes` or be of too many spaces."""

    def __init__(self, size: int, max_bytes: int, seed: int = 0, max_spaces: int = SPACES) -> None:
        self._size, self._max_bytes, self._seed, self._max_spaces = size, max_bytes, seed, max_spaces
        self._spaces: dict[Hashable, _Space] = {}
        self._by_id: dict[str, _Space] = {}
        # held by the spaces that use them
        self._projections: WeakValueDictionary[int, np.ndarray] = WeakValueDictionary()
        self._log: deque[_Space] = deque()  # the space of each query in the window, oldest first
        self._added = 0
        self._bytes = 0
        self._logged = 0  # spaces in the log

    def __len__(self) -> int:
        return len(self._log)

    @property
    def nbytes(self) -> int:
        """Memory that the rows take, in bytes."""
        return sum(space.nbytes for space in self._spaces.values())

    def add(self, count: int, vectors: Sequence[Vectors], threshold: float) -> tuple[np.ndarray, Incident | None]:
        """Score `count` queries in order, each against those before it, and take them into the window.

        Returns float64 (count,), -1 to 1, 0 where there was nothing to compare with, and the last query with a score
        from `threshold` on.
        """
        scores = np.zeros(count)
        incident = None
        with one_thread():
            for start in range(0, count, CHUNK):
                stop = min(start + CHUNK, count)
                part = vectors if count <= CHUNK else list(_between(vectors, start, stop))
                found = self._add_chunk(scores[start:stop], part, threshold)
                incident = found or incident
        return scores, incident

    def _add_chunk(self, scores: np.ndarray, vectors: Sequence[Vectors], threshold: float) -> Incident | None:
        spaces = [self._space(key, rows.shape[1]) for key, _, rows in vectors]
        sequences = self._added + np.arange(len(scores))
        starts, left = self._admit(len(scores), spaces, vectors)
        last, closest = -1, None
        for space, (_, positions, rows) in zip(spaces, vectors, strict=True):
            space.append(rows, sequences[positions])
            tops, locate = space.search(rows, sequences[positions], starts[positions])
            scores[positions] = np.where(tops >= EQUAL, 1, np.where(tops > NONE, tops, 0))
            suspicious = np.flatnonzero(flags(scores[positions], threshold) & (tops > NONE))
            if suspicious.size and positions[suspicious[-1]] > last:
                last, closest = positions[suspicious[-1]], partial(locate, suspicious[-1])
        incident = None
        if closest is not None:
            sequence, embedding = closest()
            incident = Incident(float(scores[last]), int(sequence - starts[last]), embedding)
        self._release(left)
        return incident

    def _space(self, key: Hashable, dimensions: int, id_: str | None = None) -> "_Space":
        space = self._spaces.get(key)
        if space is None:
            rows = min(self._size, self._max_bytes // (4 * dimensions))
            pruned = rows > PRUNED_ROWS and dimensions > PRUNED_DIMENSIONS
            projection = partial(self._projection, dimensions) if pruned else None
            space = self._spaces[key] = _Space(key, dimensions, projection, id_ or token_hex(8))
            self._by_id[space.id] = space
        return space

    def _projection(self, dimensions: int) -> np.ndarray:
        """Random directions at right angles to each other, float32 (dimensions, PROJECTED)."""
        projection = self._projections.get(dimensions)
        if projection is None:
            directions = np.random.default_rng(self._seed).standard_normal((dimensions, PROJECTED))
            projection = self._projections[dimensions] = np.linalg.qr(directions)[0].astype(np.float32)
        return projection

    def _admit(
        self, count: int, spaces: Sequence["_Space"], vectors: Sequence[Vectors]
    ) -> tuple[np.ndarray, list["_Space"]]:
        """Log the queries; for each, where the window began when it came; and the spaces of the queries that left."""
        owners = [spaces[0]] * count
        for space, (_, positions, _) in zip(spaces, vectors, strict=True):
            if len(positions) < count:
                for position in positions.tolist():
                    owners[position] = space
        starts, left = np.empty(count, dtype=np.int64), []
        for position, space in enumerate(owners):
            starts[position] = self._added - len(self._log)
            self._log.append(space)
            self._added += 1
            self._bytes += space.row_bytes
            self._logged += not space.logged
            space.logged += 1
            while len(self._log) > self._size or self._bytes > self._max_bytes or self._logged > self._max_spaces:
                left.append(oldest := self._log.popleft())
                self._bytes -= oldest.row_bytes
                oldest.logged -= 1
                self._logged -= not oldest.logged
        return starts, left

    def _release(self, left: Sequence["_Space"]) -> None:
        for space, count in Counter(left).items():
            space.drop(count)
            if not space.held:
                del self._spaces[space.key], self._by_id[space.id]

    def row_spaces(self) -> dict[str, Rows]:
        """The rows held, by the id of their space."""
        return {id_: Rows(space.first, space.last, space.dimensions) for id_, space in self._by_id.items()}

    def rows_since(self, space: str, number: int, limit: int) -> tuple[int, np.ndarray]:
        """A copy of at most `limit` rows of the space with this id, from this number or the oldest held on."""
        found = self._by_id[space]
        start = max(number, found.first)
        return start, found.copied(start, min(start + limit, found.last))

    def dump(self) -> dict[str, Any]:
        """Everything but the rows, as plain values, one list for each property of the spaces."""
        spaces = list(self._spaces.values())
        sequences = [piece for space in spaces for piece in space.sequences()]
        return {
            "added": self._added,
            "ids": [space.id for space in spaces],
            "keys": [space.key for space in spaces],
            "dimensions": [space.dimensions for space in spaces],
            "first": [space.first for space in spaces],
            "last": [space.last for space in spaces],
            "capacity": [space.capacity for space in spaces],
            # of the queries in the window, space by space: the log follows from them
            "sequences": packed(np.concatenate(sequences) if sequences else np.zeros(0, dtype=np.int64)),
        }

    def load(self, state: dict[str, Any], read_rows: RowReader | None) -> None:
        """Fill this window, which is empty, with what `dump` gave and the rows.

        Raises ValueError when the parts do not fit together; the window is then of no use.
        """
        names = ("ids", "keys", "dimensions", "first", "last", "capacity")
        sequences, at = unpacked(state["sequences"], "<i8").astype(np.int64), 0
        if read_rows is None:
            if sequences.size:
                raise ValueError(f"the state is of {sequences.size} rows, and there is nothing to read them from")
            read_rows = _no_rows
        for id_, key, dimensions, first, last, capacity in zip(*(state[name] for name in names), strict=True):
            key = _tupled(key)
            if key in self._spaces or id_ in self._by_id:
                raise ValueError("the state has a space twice")
            space = self._space(key, dimensions, id_)
            stop = at + last - first
            with one_thread():
                space.load(first, last, capacity, sequences[at:stop], read_rows)
            at = stop
        if at != sequences.size:
            raise ValueError(f"the state has {sequences.size} queries, and its {len(state['ids'])} spaces hold {at}")
        self._added = int(state["added"])
        self._load_log(sequences)

    def _load_log(self, sequences: np.ndarray) -> None:
        """The log, from the numbers of the queries of each space; they are all those up to the last one added."""
        order = np.argsort(sequences)
        if (sequences[order] != np.arange(self._added - sequences.size, self._added)).any():
            raise ValueError(f"the state skips or repeats a query among the last {sequences.size} of {self._added}")
        owners = list(chain.from_iterable([space] * space.held for space in self._spaces.values()))
        self._log.extend(map(owners.__getitem__, order.tolist()))
        self._bytes = sum(space.held * space.row_bytes for space in self._spaces.values())
        for space in self._spaces.values():
            space.logged = space.held
            self._logged += space.held > 0
        if len(self._log) > self._size or self._bytes > self._max_bytes:
            raise ValueError(f"the state has {len(self._log)} queries, more than the window of {self._size} takes")


def _between(vectors: Sequence[Vectors], start: int, stop: int) -> Iterator[Vectors]:
    """The vectors of these positions of the batch, counted from `start`."""
    for key, positions, rows in vectors:
        low, high = np.searchsorted(positions, (start, stop))
        if high > low:
            yield key, positions[low:high] - start, rows[low:high]


class _Space:
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
        return self._first

    @property
    def last(self) -> int:
        return self._last

    @property
    def held(self) -> int:
        return self._last - self._first

    @property
    def capacity(self) -> int:
        return len(self._rows)

    @property
    def nbytes(self) -> int:
        return self._rows.nbytes + self._projected.nbytes + self._sequences.nbytes

    def append(self, rows: np.ndarray, sequences: np.ndarray) -> None:
        capacity = len(self._rows)
        if self.held + len(rows) > capacity - (GROUP if capacity > GROUP else 0):
            self._resize(self.held + len(rows))
        slots = (self._last + np.arange(len(rows))) % len(self._rows)
        self._rows[slots], self._sequences[slots] = rows, sequences
        if self._projection is not None:
            self._projected[slots] = _projected(rows, self._projection)
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
            self._projected = _projected(self._rows, self._projection)

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
        return self._search_promising(_projected(queries, self._projection), queries, sequences, starts)

    def _search_all(
        self, queries: np.ndarray, sequences: np.ndarray, starts: np.ndarray
    ) -> tuple[np.ndarray, Callable[[int], tuple[int, np.ndarray]]]:
        tiles = [
            (slots, cosines.max(axis=0)) for slots, cosines in self._cosines(self._rows, queries, sequences, starts)
        ]
        tops = np.max([top for _, top in tiles], axis=0)

        def locate(at: int) -> tuple[int, np.ndarray]:
            slots = next(slots for slots, top in tiles if top[at] >= min(tops[at], EQUAL))
            cosines = self._rows[slots] @ queries[at]
            numbers = self._sequences[slots]
            cosines[(numbers < starts[at]) | (numbers >= sequences[at])] = NONE
            return self._row(slots.start + int(np.argmax(cosines >= min(cosines.max(), EQUAL))))

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
            best = np.flatnonzero(cosines[at] >= min(tops[at], EQUAL))
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


def _projected(rows: np.ndarray, projection: np.ndarray) -> np.ndarray:
    """Projections of the rows, of unit length again; the directions of rows that the projection loses stay zero.

    Each is a product of its own: in a common product the last bits depend on how many rows there are, and a window
    that is loaded would be searched in other groups than the one that was kept.
    """
    projected = (np.ascontiguousarray(rows)[:, None] @ projection)[:, 0]
    lengths = np.sqrt(np.einsum("ij,ij->i", projected, projected))
    return projected / np.where(lengths > 0, lengths, 1)[:, None]


def _no_rows(space: str, start: int, stop: int) -> np.ndarray:
    raise ValueError(f"rows {start} to {stop} of a space are missing")


def _tupled(key: Any) -> Any:
    """The key of a space, whose tuples may have become lists on the way."""
    return tuple(_tupled(part) for part in key) if isinstance(key, (list, tuple)) else key
