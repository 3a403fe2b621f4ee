"""Pushed queries: a body in, an answer out; what is taken waits in the queue.

All or nothing against the queue; wrong records are named by their position while the others count.
"""

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future

from detectors import Query
from exporter.config import Limits
from exporter.delivery import Delivery, Rejection
from exporter.formats import TooMany, Unreadable, native
from exporter.ledger import Ledger, NotStored, QueueFull
from exporter.sources.counts import IntakeCounts
from exporter.sources.duplicates import Duplicates
from exporter.sources.permitted import permitted
from exporter.sources.reply import Reply, not_stored, queue_full, refusal, to_json


class PushIntake:
    """Takes bodies of `POST /api/v1/queries`, from any thread."""

    def __init__(
        self, ledger: Ledger, duplicates: Duplicates, limits: Limits, clock: Callable[[], float] = time.time
    ) -> None:
        self._ledger, self._duplicates, self._clock = ledger, duplicates, clock
        self.limits = limits
        self.counts = IntakeCounts()

    def push(self, body: bytes, sender: str = "", models: Collection[str] | None = None) -> "Future[Reply]":
        """Take the queries of a body: 202; 422 when all are rejected; 400, 413, 429 or 507 when none was taken.

        The answer is there once what was taken is written.

        sender: whose retries are duplicates. models: those that the sender may name; None for all.
        """
        try:
            queries, rejections = native.decode(body, self.limits)
        except Unreadable as error:
            self.reject("malformed")
            return _now(refusal(400, str(error)))
        except TooMany as error:
            self.reject("too_large", error.records)
            return _now(refusal(413, str(error)))
        if models is not None:
            queries, rejections = permitted(queries, rejections, body, models, self._ledger.pipeline.models.unnamed)
        with self._duplicates.lock:
            return self._take(body, queries, rejections, sender)

    def _take(
        self, body: bytes, queries: Sequence[Query], rejections: Sequence[Rejection], sender: str
    ) -> "Future[Reply]":
        now, found = self._clock(), self._duplicates.sort_out(queries, sender)
        answer: Future[Reply] = Future()

        def settled(error: Exception | None) -> None:
            if error is None:
                self.counts.take(len(queries), found.duplicates, (rejection.code for rejection in rejections))
                answer.set_result(_taken(len(queries), found.duplicates, rejections))
            else:
                with self._duplicates.lock:
                    self._duplicates.forget(found.entries)
                answer.set_result(self._refused(error, len(queries)))

        delivery = Delivery(
            source="push",
            queries=found.fresh,
            received=now,
            sender=sender,
            reused=found.reused,
            entries=found.entries,
            size=len(body),
        )
        if not queries:
            settled(None)
            return answer
        whole = len(found.fresh) == len(queries) and not rejections
        self._duplicates.remember(found.entries, now)
        try:  # also of duplicates alone: what they repeat may not be written yet
            self._ledger.take(delivery, body if whole else None, settled)
        except (QueueFull, NotStored) as error:
            self._duplicates.forget(found.entries)
            return _now(self._refused(error, len(queries)))
        return answer

    def _refused(self, error: Exception, records: int) -> Reply:
        full = isinstance(error, QueueFull)
        self.counts.refuse("queue_full" if full else "not_stored", records)
        return queue_full(self._ledger.pipeline) if full else not_stored()

    def reject(self, code: str, records: int = 1) -> None:
        """Count records, or one body, that were refused as a whole."""
        self.counts.refuse(code, records)


def _now(reply: Reply) -> "Future[Reply]":
    answer: Future[Reply] = Future()
    answer.set_result(reply)
    return answer


def _taken(accepted: int, duplicates: int, rejections: Sequence[Rejection]) -> Reply:
    rejected = [{"index": rejection.index, "reason": rejection.reason} for rejection in rejections]
    body = to_json({"accepted": accepted, "duplicates": duplicates, "rejected": rejected})
    return Reply(422 if rejected and not accepted else 202, body)
