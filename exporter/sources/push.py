"""Pushed queries: a body in, an answer out; what is taken waits in the queue.

All or nothing against the queue; wrong records are named by their position while the others count.
"""

import time
from collections.abc import Callable, Sequence

from detectors import Query
from exporter.config import Limits
from exporter.delivery import Delivery, Rejection
from exporter.formats import TooMany, Unreadable, native
from exporter.pipeline import Pipeline
from exporter.sources.counts import IntakeCounts
from exporter.sources.duplicates import Duplicates
from exporter.sources.reply import Reply, queue_full, refusal, to_json


class PushIntake:
    """Takes bodies of `POST /api/v1/queries`, from any thread."""

    def __init__(
        self, pipeline: Pipeline, duplicates: Duplicates, limits: Limits, clock: Callable[[], float] = time.time
    ) -> None:
        self._pipeline, self._duplicates, self._clock = pipeline, duplicates, clock
        self.limits = limits
        self.counts = IntakeCounts()

    def push(self, body: bytes, sender: str = "") -> Reply:
        """Take the queries of a body: 202; 422 when all are rejected; 400, 413 or 429 when none was taken."""
        try:
            queries, rejections = native.decode(body, self.limits)
        except Unreadable as error:
            self.reject("malformed")
            return refusal(400, str(error))
        except TooMany as error:
            self.reject("too_large", error.records)
            return refusal(413, str(error))
        with self._duplicates.lock:
            taken = self._take(queries, sender, len(body))
            if taken is None:
                self.counts.rejected["queue_full"] += len(queries)
                return queue_full(self._pipeline)
            self.counts.accepted += len(queries)
            self.counts.duplicates += taken
            self.counts.rejected.update(rejection.code for rejection in rejections)
        return _taken(len(queries), taken, rejections)

    def _take(self, queries: Sequence[Query], sender: str, size: int) -> int | None:
        """Queue what is new; the number of duplicates, or None when there is no room."""
        now = self._clock()
        found = self._duplicates.sort_out(queries, sender)
        delivery = Delivery(source="push", queries=found.fresh, received=now, reused=found.reused, size=size)
        if found.fresh and not self._pipeline.offer(delivery):
            return None
        self._duplicates.remember(found.entries, now)
        return found.duplicates

    def reject(self, code: str, records: int = 1) -> None:
        """Count records, or one body, that were refused as a whole."""
        with self._duplicates.lock:
            self.counts.rejected[code] += records


def _taken(accepted: int, duplicates: int, rejections: Sequence[Rejection]) -> Reply:
    rejected = [{"index": rejection.index, "reason": rejection.reason} for rejection in rejections]
    body = to_json({"accepted": accepted, "duplicates": duplicates, "rejected": rejected})
    return Reply(422 if rejected and not accepted else 202, body)
