"""Which queries and samples are about the same inference: the ids of the last requests, bounded.

A sample (`POST /api/v1/metrics/inference`) with the id of a query that was counted adds what that query did not say,
and is no inference of its own; so is a query with the id of a sample. What was counted first holds.
"""

from itertools import islice
from typing import Any

import msgspec

from detectors import Query

#: ids in a generation; the last one to two generations are known
GENERATION = 100_000
#: what was counted of an inference, as bits
LATENCY, ERROR, TOKENS, COST, FIRST_TOKEN = 1, 2, 4, 8, 16


class Known(msgspec.Struct, array_like=True, gc=False):
    """A sample that came: its latency in ms, what it said, and whether a query was joined to it, or it to a query."""

    latency: float
    said: int
    joined: bool


class RequestIds:
    """The ids of the last requests, by model: what was counted of each."""

    def __init__(self, generation: int = GENERATION) -> None:
        self._generation = generation
        #: by model and id, what the query said; the newer generation first
        self._queries: tuple[dict[str, dict[str, int]], ...] = ({}, {})
        self._samples: tuple[dict[str, dict[str, Known]], ...] = ({}, {})
        self._added = 0

    # -- queries

    def add_queries(self, model: str, said: dict[str, int]) -> None:
        """Remember queries: by id, what they said."""
        while len(said) >= (room := self._generation - self._added):  # it ends at the same id however ids are batched
            first = dict(islice(said.items(), room))
            said = dict(islice(said.items(), room, None))
            self._queries[0].setdefault(model, {}).update(first)
            self._next_generation()
        if said:
            self._queries[0].setdefault(model, {}).update(said)
            self._added += len(said)

    def has_samples(self, model: str) -> bool:
        """Whether samples of a model are known at all."""
        return any(model in generation for generation in self._samples)

    def join_query(self, model: str, query: Query) -> int | None:
        """What was counted of the sample that a query belongs to; None when there is none, or another was joined."""
        for generation in self._samples:
            known = generation.get(model, {}).get(query.id)  # type: ignore[arg-type]
            if known is not None:
                if known.joined:
                    return None
                known.joined = True
                return known.said
        return None

    # -- samples

    def find_sample(self, model: str, request_id: str) -> Known | None:
        """The sample that came with this id."""
        for generation in self._samples:
            known = generation.get(model, {}).get(request_id)
            if known is not None:
                return known
        return None

    def join_sample(self, model: str, request_id: str) -> int | None:
        """What was counted of the query that a sample belongs to, once for each query; None when there is none."""
        for generation in self._queries:
            said = generation.get(model, {}).pop(request_id, None)
            if said is not None:
                return said
        return None

    def add_sample(self, model: str, request_id: str, known: Known) -> None:
        """Remember a sample."""
        self._samples[0].setdefault(model, {})[request_id] = known
        self._added += 1
        if self._added >= self._generation:
            self._next_generation()

    def _next_generation(self) -> None:
        self._queries = ({}, self._queries[0])
        self._samples = ({}, self._samples[0])
        self._added = 0

    # -- over a restart

    def dump(self) -> dict[str, Any]:
        """All that is remembered, as it is now: without what is shared with the maps that go on changing."""
        return {
            "queries": _encoder.encode(self._queries),
            "samples": _encoder.encode(self._samples),
            "added": self._added,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a dump."""
        self._queries = _queries.decode(state["queries"])
        self._samples = _samples.decode(state["samples"])
        self._added = state["added"]


_encoder = msgspec.msgpack.Encoder()
_queries = msgspec.msgpack.Decoder(tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]])
_samples = msgspec.msgpack.Decoder(tuple[dict[str, dict[str, Known]], dict[str, dict[str, Known]]])
