"""The first queries of a model, which wait whole for the end of its warm-up, in memory and in snapshots: bounded."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from detectors import InvalidQuery, Query
from detectors.images import pixels
from detectors.inputs import kind_of
from detectors.kept import Changed, packed, unpacked

#: bytes of one query's content, input and answer, that are kept
MOST_BYTES = 1 << 16


class Waiting:
    """The queries that wait, in their order, with the times at which they came. An entry is a query by its place."""

    def __init__(self) -> None:
        self.queries: list[Query] = []
        self.times: list[float] = []
        #: of the contents of the first of them, and by key the input
        self.keys: list[int | None] = []
        self._inputs: dict[int, Any] = {}
        self.changed = Changed()

    def __len__(self) -> int:
        return len(self.queries)

    def add(self, queries: Sequence[Query], times: Sequence[float]) -> None:
        """Have these wait too."""
        for place in range(len(self), len(self) + len(queries)):
            self.changed.note(place)
        self.queries += map(bounded, queries)
        self.times += times

    def know(self, keys: Sequence[int | None]) -> None:
        """The keys of the contents of those that came since the last time; None where one cannot be read.

        Inputs of the same content are held once.
        """
        for query, key in zip(self.queries[len(self.keys) :], keys, strict=True):
            if key is not None:
                query.input_data = self._inputs.setdefault(key, query.input_data)
        self.keys += keys

    @property
    def different(self) -> int:
        """Contents that are known to differ."""
        return len(self._inputs)

    def drop_repeats(self, count: int) -> None:
        """Let go of so many of the oldest that are repeats or cannot be read."""
        seen: set[int] = set()
        kept: list[int] = []
        for place, key in enumerate(self.keys):
            is_first = key is not None and key not in seen
            if is_first or not count:
                kept.append(place)
            else:
                count -= 1
            seen.update(() if key is None else (key,))
        for place in self.held():
            self.changed.note(place)
        self.queries, self.times = [self.queries[n] for n in kept], [self.times[n] for n in kept]
        self.keys = [self.keys[n] for n in kept]

    def clear(self) -> None:
        """Nothing waits any longer."""
        for place in self.held():
            self.changed.note(place)
        self.queries, self.times, self.keys = [], [], []
        self._inputs.clear()

    def held(self) -> range:
        """The places."""
        return range(len(self))

    def entry(self, place: int) -> Any:
        """The time and the query at a place, as plain values; None where there is none."""
        return [self.times[place], plain(self.queries[place])] if place < len(self) else None

    def load(self, entries: Mapping[int, Any]) -> None:
        """Go on from all entries, in any order."""
        waiting = [entries[place] for place in range(len(entries))]
        self.queries, self.times = [read(fields) for _, fields in waiting], [time for time, _ in waiting]


def bounded(query: Query) -> Query:
    """What the warm-up needs of a query, in at most about MOST_BYTES.

    A larger picture is reduced to what the detectors see of it, so that nothing changes. Where something else is
    larger the input is left out, then the answer: the warm-up learns nothing from it.
    """
    value, output = query.input_data, query.model_output
    if _size(value) > MOST_BYTES:
        value = _reduced(value)
    if _size(output) > MOST_BYTES:
        output = None
    return Query(value, output, {}, query.timestamp, query.id, query.model, query.client, error=query.error)


def _reduced(value: Any) -> Any:
    if kind_of(value) != "image":
        return None
    try:
        return pixels(value)
    except InvalidQuery:
        return None


def _size(value: Any) -> int:
    """Bytes of a value as it is kept; more than the most for what cannot be kept as it is."""
    if isinstance(value, str):
        return len(value)
    try:
        return len(msgspec.msgpack.encode(value))
    except (TypeError, ValueError, OverflowError):
        return MOST_BYTES + 1


def plain(query: Query) -> list[Any]:
    """A bounded query as plain values."""
    is_array = hasattr(query.input_data, "dtype")
    value = packed(query.input_data) if is_array else query.input_data
    return [is_array, value, query.model_output, query.timestamp, query.id, query.model, query.client, query.error]


def read(fields: Any) -> Query:
    """The query that `plain` made this of."""
    is_array, value, output, timestamp, id_, model, client, error = fields
    value = unpacked(value, value["dtype"]) if is_array else value
    return Query(value, output, {}, timestamp, id_, model, client, error=error)
