"""Queries that are judged before the answer: `POST /detect`.

The queries of one turn of the event loop are handed to the judging thread together when the turn ends; nothing is
held back for a batch. A retry with the same id and content gets the answer that was given, and counts once.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET

from detectors import Query
from exporter.body import heavily, is_light
from exporter.config import Limits
from exporter.delivery import Delivery, Outcome
from exporter.formats import Refused, native
from exporter.ledger import Ledger, NotStored, QueueFull
from exporter.sources.counts import IntakeCounts
from exporter.sources.duplicates import Duplicates, Sorted
from exporter.sources.permitted import CODE, REASON
from exporter.sources.reply import Reply, not_stored, queue_full, refusal, to_json

#: answers that are kept for retries
KEPT_ANSWERS = 10_000

log = logging.getLogger(__name__)


#: who is told an answer, on the event loop; it may be told at once
Tell = Callable[[Reply], object]


class Answer:
    """An answer, given or still to come, and who waits for it: a sender, and retries of its query."""

    __slots__ = ("_tell", "given")

    def __init__(self, tell: Tell) -> None:
        self.given: Reply | None = None
        self._tell = [tell]

    def then(self, tell: Tell) -> None:
        """Tell somebody else too, at once or when it is there."""
        if self.given is None:
            self._tell.append(tell)
        else:
            tell(self.given)

    def give(self, given: Reply) -> None:
        """The answer is there."""
        self.given = given
        for tell in self._tell:
            tell(given)
        self._tell.clear()


class Waiting(msgspec.Struct, gc=False):
    """A query, the bytes of its body, its answer, and whose retries are duplicates of it."""

    query: Query
    body: bytes
    answer: Answer
    sender: str = ""


class DetectIntake:
    """Takes bodies of `POST /detect`, on the event loop."""

    def __init__(
        self, ledger: Ledger, duplicates: Duplicates, limits: Limits, clock: Callable[[], float] = time.time
    ) -> None:
        self._ledger, self._duplicates, self._clock = ledger, duplicates, clock
        self.limits = limits
        #: whether who asks learns only that the query was judged
        self.is_silent = False
        self.counts = IntakeCounts()
        self._turn: list[Waiting] = []
        #: of queries with an id, given or still to come
        self._answers: OrderedDict[bytes, Answer] = OrderedDict()

    async def detect(self, body: bytes, sender: str = "", models: Collection[str] | None = None) -> Reply:
        """Judge the query of a body: 200; 422 when it is invalid or no detector could judge it; 429 without room.

        sender: whose retries are duplicates. models: those that the sender may name, else 403; None for all.
        """
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def tell(reply: Reply) -> None:
            if not answer.done():  # the sender may have gone away
                answer.set_result(reply)

        if is_light(body):
            self.detect_light(body, tell, sender, models)
        else:  # pictures and long vectors take their time; the loop goes on meanwhile
            try:
                query = await heavily(native.decode_line, body, self.limits)
            except Refused as refused:
                return self._refused(refused)
            self._take(query, body, tell, sender, models)
        return await answer

    def detect_light(self, body: bytes, tell: Tell, sender: str = "", models: Collection[str] | None = None) -> None:
        """The same for a body that `is_light`, on the event loop, without a task: `tell` is called with the answer."""
        try:
            query = native.decode_line(body, self.limits)
        except Refused as refused:
            tell(self._refused(refused))
        else:
            self._take(query, body, tell, sender, models)

    def _refused(self, refused: Refused) -> Reply:
        self.reject(refused.code)
        return refusal(400 if refused.code == "malformed" else 422, refused.reason)

    def _take(self, query: Query, body: bytes, tell: Tell, sender: str, models: Collection[str] | None) -> None:
        if models is not None and (query.model or self._ledger.pipeline.models.unnamed) not in models:
            self.reject(CODE)
            tell(refusal(403, REASON))
            return
        self._turn.append(Waiting(query, body, Answer(tell), sender))
        if len(self._turn) == 1:
            loop = asyncio.get_running_loop()
            loop.call_soon(self._hand_over, loop)

    def reject(self, code: str) -> None:
        """Count a body that was refused."""
        self.counts.refuse(code)

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        turn, self._turn = self._turn, []
        with self._duplicates.lock:
            for sender, waiting in _by_sender(turn).items():
                self._sort_out(loop, waiting, sender)

    def _sort_out(self, loop: asyncio.AbstractEventLoop, turn: list[Waiting], sender: str) -> None:
        found = self._duplicates.sort_out([waiting.query for waiting in turn], sender)
        if not found.entries and not found.duplicates:  # none has an id
            self._offer(loop, turn, found, sender)
            return
        fresh = {id(query) for query in found.fresh}
        firsts = [waiting for waiting in turn if id(waiting.query) in fresh]
        self._keep(firsts)
        if found.duplicates:
            self._follow([waiting for waiting in turn if id(waiting.query) not in fresh])
        if firsts:
            self._offer(loop, firsts, found, sender)

    def _offer(self, loop: asyncio.AbstractEventLoop, turn: list[Waiting], found: Sorted, sender: str) -> None:
        def done(outcomes: Sequence[Sequence[Outcome]]) -> None:
            replies = [_written(said, self.is_silent) for said in outcomes]
            loop.call_soon_threadsafe(_answer, turn, replies)

        def settled(error: Exception | None) -> None:
            if error is None:
                self.counts.take(len(turn))
            else:
                loop.call_soon_threadsafe(self._refuse, turn, found, error)

        bodies = [waiting.body for waiting in turn]
        delivery = Delivery(
            source="detect",
            queries=found.fresh,
            received=self._clock(),
            sender=sender,
            reused=found.reused,
            entries=found.entries,
            size=sum(map(len, bodies)),
            explain=True,
            done=done,
        )
        if found.entries:
            self._duplicates.remember(found.entries, delivery.received)
        try:
            self._ledger.take(delivery, b"[%s]" % b",".join(bodies), settled)
        except (QueueFull, NotStored) as error:
            self._give_up(turn, found, error)

    def _refuse(self, turn: list[Waiting], found: Sorted, error: Exception) -> None:
        """What was taken could not be written after all."""
        with self._duplicates.lock:
            self._give_up(turn, found, error)

    def _give_up(self, turn: list[Waiting], found: Sorted, error: Exception) -> None:
        self._duplicates.forget(found.entries)
        self._forget(turn)
        full = isinstance(error, QueueFull)
        self.counts.refuse("queue_full" if full else "not_stored", len(turn))
        _answer(turn, [queue_full(self._ledger.pipeline) if full else not_stored()] * len(turn))

    def _keep(self, turn: list[Waiting]) -> None:
        for waiting in turn:
            if waiting.query.id is not None:
                self._answers[self._duplicates.key(waiting.query, waiting.sender)] = waiting.answer
                if len(self._answers) > KEPT_ANSWERS:
                    self._answers.popitem(last=False)

    def answered(self, delivery: Delivery, outcomes: Sequence[Sequence[Outcome]]) -> None:
        """Keep the answers to queries that were judged again at the start, for senders who did not get theirs."""
        for query, said in zip(delivery.queries, outcomes, strict=True):
            answer = Answer(lambda reply: None)
            answer.give(_written(said, self.is_silent))
            self._keep([Waiting(query, b"", answer, delivery.sender)])

    def _forget(self, turn: list[Waiting]) -> None:
        for waiting in turn:
            if waiting.query.id is not None:
                self._answers.pop(self._duplicates.key(waiting.query, waiting.sender), None)

    def _follow(self, retries: list[Waiting]) -> None:
        """Give retries the answer of the first, at once or when it is there."""
        for waiting in retries:
            first = self._answers.get(self._duplicates.key(waiting.query, waiting.sender))
            if first is None:
                self._repeat(waiting.answer, refusal(409, "judged already; its answer is not kept any more"))
            else:
                first.then(partial(self._repeat, waiting.answer))

    def _repeat(self, answer: Answer, given: Reply) -> None:
        if given.status not in (429, 507):  # that was not taken, so it is no duplicate either
            self.counts.take(1, duplicates=1)
        answer.give(given)


def _by_sender(turn: list[Waiting]) -> dict[str, list[Waiting]]:
    """One delivery names one sender, so that a replay knows whose retries are duplicates of it."""
    senders: dict[str, list[Waiting]] = {}
    for waiting in turn:
        senders.setdefault(waiting.sender, []).append(waiting)
    return senders


def _answer(turn: list[Waiting], replies: Sequence[Reply]) -> None:
    for waiting, given in zip(turn, replies, strict=True):
        waiting.answer.give(given)


def _written(outcomes: Sequence[Outcome], is_silent: bool) -> Reply:
    try:
        return silent_reply(outcomes) if is_silent else reply(outcomes)
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


def silent_reply(outcomes: Sequence[Outcome]) -> Reply:
    """The answer that tells nothing: an attacker who asks would learn from verdicts how to avoid them."""
    if not any(outcome.status == "ok" for outcome in outcomes):
        return refusal(422, "no detector could judge this query")
    return Reply(200, b'{"status":"judged"}')


def _excess(outcome: Outcome) -> float:
    """How far above its threshold a flagged score is, as a ratio."""
    assert outcome.metadata is not UNSET
    score, threshold = outcome.metadata["score"], outcome.metadata["threshold"]
    return score / threshold if threshold > 0 else float("inf")
