"""Suspicion: evidence on the queries of one model, and what it amounts to for each client.

Queries come in micro-batches, in order; how they are cut into batches changes nothing. Time is handed in and never
runs backwards. Nothing here looks at the clock, the network or the log.

The first queries of a model tell what is natural for it (`warm_up`); all others are weighed by that (`weighing`). What
comes of it is kept in the `memory`, from which others read (`reader`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from detectors import Query
from detectors.kept import RowReader, Rows
from detectors.low_confidence import doubts
from exporter.clients import warm_up
from exporter.clients.counts import Counts
from exporter.clients.findings import Contents, contents
from exporter.clients.first import Waiting
from exporter.clients.memory import MODEL_BYTES, Memory
from exporter.clients.reader import Reader
from exporter.clients.warm_up import Natural
from exporter.clients.weighing import Verdict, Weighing
from exporter.config import Clients

#: queries that are looked at together
BATCH = 256


class Suspicion:
    """The evidence and the clients of one model. memory: what is known by now; another one after each beginning.

    settings: profile and allow-lists. secret: a number that nobody else knows; the same gives the same results.
    """

    def __init__(self, settings: Clients, secret: int, max_bytes: int = MODEL_BYTES) -> None:
        self.settings, self._secret, self._max_bytes = settings, secret, max_bytes
        self._allowed = frozenset(settings.allow)
        self._salt = secret.to_bytes(32, "little")
        self.counts = Counts()
        self.restart_warm_up()

    @property
    def read(self) -> Reader:
        """What people and scrapes read, as it is now."""
        return Reader(self.memory)

    # -- warm-up

    def restart_warm_up(self) -> None:
        """Forget what is natural, and everything that was measured by it."""
        self.memory = Memory(self.settings, self._secret, self._max_bytes, self.counts)
        #: None while it is not known what is natural
        self._weighing: Weighing | None = None

    def calibrate(self, queries: Sequence[Query]) -> None:
        """Learn what is natural from these queries, which enter no window. Raises ValueError if they are too few."""
        kept = queries
        if len(queries) > warm_up.MOST:
            kept = [queries[place] for place in np.linspace(0, len(queries) - 1, warm_up.MOST).astype(int).tolist()]
        values, keys, readable = self._contents(kept)
        _check_enough(keys)
        scores, labels = doubts([kept[place].model_output for place in readable])
        natural = Natural.of(values, keys, scores, labels, self._secret)
        self.memory.waiting.clear()
        self.memory.learn(natural)
        self._weighing = Weighing(self.memory)

    def _warm_up(self, queries: Sequence[Query], times: Sequence[float]) -> list[Verdict]:
        waiting = self.memory.waiting
        waiting.add(queries, times)
        if not len(waiting) % warm_up.LEAST:
            self._look_at_first(waiting)
        return [Verdict("warming_up")] * len(queries)

    def _look_at_first(self, waiting: Waiting) -> None:
        """Learn from the first queries; few different ones between many of a probe do not show what is natural."""
        new = waiting.queries[len(waiting.keys) :]
        _, found, readable = self._contents(new)
        keys: list[int | None] = [None] * len(new)
        for place, key in zip(readable, found.tolist(), strict=True):
            keys[place] = key
        waiting.know(keys)
        if waiting.different >= warm_up.DIFFERENT:
            learned, when = waiting.queries, waiting.times
            try:
                self.calibrate(learned)
            except Exception:  # begin anew, so that no more than the most wait
                waiting.clear()
                raise
            self._take_in(learned, when)
        elif len(waiting) >= warm_up.MOST:
            waiting.drop_repeats(warm_up.MOST - warm_up.LEAST)

    def _take_in(self, queries: Sequence[Query], times: Sequence[float]) -> None:
        """The queries of a live warm-up enter the windows."""
        assert self._weighing is not None
        for start in range(0, len(queries), BATCH):
            part = queries[start : start + BATCH]
            self._weighing.take_in(part, times[start : start + BATCH], self._contents(part))

    # -- judging

    def observe(self, queries: Sequence[Query], times: Sequence[float]) -> list[Verdict]:
        """Judge queries in their order. times: seconds since 1970 when they came, never running backwards."""
        verdicts: list[Verdict] = []
        start = 0
        while start < len(queries):
            if self._weighing is None:
                stop = min(len(queries), start + warm_up.LEAST - len(self.memory.waiting) % warm_up.LEAST)
                verdicts += self._warm_up(queries[start:stop], times[start:stop])
            else:
                stop = min(len(queries), start + BATCH)
                verdicts += self._judge(self._weighing, queries[start:stop], times[start:stop])
            start = stop
        return verdicts

    def _judge(self, weighing: Weighing, queries: Sequence[Query], times: Sequence[float]) -> list[Verdict]:
        """Verdicts on all; those who are allowed are judged by nothing, and enter nothing."""
        places = [place for place, query in enumerate(queries) if query.client not in self._allowed]
        if len(places) == len(queries):
            return weighing.judge(queries, times, self._contents(queries))
        verdicts = [Verdict("ok")] * len(queries)
        if places:
            judged = [queries[place] for place in places]
            found = weighing.judge(judged, [times[place] for place in places], self._contents(judged))
            for place, verdict in zip(places, found, strict=True):
                verdicts[place] = verdict
        return verdicts

    def _contents(self, queries: Sequence[Query]) -> Contents:
        return contents(queries, self.settings.templates, self._salt)

    # -- what people decide

    def dismiss(self, client: str) -> tuple[str, ...]:
        """Take all evidence off a client that was no attacker; the families that were in alarm."""
        return self.memory.dismiss(client)

    def erase(self, client: str) -> bool:
        """Forget a client; whether there was anything to forget."""
        return self.memory.erase(client)

    # -- what goes on after a restart: as of a detector

    def dump_state(self) -> dict[str, Any]:
        """What later verdicts depend on, but rows and entries, as plain values; small, and no secret."""
        return self.memory.dump()

    def load_state(self, state: Mapping[str, Any], read_rows: RowReader | None = None) -> None:
        """Go on where the model that gave this state stood.

        read_rows: reads rows and entries. Raises ValueError in words when the state does not fit; then it is as at
        the start. A state of another profile keeps what is natural, and nothing else.
        """
        self.restart_warm_up()
        try:
            self.memory.load(state, read_rows)
        except Exception:
            self.restart_warm_up()
            raise
        if self.memory.natural is not None:
            self._weighing = Weighing(self.memory)

    def tidy(self) -> None:
        """Write all entries down anew where too many are outdated, or some must go: before a snapshot is taken."""
        self.memory.tidy()

    def write_down(self, most: int) -> bool:
        """Write down at most so many entries that changed; whether there may be more."""
        return self.memory.write_down(most)

    def row_spaces(self) -> dict[str, Rows]:
        """All rows, by the ids of their spaces."""
        return self.memory.row_spaces()

    def rows_since(self, space: str, number: int, limit: int) -> tuple[int, np.ndarray]:
        """A copy of at most about `limit` rows of the space from this number, or from the oldest held on."""
        return self.memory.rows_since(space, number, limit)


def _check_enough(keys: np.ndarray) -> None:
    """Raises ValueError where there are too few readable queries, or too few different ones, to learn from."""
    if len(keys) < warm_up.FEWEST:
        raise ValueError(f"{len(keys)} readable queries are too few to learn from; expected {warm_up.FEWEST}")
    different = len(set(keys.tolist()))
    if different < warm_up.FEWEST_DIFFERENT:
        expected = warm_up.FEWEST_DIFFERENT
        raise ValueError(f"{different} different queries are too few to learn from; expected {expected}")
