"""The highest cosine of each query to the queries before it, in a sliding window over all of them.

Vectors are comparable only within a space (a kind of input, a number of dimensions, a set of features). Each space
keeps its vectors as rows of one float32 array, used as a ring (space.py); the window is common to all: a row counts
while its query is among the last `size` ones, of whatever space, while the rows of the window do not take more than
`max_bytes`, and while they are of no more than `max_spaces` spaces: the senders make these. The arrays together take at
most about twice the rows in the window.

Windows of more than 50,000 rows are searched in two steps: all rows by their projection to 96 dimensions, then the 16
most promising groups of 16 neighbours in time exactly. The score is always an exact cosine; what can be missed is a
nearest row whose projection is not among the most promising. The error of a projected cosine c is about
(1 - c^2) / sqrt(96): near duplicates are found, far neighbours may not be. Who knows the seed of the projection can
make near duplicates that it hides.
"""

from collections import Counter, deque
from collections.abc import Hashable, Iterator, Sequence
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
from detectors.space import EQUAL, NONE, PROJECTED, Space

#: queries that are compared in one product: more would not stay in the processor's cache, fewer would waste it
CHUNK = 256
#: windows that can hold more rows are searched by projection, unless their vectors are short anyway
PRUNED_ROWS, PRUNED_DIMENSIONS = 50_000, 192
#: different spaces in a window at most
SPACES = 1000


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
        self._spaces: dict[Hashable, Space] = {}
        self._by_id: dict[str, Space] = {}
        # held by the spaces that use them
        self._projections: WeakValueDictionary[int, np.ndarray] = WeakValueDictionary()
        self._log: deque[Space] = deque()  # the space of each query in the window, oldest first
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

    def _space(self, key: Hashable, dimensions: int, id_: str | None = None) -> "Space":
        space = self._spaces.get(key)
        if space is None:
            rows = min(self._size, self._max_bytes // (4 * dimensions))
            pruned = rows > PRUNED_ROWS and dimensions > PRUNED_DIMENSIONS
            projection = partial(self._projection, dimensions) if pruned else None
            space = self._spaces[key] = Space(key, dimensions, projection, id_ or token_hex(8))
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
        self, count: int, spaces: Sequence["Space"], vectors: Sequence[Vectors]
    ) -> tuple[np.ndarray, list["Space"]]:
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

    def _release(self, left: Sequence["Space"]) -> None:
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


def _no_rows(space: str, start: int, stop: int) -> np.ndarray:
    raise ValueError(f"rows {start} to {stop} of a space are missing")


def _tupled(key: Any) -> Any:
    """The key of a space, whose tuples may have become lists on the way."""
    return tuple(_tupled(part) for part in key) if isinstance(key, (list, tuple)) else key
