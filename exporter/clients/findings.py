"""What the detectors find on the queries of a batch, one by one: arrays first, then lists by place in the batch."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from detectors import InvalidQuery, Query, inputs
from detectors.canonical import content_keys
from detectors.cluster import FAR
from detectors.fingerprint import MATCH, Index
from detectors.low_confidence import doubts, unsure
from detectors.nearest_distance import NEAR, NONE, RELATED, History
from detectors.out_of_distribution import BEYOND
from exporter.clients.warm_up import Natural

#: inputs that can be read, the keys of their content, and their places in the batch
Contents = tuple[list[Any], np.ndarray, list[int]]


def contents(queries: Sequence[Query], templates: Sequence[str], salt: bytes) -> Contents:
    """What can be read of queries. templates: are cut out of texts. salt: of the keys."""
    unfit = inputs.unfit([query.input_data for query in queries], inputs.KINDS)
    places = [place for place in range(len(queries)) if place not in unfit]
    while True:
        values = [_without(templates, queries[place].input_data) for place in places]
        try:
            return values, content_keys(values, salt), places
        except InvalidQuery as error:  # one that cannot be read must not take the others along
            del places[error.index or 0]


def _without(templates: Sequence[str], value: Any) -> Any:
    if templates and isinstance(value, str):
        for template in templates:
            value = value.replace(template, " ")
    return value


class Findings:
    """What the detectors found on the queries of a batch, as arrays and lists by place in the batch."""

    def __init__(
        self,
        natural: Natural,
        history: History | None,
        index: Index | None,
        queries: Sequence[Query],
        times: list[float],
        first: int,
        contents: Contents,
    ) -> None:
        """first: the number of the first query. The queries enter history and index here, and are compared in them."""
        self.natural, self.queries, self.times = natural, queries, times
        self.numbers = list(range(first, first + len(queries)))
        values, keys, self.readable = contents
        self.is_readable = [False] * len(queries)
        self.keys = [0] * len(queries)
        for place, key in zip(self.readable, keys.tolist(), strict=True):
            self.keys[place], self.is_readable[place] = key, True
        scores, labels = doubts([query.model_output for query in queries])
        self.scores, self.labels = scores.tolist(), labels.tolist()
        self.is_unsure = unsure(scores, natural.doubt).tolist()
        #: of the inputs that have a point, by place in the batch, the row of `points`
        self.row_of: dict[int, int] = {}
        #: of the inputs that came before, the number of the last one
        self.repeated: dict[int, int] = {}
        if history is not None and index is not None:
            self._look_around(history, index, values, keys)

    def _look_around(self, history: History, index: Index, values: Sequence[Any], keys: np.ndarray) -> None:
        natural = self.natural
        assert natural.points is not None
        assert natural.reach is not None
        numbers, fitting = natural.points.layout.numbers(values)
        if not len(fitting):
            return
        places = [self.readable[index] for index in fitting.tolist()]
        self.row_of = {place: row for row, place in enumerate(places)}
        self.points = natural.points.of_numbers(numbers)
        far, around = natural.reach.scores(self.points)
        self.far = far.tolist()
        whose = np.array([self.numbers[place] for place in places])
        when = np.array([self.times[place] for place in places])
        history.add(self.points, keys[fitting], whose, when)
        assert natural.yardstick is not None
        scales = natural.yardstick.scales(history.counts(len(places)), around)
        nearest, distances = history.nearest(len(places), scales)
        self.nearest, self.distances = nearest.tolist(), distances.tolist()
        self._match([values[index] for index in fitting.tolist()], numbers, history, index, scales)

    def _match(
        self, values: Sequence[Any], numbers: np.ndarray, history: History, index: Index, scales: np.ndarray
    ) -> None:
        assert self.natural.fingerprints is not None
        hashes = self.natural.fingerprints.of(values, numbers)
        rows = history.last - len(values) + np.arange(len(values))
        matches, shares = index.match(hashes, rows, history.first)
        self.shares = np.where(shares >= MATCH, shares, 0.0).tolist()
        self.matches = [NONE] * len(values)
        hits = np.flatnonzero(shares >= MATCH)
        if hits.size:
            near = history.distances_between(rows[hits], matches[hits]) < RELATED * scales[hits]
            for row, match, is_near in zip(hits.tolist(), matches[hits], near.tolist(), strict=True):
                self.matches[row] = int(history.number_of(match)) if is_near else NONE

    def variant_of(self, place: int) -> int | None:
        """The number of the earlier query that this one is a variant of."""
        row = self.row_of.get(place)
        if row is None:
            return None
        earlier = self.nearest[row] if self.distances[row] < FAR else self.matches[row]
        return None if earlier == NONE else earlier

    def distance(self, place: int) -> float:
        """The distance to the nearest earlier query, inf where none is related."""
        row = self.row_of.get(place)
        return float("inf") if row is None else self.distances[row]

    def is_matched(self, place: int) -> bool:
        """Whether most of the query's pieces are those of an earlier one that is related to it."""
        row = self.row_of.get(place)
        return row is not None and self.matches[row] != NONE

    def nearest_of(self, place: int) -> int | None:
        """The number of the nearest earlier query, where one is related."""
        row = self.row_of.get(place)
        return None if row is None or self.nearest[row] == NONE else self.nearest[row]

    def flag(self, place: int, flags: dict[str, str]) -> None:
        """The evidence on one query by itself, in words."""
        if self.is_unsure[place]:
            flags["low_confidence"] = f"1 - max p is {self.scores[place]:.3f}, above {self.natural.doubt:.3f}"
        row = self.row_of.get(place)
        if row is None:
            return
        if self.far[row] > BEYOND:
            flags["out_of_distribution"] = f"lies {self.far[row]:.1f} times as far out as natural queries"
        if "exact_repeat" in flags:
            return
        if self.distances[row] < NEAR:
            flags["near_distance"] = f"is {self.distances[row]:.3f} of the usual distance from an earlier query"
        if self.shares[row]:
            flags["fingerprint"] = f"shares {self.shares[row]:.0%} of its pieces with an earlier query"
