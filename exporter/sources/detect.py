"""Queries that are judged before the answer: `POST /detect`.

The queries of one turn of the event loop are handed to the judging thread together when the turn ends; nothing is
held back for a batch. A retry with the same id and content gets the answer that was given, and counts once.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from detectors import DetectionResult, Query
from exporter.config import Limits
from exporter.delivery import Delivery, Outcome
from exporter.formats import Refused, native
from exporter.pipeline import Pipeline
from exporter.sources.duplicates import Duplicates
from exporter.sources.reply import IntakeCounts, Reply, queue_full, refusal, to_json

#: answers that are kept for retries
KEPT_ANSWERS = 10_000
Waiting = tuple[Query, "asyncio.Future[Reply]"]


class DetectIntake:
    """Takes bodies of `POST /detect`, on the event loop."""

    def __init__(
        self, pipeline: Pipeline, duplicates: Duplicates, limits: Limits, clock: Callable[[], float] = time.time
    ) -> None:
        self._pipeline, self._duplicates, self._clock = pipeline, duplicates, clock
        self.limits = limits
        self.counts = IntakeCounts()
        self._turn: list[Waiting] = []
        self._answers: dict[bytes, Reply] = {}

    async def detect(self, body: bytes) -> Reply:
        """Judge the query of a body: 200; 422 when it is invalid or no detector could judge it; 429 without room."""
        try:
            query = native.decode_line(body, self.limits)
        except Refused as refused:
            self.counts.rejected[refused.code] += 1
            return refusal(400 if refused.code == "malformed" else 422, refused.reason)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Reply] = loop.create_future()
        self._turn.append((query, answer))
        if len(self._turn) == 1:
            loop.call_soon(self._hand_over, loop)
        return await answer

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        turn, self._turn = self._turn, []
        with self._duplicates.lock:
            self._offer(loop, turn)

    def _offer(self, loop: asyncio.AbstractEventLoop, turn: list[Waiting]) -> None:
        now = self._clock()
        found = self._duplicates.sort_out([query for query, _ in turn], "")
        if found.duplicates:
            turn = self._answer_retries(turn, found.fresh)
        if not turn:
            return

        def done(outcomes: Sequence[Sequence[Outcome]]) -> None:
            replies = [reply(said) for said in outcomes]
            loop.call_soon_threadsafe(self._answer, turn, replies)

        delivery = Delivery(
            source="detect", queries=found.fresh, received=now, reused=found.reused, explain=True, done=done
        )
        if not self._pipeline.offer(delivery):
            self._answer(turn, [queue_full(self._pipeline)] * len(turn), keep=False)
            return
        self._duplicates.remember(found.entries, now)
        self.counts.accepted += len(turn)

    def _answer_retries(self, turn: list[Waiting], fresh: list[Query]) -> list[Waiting]:
        """Answer those that were judged before; the others."""
        new = {id(query) for query in fresh}
        for query, answer in turn:
            if id(query) not in new:
                self.counts.accepted += 1
                self.counts.duplicates += 1
                given = self._answers.get(self._duplicates.key(query, ""))
                answer.set_result(given or refusal(409, "judged already; its answer is not kept any more", 1))
        return [(query, answer) for query, answer in turn if id(query) in new]

    def _answer(self, turn: list[Waiting], replies: Sequence[Reply], keep: bool = True) -> None:
        for (query, answer), given in zip(turn, replies, strict=True):
            if keep and query.id is not None:
                self._answers[self._duplicates.key(query, "")] = given
                if len(self._answers) > KEPT_ANSWERS:
                    del self._answers[next(iter(self._answers))]
            if not answer.done():  # the sender may have gone away
                answer.set_result(given)


def reply(outcomes: Sequence[Outcome]) -> Reply:
    """The answer to one query: the top level is the flagged detector furthest above its threshold, else the first.

    422 when no detector could judge the query.
    """
    judged = [outcome.result for outcome in outcomes if outcome.result is not None]
    detections = [_detection(outcome) for outcome in outcomes]
    if not judged:
        return Reply(422, to_json({"detail": "no detector could judge this query", "detections": detections}))
    flagged = [result for result in judged if result.is_suspicious]
    top = max(flagged, key=_excess) if flagged else judged[0]
    body = {
        "is_suspicious": bool(flagged),
        "confidence": top.confidence,
        "reason": top.reason,
        "metadata": top.metadata,
        "detections": detections,
    }
    return Reply(200, to_json(body))


def _excess(result: DetectionResult) -> float:
    """How far above its threshold a flagged score is, as a ratio."""
    score, threshold = result.metadata["score"], result.metadata["threshold"]
    return score / threshold if threshold > 0 else float("inf")


def _detection(outcome: Outcome) -> dict[str, Any]:
    if outcome.result is None:
        return {"detector": outcome.detector, "status": outcome.status, "reason": outcome.reason}
    return {
        "detector": outcome.detector,
        "status": outcome.status,
        "is_suspicious": outcome.result.is_suspicious,
        "confidence": outcome.result.confidence,
        "reason": outcome.result.reason,
        "metadata": outcome.result.metadata,
    }
