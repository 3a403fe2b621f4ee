"""Weighing: the evidence on the clients of queries that are judged.

Nobody who asks waits for it, and one look at few queries costs as much as one at many. So it is done for many together,
a moment after they are judged; how they are cut into parts changes nothing.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Sequence

from detectors import Query
from exporter.clients import Alarmed
from exporter.watched_model import WatchedModel

log = logging.getLogger(__name__)

#: the detector under which it is counted
CLIENTS = "clients"
#: queries that are weighed together at most: twice as many cost a tenth less each, and keep others waiting for longer
PART = 128
#: seconds that they wait for others
PATIENCE = 0.1


class Unweighed:
    """Queries that are judged and not weighed yet, by model, in order. Whoever calls holds the lock of the counts."""

    def __init__(self) -> None:
        self._waiting: dict[WatchedModel, list[Query]] = {}
        #: queries that wait, and since when the first one does
        self.queries, self._since = 0, 0.0

    def add(self, model: WatchedModel, queries: Sequence[Query]) -> None:
        """Take queries of a model whose clients are judged."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.setdefault(model, []).extend(queries)
        self.queries += len(queries)

    def is_due(self) -> bool:
        """Whether it is enough, or has waited long enough."""
        return self.queries >= PART or (self.queries > 0 and time.monotonic() - self._since >= PATIENCE)

    def weigh_part(self, seconds: defaultdict[str, float]) -> tuple[str, list[Alarmed]] | None:
        """Weigh a part of the queries of one model: its name, and the clients that came into alarm; None if none wait.

        seconds: CPU seconds by detector, added to.
        """
        if not self._waiting:
            return None
        model, queries = next(iter(self._waiting.items()))
        del self._waiting[model]
        if len(queries) > PART:
            self._waiting[model] = queries[PART:]  # behind the others: a model that is flooded keeps none from its turn
        self.queries -= min(len(queries), PART)
        self._since = time.monotonic()  # what is left came with what went, or later
        return model.name, weigh(model, queries[:PART], seconds)


def weigh(model: WatchedModel, queries: Sequence[Query], seconds: defaultdict[str, float]) -> list[Alarmed]:
    """Weigh the evidence on the clients of queries, in order; the clients that came into alarm.

    Their verdicts are for the people who watch, never for who asked.
    """
    assert model.suspicion is not None
    begun = time.thread_time()
    try:
        model.suspicion.observe(queries, [query.timestamp or 0.0 for query in queries])
    except Exception as error:  # what is wrong with it must not end the judging
        model.suspicion_errors += len(queries)
        log.error("clients could not be judged", extra={"model": model.name, "error": type(error).__name__})
    seconds[CLIENTS] += time.thread_time() - begun
    return model.suspicion.counts.take_news()
