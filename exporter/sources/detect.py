"""Queries that are judged before the answer: `POST /detect`.

The queries of one turn of the event loop are handed to the judging thread together when the turn ends; nothing is
held back for a batch. A retry with the same id and content gets the answer that was given, and counts once.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET

from detectors import Query
from exporter.body import is_light
from exporter.config import Limits
from exporter.delivery import Delivery, Outcome
from exporter.formats import Refused, native
from exporter.pipeline import Pipeline
from exporter.sources.counts import IntakeCounts
from exporter.sources.duplicates import Duplicates, Sorted
from exporter.sources.reply import Reply, queue_full, refusal, to_json

#: answers that are kept for retries
KEPT_ANSWERS = 10_000

log = logging.getLogger(__name__)


class Waiting(msgspec.Struct, gc=False):
    """A query, the bytes of its body, and where its answer goes."""

    query: Query
    size: int
    answer: "asyncio.Future[Reply]"


class DetectIntake:
    """Takes bodies of `POST /detect`, on the event loop."""

    def __init__(
        self, pipeline: Pipeline, duplicates: Duplicates, limits: Limits, clock: Callable[[], float] = time.time
    ) -> None:
        self._pipeline, self._duplicates, self._clock = pipeline, duplicates, clock
        self.limits = limits
        self.counts = IntakeCounts()
        self._turn: list[Waiting] = []
        #: of queries with an id, given or still to come
        self._answers: dict[bytes, asyncio.Future[Reply]] = {}

    async def detect(self, body: bytes) -> Reply:
        """Judge the query of a body: 200; 422 when it is invalid or no detector could judge it; 429 without room."""
        try:
            if is_light(body):
                query = native.decode_line(body, self.limits)
            else:  # pictures and long vectors take their time; the loop goes on meanwhile
                query = await asyncio.to_thread(native.decode_line, body, self.limits)
        except Refused as refused:
            self.reject(refused.code)
            return refusal(400 if refused.code == "malformed" else 422, refused.reason)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Reply] = loop.create_future()
        self._turn.append(Waiting(query, len(body), answer))
        if len(self._turn) == 1:
            loop.call_soon(self._hand_over, loop)
        # a retry may wait for the same answer when this sender has gone away
        return await (answer if query.id is None else asyncio.shield(answer))

    def reject(self, code: str) -> None:
        """Count a body that was refused."""
        self.counts.rejected[code] += 1

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        turn, self._turn = self._turn, []
        with self._duplicates.lock:
            self._sort_out(loop, turn)

    def _sort_out(self, loop: asyncio.AbstractEventLoop, turn: list[Waiting]) -> None:
        found = self._duplicates.sort_out([waiting.query for waiting in turn], "")
        if not found.entries and not found.duplicates:  # none has an id
            self._offer(loop, turn, found)
            return
        fresh = {id(query) for query in found.fresh}
        firsts = [waiting for waiting in turn if id(waiting.query) in fresh]
        self._keep(firsts)
        if found.duplicates:
            self._follow([waiting for waiting in turn if id(waiting.query) not in fresh])
        if firsts:
            self._offer(loop, firsts, found)

    def _offer(self, loop: asyncio.AbstractEventLoop, turn: list[Waiting], found: Sorted) -> None:
        def done(outcomes: Sequence[Sequence[Outcome]]) -> None:
            replies = [_written(said) for said in outcomes]
            loop.call_soon_threadsafe(_answer, turn, replies)

        now, size = self._clock(), sum(waiting.size for waiting in turn)
        delivery = Delivery(
            source="detect", queries=found.fresh, received=now, reused=found.reused, size=size, explain=True, done=done
        )
        if not self._pipeline.offer(delivery):
            self._forget(turn)
            self.counts.rejected["queue_full"] += len(turn)
            _answer(turn, [queue_full(self._pipeline)] * len(turn))
            return
        self._duplicates.remember(found.entries, now)
        self.counts.accepted += len(turn)

    def _keep(self, turn: list[Waiting]) -> None:
        for waiting in turn:
            if waiting.query.id is not None:
                self._answers[self._duplicates.key(waiting.query, "")] = waiting.answer
                if len(self._answers) > KEPT_ANSWERS:
                    del self._answers[next(iter(self._answers))]

    def _forget(self, turn: list[Waiting]) -> None:
        for waiting in turn:
            if waiting.query.id is not None:
                self._answers.pop(self._duplicates.key(waiting.query, ""), None)

    def _follow(self, retries: list[Waiting]) -> None:
        """Give retries the answer of the first, at once or when it is there."""
        for waiting in retries:
            first = self._answers.get(self._duplicates.key(waiting.query, ""))
            if first is None:
                self._repeat(waiting.answer, refusal(409, "judged already; its answer is not kept any more"))
            elif first.done():
                self._repeat(waiting.answer, first.result())
            else:
                first.add_done_callback(partial(self._pass_on, waiting.answer))

    def _pass_on(self, answer: "asyncio.Future[Reply]", first: "asyncio.Future[Reply]") -> None:
        self._repeat(answer, first.result())

    def _repeat(self, answer: "asyncio.Future[Reply]", given: Reply) -> None:
        if given.status != 429:  # that was not taken, so it is no duplicate either
            self.counts.accepted += 1
            self.counts.duplicates += 1
        answer.set_result(given)


def _answer(turn: list[Waiting], replies: Sequence[Reply]) -> None:
    for waiting, given in zip(turn, replies, strict=True):
        if not waiting.answer.done():  # the sender may have gone away
            waiting.answer.set_result(given)


def _written(outcomes: Sequence[Outcome]) -> Reply:
    try:
        return reply(outcomes)
    except Exception as error:  # what a plug-in put into its metadata; the others of the turn still wait
        log.warning("an answer cannot be written", extra={"error": str(error)})
        return refusal(500, "the answer cannot be written as JSON")


class Verdict(msgspec.Struct, gc=False):
    """The body of an answer."""

    is_suspicious: bool
    confidence: Any
    reason: str
    metadata: Any
    detections: Sequence[Outcome]


def reply(outcomes: Sequence[Outcome]) -> Reply:
    """The answer to one query: the top level is the flagged detector furthest above its threshold, else the first.

    422 when no detector could judge the query.
    """
    judged = [outcome for outcome in outcomes if outcome.status == "ok"]
    if not judged:
        return Reply(422, to_json({"detail": "no detector could judge this query", "detections": outcomes}))
    flagged = [outcome for outcome in judged if outcome.is_suspicious]
    top = max(flagged, key=_excess) if flagged else judged[0]
    return Reply(200, to_json(Verdict(bool(flagged), top.confidence, top.reason, top.metadata, outcomes)))


def _excess(outcome: Outcome) -> float:
    """How far above its threshold a flagged score is, as a ratio."""
    assert outcome.metadata is not UNSET
    score, threshold = outcome.metadata["score"], outcome.metadata["threshold"]
    return score / threshold if threshold > 0 else float("inf")
