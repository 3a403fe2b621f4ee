"""The pipeline: one bounded queue, and one thread that judges what has arrived in micro-batches.

The order of judging is the order of the queue. Nothing waits for a batch to fill: the thread takes what is there. Only
the evidence on clients, which no answer waits for, is weighed for many queries together, a moment later.
"""

import logging
import math
import threading
import time
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import numpy as np

from detectors import Query
from exporter.counting import Samples
from exporter.delivery import CANARY, Delivery, Outcome
from exporter.fair_lock import FairLock
from exporter.grouping import Words, by_model
from exporter.history.noticed import Noticed
from exporter.judging import Found, judge
from exporter.models import Models
from exporter.unweighed import PART, PATIENCE, Unweighed
from exporter.watched_model import WatchedModel

Result = TypeVar("Result")

log = logging.getLogger(__name__)

#: queries that are judged together at most: bounds how long a small delivery waits behind a large one
BATCH = 1_000
#: judged queries whose evidence waits while others wait to be judged, at most
UNWEIGHED = 1_000
#: queries that are judged at once at most while something waits for all to be weighed
FEW = PART // 2
#: upper bounds in seconds of the buckets of the time from receipt to judgement
DELAY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
#: seconds between looks at models that have gone silent for good
EXPIRY_INTERVAL = 60.0


class Pipeline:
    """Queue and judging thread. `lock` guards the counts while they change; the Collector copies under it, in turn."""

    def __init__(
        self, models: Models, capacity: int, capacity_bytes: int, clock: Callable[[], float] = time.time
    ) -> None:
        self.models, self.capacity, self.capacity_bytes = models, capacity, capacity_bytes
        self.lock = FairLock()
        self.delays = [0] * (len(DELAY_BUCKETS) + 1)
        self.delay_sum = 0.0
        #: per source and stream, the position up to which everything is judged; and the last record of the journal
        self.positions: dict[tuple[str, str], Any] = {}
        self.judged = 0
        #: queries judged per second while there was work, smoothed
        self.rate = 10_000.0
        self.samples = Samples(models.config)
        self._clock = clock
        #: judges the synthetic queries, so that they are in no count
        self._canary = WatchedModel(models.config.model(CANARY))
        self._canary_seconds: defaultdict[str, float] = defaultdict(float)
        self._waiting: deque[Delivery] = deque()
        self._queries = self._bytes = 0
        self._guard = threading.Lock()
        self._room = threading.Condition(self._guard)
        self._wake: SimpleQueue[None] = SimpleQueue()  # cheaper to be woken by than a condition
        self._idle = False
        #: what is to be done between two batches, and whether all is to be weighed before
        self._calls: list[tuple[Callable[[], object], bool]] = []
        self._is_judging = False
        self._stopping = False
        #: what ended the judging for good, and what is called then, on the judging thread
        self.failure: Exception | None = None
        self.on_failure: Callable[[], object] = lambda: None
        self._expired_at = 0.0
        #: told of each batch of one model, on the judging thread: (label, queries, which were flagged, by what)
        self.on_judged: Callable[[str, Sequence[Query], np.ndarray, Sequence[Found]], None] | None = None
        #: told of what else comes of the judging, on the judging thread
        self.noticed: Noticed | None = None
        self._unweighed = Unweighed()
        self._thread = threading.Thread(target=self._run, name="judge", daemon=True)

    # -- for sources

    @property
    def waiting(self) -> int:
        """Queries and samples in the queue."""
        return self._queries

    def offer(self, delivery: Delivery) -> bool:
        """Queue a delivery if there is room for all of it, at once."""
        with self._guard:
            return self._enqueue(delivery)

    def wait_for_room(self, delivery: Delivery, timeout: float) -> bool:
        """Wait until a delivery would be taken. False when it would not in time, or the pipeline is stopping."""
        with self._room:
            return self._room.wait_for(lambda: self._stopping or self._has_room(delivery), timeout) and (
                not self._stopping
            )

    def _enqueue(self, delivery: Delivery) -> bool:
        if self._stopping or not self._has_room(delivery):
            return False
        self._waiting.append(delivery)
        self._queries += delivery.records
        self._bytes += delivery.size
        self._wake_up()
        return True

    def _has_room(self, delivery: Delivery) -> bool:
        queries, size = self._queries + delivery.records, self._bytes + delivery.size
        # what is larger than the queue is taken when it is alone
        return not self._waiting or (queries <= self.capacity and size <= self.capacity_bytes)

    def release(self, delivery: Delivery) -> None:
        """A delivery that was offered before it was written is written now."""
        with self._guard:
            delivery.written = True
            self._wake_up()

    def withdraw(self, delivery: Delivery) -> None:
        """Take back a delivery that could not be written."""
        with self._room:
            self._waiting.remove(delivery)
            self._leave([delivery])

    def unjudged(self) -> list[Delivery]:
        """What waits, in order."""
        with self._guard:
            return list(self._waiting)

    def _wake_up(self) -> None:
        if self._idle:
            self._idle = False
            self._wake.put(None)

    def seconds_until_room(self) -> int:
        """After how many seconds a refused sender may try again: what it takes to judge half of the queue."""
        return min(max(math.ceil(self._queries / 2 / max(self.rate, 1.0)), 1), 60)

    # -- the judging thread

    def start(self) -> None:
        """Begin to judge."""
        self._is_judging = True
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Take nothing more, judge what is queued, and end. False when that took longer than the time-out."""
        with self._room:
            self._stopping = True
            self._wake_up()
            self._room.notify_all()
        if self._thread.ident is not None:  # the start may have failed before it
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def between(self, call: Callable[[], Result], weighed: bool = True) -> Result:
        """Do something between two batches, on the judging thread where it runs, and wait for what comes of it.

        weighed: whether the evidence of all that is judged must be weighed before, which others wait for.
        """
        done: Future[Result] = Future()

        def run() -> None:
            try:
                done.set_result(call())
            except BaseException as error:
                done.set_exception(error)

        with self._guard:
            judging = self._is_judging
            if judging:
                self._calls.append((run, weighed))
                self._wake_up()
        if not judging:
            run()
        return done.result()

    def watch(self, models: Models) -> None:
        """Go on with other models; with `lock` held, between two batches."""
        self.models = models
        self.samples.custom.configure(models.config)
        self._canary = WatchedModel(models.config.model(CANARY))

    def _run(self) -> None:
        try:
            self._judge_what_comes()
            self._weigh_all()
        except Exception as error:  # no detector's fault, those are caught where they are asked
            log.exception("judging has failed for good")
            self.failure = error
            self.on_failure()
        with self._guard:
            self._is_judging = False
        for call, _ in self._calls:  # which came in the last moment
            call()

    def _judge_what_comes(self) -> None:
        while deliveries := self._take():
            begun = time.monotonic()
            self._judge_deliveries(deliveries)
            self._weigh_what_is_due()
            done = sum(delivery.records for delivery in deliveries)
            if done >= 100:  # small batches say little about the rate
                self.rate = 0.8 * self.rate + 0.2 * done / max(time.monotonic() - begun, 1e-6)

    def _take(self) -> list[Delivery]:
        """What has arrived, up to a batch; waits for the first. Empty when all is judged and the pipeline stops."""
        while True:
            if few := self._settle():
                return few
            with self._room:
                if self._is_settling():  # since a moment ago
                    continue
                calls, self._calls = self._calls, []
                if not calls:
                    if self._is_next_written() or (self._stopping and not self._waiting):
                        return self._next_batch()
                    self._idle = True
            for call, _ in calls:
                call()
            if not calls:
                self._wait()

    def _settle(self) -> list[Delivery]:
        """Weigh what a call waits for; before all of it, what little comes to be judged meanwhile."""
        while self._is_settling():
            with self.lock:
                self._weigh_part()
            with self._room:
                if self._unweighed.queries and self._is_next_written() and self._waiting[0].records <= FEW:
                    return self._next_batch(FEW)
        return []

    def _is_settling(self) -> bool:
        """Whether something is to be done once all is weighed, and it is not."""
        return self._unweighed.queries > 0 and any(weighed for _, weighed in self._calls)

    def _wait(self) -> None:
        """Wait for something to do; what is judged is weighed after a moment in which nothing came."""
        try:
            self._wake.get(timeout=PATIENCE if self._unweighed.queries else None)
        except Empty:
            self._weigh_all()

    def _is_next_written(self) -> bool:
        return bool(self._waiting) and self._waiting[0].written

    def _next_batch(self, most: int = BATCH) -> list[Delivery]:
        taken: list[Delivery] = []
        size = 0
        while self._is_next_written() and (not taken or self._goes_with(taken[0], size, most)):
            taken.append(self._waiting.popleft())
            size += taken[-1].records
        self._leave(taken)
        return taken

    def _goes_with(self, first: Delivery, size: int, most: int) -> bool:
        """Whether the next one is of the same kind and still fits: what comes first may decide what is counted."""
        following = self._waiting[0]
        return size + following.records <= most and bool(following.samples) == bool(first.samples)

    def _leave(self, deliveries: Sequence[Delivery]) -> None:
        self._queries -= sum(delivery.records for delivery in deliveries)
        self._bytes -= sum(delivery.size for delivery in deliveries)
        self._room.notify_all()

    def judge(self, deliveries: Sequence[Delivery]) -> None:
        """Judge deliveries in order and weigh the evidence on their clients: for whoever has no thread judging."""
        self._judge_deliveries(deliveries)
        self._weigh_all()

    def _judge_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """Judge deliveries in order, count, commit their positions, and tell who waits for them."""
        words: list[Words] = [[[] for _ in delivery.queries] if delivery.explain else [] for delivery in deliveries]
        if deliveries[0].samples:
            self._count(deliveries)
        elif len(deliveries) == 1:
            for start in range(0, len(deliveries[0].queries), BATCH):
                self._judge(deliveries, words, slice(start, start + BATCH))
        else:
            self._judge(deliveries, words, slice(None))
        for delivery, said in zip(deliveries, words, strict=True):
            self.judged = max(self.judged, delivery.number)
            if delivery.position is not None:
                self.positions[delivery.source, delivery.stream] = delivery.position
            if delivery.done is not None:
                _tell(delivery, said)

    def _judge(self, deliveries: Sequence[Delivery], words: Sequence[Words], part: slice) -> None:
        with self.lock:
            groups = by_model(zip(deliveries, words, strict=True), part, self.models, self._canary)
            for model, group in groups.items():
                seconds = self._canary_seconds if model is self._canary else self.models.seconds
                found: list[Found] | None = None if self.on_judged is None or model is self._canary else []
                suspicious = judge(model, group.queries, group.asked, seconds, found)
                if model is not self._canary:
                    model.health.count_queries(group.queries, self.models.requests, model.clock)
                if self.on_judged is not None and found is not None:
                    self.on_judged(model.name, group.queries, suspicious, found)
                if model.suspicion is not None:
                    self._unweighed.add(model, group.queries)
            for delivery in deliveries:
                self._account(delivery, part)

    def _count(self, deliveries: Sequence[Delivery]) -> None:
        """Count samples, in order."""
        with self.lock:
            for delivery in deliveries:
                self.samples.count(delivery, self.models, self.noticed)
                self._expire(delivery.received)

    def _account(self, delivery: Delivery, part: slice) -> None:
        now, judged = self._clock(), len(delivery.queries[part])
        if not part.start:
            for query in delivery.reused:
                self.models.label_of(query.model).ids_reused += 1
        if delivery.source == "push":
            delay = max(now - delivery.received, 0.0)
            self.delays[bisect_left(DELAY_BUCKETS, delay)] += judged
            self.delay_sum += delay * judged
        self._expire(delivery.received)

    def _expire(self, now: float) -> None:
        if abs(now - self._expired_at) >= EXPIRY_INTERVAL:  # by the time that a replay sees as well
            self._expired_at = now
            self.models.expire(now)
            self.samples.custom.expire(now)

    # -- the evidence on clients

    def _weigh_what_is_due(self) -> None:
        """Weigh while nothing waits to be judged, so that who asks waits for one part at most; or too much is left."""
        while self._unweighed.is_due():
            self._call_what_waits_for_no_evidence()
            with self._guard:
                someone_waits = self._is_next_written()
            if someone_waits and self._unweighed.queries < UNWEIGHED:
                return
            with self.lock:
                self._weigh_part()

    def _call_what_waits_for_no_evidence(self) -> None:
        """Do it before the next part is weighed: at full load each slice of a snapshot would wait for a batch."""
        with self._guard:
            calls = [call for call, weighed in self._calls if not weighed]
            self._calls = [(call, weighed) for call, weighed in self._calls if weighed]
        for call in calls:
            call()

    def _weigh_all(self) -> None:
        while self._unweighed.queries:
            with self.lock:
                self._weigh_part()

    def _weigh_part(self) -> None:
        """Weigh a part of what waits; with `lock` held. Somebody who looked may have left nothing."""
        weighed = self._unweighed.weigh_part(self.models.seconds)
        if weighed is not None and weighed[1] and self.noticed is not None:
            self.noticed.alarms(*weighed)

    @contextmanager
    def weighed(self, parts: int | None = None) -> Iterator[None]:
        """Hold everything still, the evidence of all that is judged weighed, to look at clients or to change them.

        parts: of PART queries that are weighed now at most, for whoever would rather see a little less than wait.
        """
        if parts is None:  # most of it without keeping others waiting
            self._weigh_all()
        with self.lock:
            while self._unweighed.queries and parts != 0:
                self._weigh_part()
                parts = None if parts is None else parts - 1
            yield


def _tell(delivery: Delivery, outcomes: Sequence[Sequence[Outcome]]) -> None:
    assert delivery.done is not None
    try:
        delivery.done(outcomes)
    except Exception:  # whoever waited is gone or broken; the judging goes on
        log.exception("the end of a delivery could not be told", extra={"source": delivery.source})
