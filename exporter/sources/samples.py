"""Pushed samples: of inferences, of custom metrics, true labels, reports of drift. What is valid waits in the queue.

Bodies of one turn of the event loop are journalled together; nothing is held back for a batch. A body is taken whole
or not at all.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec

from exporter.body import is_light
from exporter.config import Limits
from exporter.delivery import Delivery
from exporter.formats import Refused, TooMany, Unreadable
from exporter.formats.feedback import Truth
from exporter.history.recorder import Recorder
from exporter.ledger import Ledger, NotStored, QueueFull
from exporter.sources.counts import IntakeCounts
from exporter.sources.permitted import CODE, REASON
from exporter.sources.reply import Reply, not_stored, queue_full, refusal, to_json

#: who is told an answer, on the event loop; it may be told at once
Tell = Callable[[Reply], object]
#: the samples of a body; raises Unreadable, TooMany and Refused
Decode = Callable[[bytes, Limits], Sequence[Any]]
#: whether samples have a place, by the time; raises Refused and QueueFull
Admit = Callable[[Sequence[Any], float], None]


def room_in(recorder: Recorder) -> Admit:
    """Samples have a place while the history has room for them."""

    def admit(samples: Sequence[Any], now: float) -> None:
        if recorder.waiting + len(samples) > recorder.capacity:
            raise QueueFull

    return admit


#: the answer for the samples of a body
Answer = Callable[[Sequence[Any]], Reply]


class Waiting(msgspec.Struct, gc=False):
    """The samples of a body, and who waits for the answer."""

    samples: Sequence[Any]
    body: bytes
    sender: str
    tell: Tell


class SampleIntake:
    """Takes bodies of samples, on the event loop. source: the name of the kind, as the journal has it."""

    def __init__(
        self,
        source: str,
        decode: Decode,
        ledger: Ledger,
        limits: Limits,
        clock: Callable[[], float] = time.time,
        admit: Admit = lambda samples, now: None,
        answer: Answer | None = None,
    ) -> None:
        """answer: what is said of samples once they are counted; without it, they are answered once written."""
        self._admit, self._say = admit, answer
        self._source, self._decode, self._ledger, self._clock = source, decode, ledger, clock
        self.limits = limits
        self.counts = IntakeCounts()
        self._turn: list[Waiting] = []

    async def take(self, body: bytes, sender: str = "", models: Collection[str] | None = None) -> Reply:
        """Take the samples of a body: 201; 422 when any of them is wrong; 400, 413, 429 or 507: none was taken.

        The answer is there once they are written. sender: stands for the instance where a sample names none.
        models: those that the sender may name, else 403; None for all.
        """
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def tell(reply: Reply) -> None:
            if not answer.done():  # the sender may have gone away
                answer.set_result(reply)

        if is_light(body):
            self.take_light(body, tell, sender, models)
        else:
            self._hold(await asyncio.to_thread(self._read, body, models), body, tell, sender)
        return await answer

    def take_light(self, body: bytes, tell: Tell, sender: str = "", models: Collection[str] | None = None) -> None:
        """The same for a body that `is_light`, without a task: `tell` is called with the answer."""
        self._hold(self._read(body, models), body, tell, sender)

    def _read(self, body: bytes, models: Collection[str] | None) -> Sequence[Any] | Reply:
        """The samples, or why there are none."""
        try:
            samples = self._decode(body, self.limits)
            if models is not None and any(sample.model_id not in models for sample in samples):
                return self._refused(CODE, 403, REASON)
            self._admit(samples, self._clock())
        except Unreadable as error:
            return self._refused("malformed", 400, str(error))
        except TooMany as error:
            return self._refused("too_large", 413, str(error), error.records)
        except Refused as error:
            return self._refused(error.code, 422, error.reason)
        except QueueFull:
            self.counts.refuse("queue_full", len(samples))
            return queue_full(self._ledger.pipeline)
        return samples

    def _refused(self, code: str, status: int, reason: str, records: int = 1) -> Reply:
        self.counts.refuse(code, records)
        return refusal(status, reason)

    def _hold(self, samples: Sequence[Any] | Reply, body: bytes, tell: Tell, sender: str) -> None:
        """Keep samples until the turn of the loop ends, with those of others."""
        if isinstance(samples, Reply):
            tell(samples)
            return
        if not samples:
            tell(self._say(samples) if self._say else _taken(0))
            return
        self._turn.append(Waiting(samples, body, sender, tell))
        if len(self._turn) == 1:
            loop = asyncio.get_running_loop()
            loop.call_soon(self._hand_over, loop)

    def reject(self, code: str) -> None:
        """Count a body that was refused before it was read."""
        self.counts.refuse(code)

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        turn, self._turn = self._turn, []
        while turn:  # one delivery names one sender
            sender = turn[0].sender
            self._deliver(loop, [waiting for waiting in turn if waiting.sender == sender])
            turn = [waiting for waiting in turn if waiting.sender != sender]

    def _deliver(self, loop: asyncio.AbstractEventLoop, turn: list[Waiting]) -> None:
        def settled(error: Exception | None) -> None:
            if self._say is not None and error is None:
                return  # once they are counted
            loop.call_soon_threadsafe(self._answer, turn, error)

        def counted(outcomes: object) -> None:
            loop.call_soon_threadsafe(self._answer, turn, None)

        body = _joined([waiting.body for waiting in turn])
        delivery = Delivery(
            source=self._source,
            queries=(),
            received=self._clock(),
            sender=turn[0].sender,
            size=len(body),
            samples=[sample for waiting in turn for sample in waiting.samples],
        )
        if self._say is not None:
            delivery.done = counted
        try:
            self._ledger.take(delivery, body, settled)
        except (QueueFull, NotStored) as error:
            self._answer(turn, error)

    def _answer(self, turn: list[Waiting], error: Exception | None) -> None:
        if error is None:
            self.counts.take(sum(len(waiting.samples) for waiting in turn))
            for waiting in turn:
                waiting.tell(self._say(waiting.samples) if self._say else _taken(len(waiting.samples)))
            return
        full = isinstance(error, QueueFull)
        self.counts.refuse("queue_full" if full else "not_stored", sum(len(waiting.samples) for waiting in turn))
        for waiting in turn:
            waiting.tell(queue_full(self._ledger.pipeline) if full else not_stored())


def _joined(bodies: Sequence[bytes]) -> bytes:
    """One JSON body that holds what these hold: objects, and arrays of them."""
    if len(bodies) == 1:
        return bodies[0]
    parts = (body.strip() for body in bodies)
    return b"[%s]" % b",".join([part[1:-1] if part[:1] == b"[" else part for part in parts])


def _taken(samples: int) -> Reply:
    return _ONE if samples == 1 else Reply(201, _message(f"{samples} samples taken"))


def _message(text: str) -> bytes:
    return to_json({"status": "success", "message": text})


def joined(truths: Sequence[Truth]) -> Reply:
    """The answer to true labels: how many belong to a prediction that waits for one, and how many to none."""
    found = sum(truth.told == "joined" for truth in truths)
    return Reply(200, to_json({"status": "success", "joined": found, "unknown": len(truths) - found}))


_ONE = Reply(201, _message("1 sample taken"))
