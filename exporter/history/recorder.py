"""The recorder: takes rows from any thread at once, and writes them in batches on a thread of its own.

    recorder.add("inference", InferenceSample(time=now, model="chat", latency_seconds=0.2))

Whoever adds never waits and never fails: what does not fit into the queue, because the database is slow or gone, is
dropped and counted. What is queued is written once the database is back.
"""

import itertools
import logging
import random
import threading
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from exporter.config import Config
from exporter.history.minutes import Minutes
from exporter.history.numbers import Numbers
from exporter.history.rows import KINDS, Kind, RollUp, Row

if TYPE_CHECKING:
    from exporter.history.database import Database
    from exporter.history.retention import Retention
    from exporter.history.writer import Prepared

log = logging.getLogger(__name__)

#: why a row was not written: the closed set of the label `reason`
DROP_REASONS = ("queue_full", "rate", "invalid", "stopped")
#: upper bounds in seconds of the buckets of the time that a batch takes
WRITE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: rows of one transaction
BATCH = 500
#: seconds between two looks at the queue, and the first and longest wait after a failure
TICK, FIRST_RETRY, LONGEST_RETRY = 0.5, 0.5, 30.0
#: seconds between two looks at what is too old, and between two looks at the size
KEEP_SECONDS = 60.0
#: minutes are taken this long after their end, so that nearly all of it is in one row
MINUTE_GRACE = 5.0


class Once(NamedTuple):
    """A row that may be given again, and is written once. key: the same each time, below 2^63."""

    row: Row
    key: int


#: a row, or what makes it: on the recorder's thread, soon
Made = Row | Once | Callable[[], Row]


class Recorder:
    """One writer of one history. clock: seconds since 1970; tick: monotonic.

    `minutes` counts the roll-ups: what is recorded here is not added to them.
    """

    def __init__(
        self, config: Config, clock: Callable[[], float] = time.time, tick: Callable[[], float] = time.monotonic
    ) -> None:
        self.config, self._clock, self._tick = config, clock, tick
        self.capacity = config.history.queue_rows
        self.minutes = Minutes()
        #: of an earlier process: minutes that it had not taken when it wrote its last snapshot
        self._left: list[RollUp] = []
        #: while what was recorded before is judged again, nothing but minutes is counted
        self.replaying = False
        self.written: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
        self.dropped: Counter[str] = Counter(dict.fromkeys(DROP_REASONS, 0))
        self.failures = 0
        self.write_counts, self.write_seconds = [0] * (len(WRITE_BUCKETS) + 1), 0.0
        self.size_bytes: int | None = None
        self.succeeded_at: float | None = None
        #: whether the last attempt succeeded; before the first, nothing speaks against it
        self.is_up = True
        self._added: deque[tuple[Kind, Made]] = deque()
        self._ready: deque[Prepared] = deque()
        self._lock = threading.Lock()
        self.numbers = Numbers(clock)
        self._database: Database | None = None
        self._retention: Retention | None = None
        self._kept_at = -KEEP_SECONDS
        self._retry = FIRST_RETRY
        self._stopping = threading.Event()
        self._give_up_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)

    # -- for whoever has something to record

    @property
    def waiting(self) -> int:
        """Rows in the queue."""
        return len(self._added) + len(self._ready)

    def add(self, kind: Kind, row: Made) -> bool:
        """Record a row, or what makes it; whether there is room. A few microseconds, from any thread."""
        if self.replaying:
            return True
        if self.waiting >= self.capacity or self._stopping.is_set():
            self.drop("stopped" if self._stopping.is_set() else "queue_full")
            return False
        self._added.append((kind, row))
        return True

    def drop(self, reason: str, count: int = 1) -> None:
        """Count rows that are not recorded."""
        with self._lock:
            self.dropped[reason] += 0 if self.replaying else count

    def copy(self) -> Callable[[], list[Any]]:
        """The minutes that are not written yet, copied between two batches; called later, the state for a snapshot."""
        with self._lock:
            left, rows = list(self._left), self.minutes.copy()
        return lambda: msgspec.to_builtins([*left, *rows()], builtin_types=(bytes,))

    def load(self, state: Sequence[Any]) -> None:
        """Go on with the minutes of a snapshot, before what came after it is judged again."""
        self._left = msgspec.convert(state, list[RollUp], builtin_types=(bytes,))

    def database(self) -> "Database":
        """The database, which readers share. Raises WrongAddress."""
        with self._lock:
            if self._database is None:
                self._database = open_database(self.config)
            return self._database

    # -- the recorder's thread

    def start(self) -> None:
        """Begin to record and to write."""
        with self._lock:  # what was counted again belongs to what the snapshot had: both may be written since
            self.replaying = False
            self._left += self.minutes.take()
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Write what is queued, and end; False when that took longer than the time-out, and the rest is dropped."""
        self._give_up_at = self._tick() + timeout
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout + 0.5)
        left = self.waiting
        self.drop("stopped", left)
        if self._database is not None and not self._thread.is_alive():
            self._database.close()
        return not left

    def _run(self) -> None:
        wait = 0.0
        while not self._stopping.wait(wait):
            wait = TICK if self.turn() else self._next_retry()
        self._finish()

    def _finish(self) -> None:
        """Write the rest, also of the minute that goes on."""
        assert self._give_up_at is not None
        self._prepare(self._over())
        while (self.waiting or self._left) and self._tick() < self._give_up_at:
            if not self.turn():
                return

    def _next_retry(self) -> float:
        """Seconds until the next attempt: longer each time, and not the same for all exporters."""
        wait = self._retry * random.uniform(0.5, 1.0)
        self._retry = min(self._retry * 2, LONGEST_RETRY)
        return wait

    def turn(self) -> bool:
        """Write all that is queued, and delete some of what is old; whether the database took it."""
        self._prepare(self._over())
        try:
            if self._left:
                self._take_back()
                self._prepare(self._over())
            while self._ready:
                self._write_batch()
                self._prepare()
            self._keep()
        except Exception as error:  # whatever a driver raises, the next attempt may succeed
            self._failed(error)
            return False
        self._retry, self.is_up = FIRST_RETRY, True
        return True

    def _take_back(self) -> None:
        """Count the minutes of the earlier process that it did not write after its last snapshot."""
        from exporter.history.reads import rolled_up

        written = rolled_up(self.database(), min(row.time for row in self._left))
        with self._lock:
            self.minutes.add(row for row in self._left if (row.model, row.time) not in written)
            self._left = []

    def _over(self) -> list[RollUp]:
        """The minutes that are over; all at the end."""
        return self.minutes.take(before=None if self._stopping.is_set() else self._clock() - MINUTE_GRACE)

    def _failed(self, error: Exception) -> None:
        if self.is_up:
            log.error("the history cannot be written", extra={"reason": reason_of(error)})
        self.failures += 1
        self.is_up = False

    def _prepare(self, rollups: Iterable[Row] = ()) -> None:
        """Make rows of what was added: soon, so that nothing holds the queries that they are of."""
        from exporter.history.writer import prepared

        made: Made
        for kind, made in itertools.chain(_drained(self._added), self._with_room(rollups)):
            try:
                row, key = made if isinstance(made, Once) else (made() if callable(made) else made, None)
                self._ready.append(prepared(kind, row, self.numbers.next() if key is None else key))
            except Exception as error:  # one row that cannot be made must not take the others along
                log.warning("a row of the history was not made", extra={"kind": kind, "error": type(error).__name__})
                self.drop("invalid")

    def _with_room(self, rollups: Iterable[Row]) -> Iterator[tuple[Kind, Made]]:
        """Roll-ups have as much room again as all other rows: they are few, and sum up what the others lost."""
        for row in rollups:
            if len(self._ready) < 2 * self.capacity:
                yield "rollups", row
            else:
                self.drop("queue_full")

    def _write_batch(self) -> None:
        from exporter.history.writer import write

        batch = list(itertools.islice(self._ready, BATCH))
        begun = self._tick()
        refused = write(self.database(), batch)
        spent = self._tick() - begun
        for _ in batch:
            self._ready.popleft()
        self.write_counts[bisect_left(WRITE_BUCKETS, spent)] += 1
        self.write_seconds += spent
        self.written.update(Counter(row.kind for row in batch) - Counter(row.kind for row in refused))
        self.drop("invalid", len(refused))
        self.succeeded_at = self._clock()

    def _keep(self) -> None:
        """Look now and then at what is too old or too much; new rows come first, a few deletes after each."""
        from exporter.history.retention import Retention

        if self._tick() - self._kept_at < KEEP_SECONDS or self._stopping.is_set():
            return
        if self._retention is None:
            ages = {name: getattr(self.config.history.retention, name) for name in (*KINDS, "alerts")}
            self._retention = Retention(self.database(), ages, self.config.history.max_bytes)
        for _ in self._retention.steps(self._clock()):
            if self._stopping.is_set():
                return
            self._prepare()
            while self._ready:
                self._write_batch()
                self._prepare()
        self.size_bytes, self._kept_at = self.database().size_bytes(), self._tick()
        self.succeeded_at = self._clock()


def _drained(queue: deque[Any]) -> Iterable[Any]:
    """What is in the queue now, taken out of it."""
    for _ in range(len(queue)):
        yield queue.popleft()


def open_database(config: Config) -> "Database":
    """The database of a configuration, not reached for yet. Raises WrongAddress."""
    from exporter.history.database import Database, address

    history = config.history
    path = history.password_file
    password = None if path is None else lambda: Path(path).read_text().strip()
    return Database(address(history.url, Path(config.storage.path)), password)


def reason_of(error: BaseException) -> str:
    """An error of the database in one line, without the statement and the values that SQLAlchemy adds."""
    original = getattr(error, "orig", None) or error
    lines = str(original).strip().splitlines()
    return f"{type(original).__name__}: {lines[0] if lines else ''}"
