"""What is accepted is written down before it is judged: the journal in front of the queue.

The order of the journal is the order of the queue, so that a replay judges as it was judged before. What waits for
the disk has its place in the queue already, and is judged once it is written.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from exporter import record
from exporter.delivery import Delivery
from exporter.pipeline import Pipeline
from exporter.storage.journal import JournalFull, JournalStopped

log = logging.getLogger(__name__)

#: called once a delivery is written (None), or was not (the reason): on the journal's thread, or at once
Settled = Callable[[Exception | None], None]


class QueueFull(Exception):
    """There is no room in the queue; nothing was taken."""


class NotStored(Exception):
    """The journal is full or the disk refuses to write; nothing was taken."""


class Journal(Protocol):
    """Where records are written, one after the other."""

    def append(self, record: bytes, done: Settled) -> int:
        """Write it soon, synced to the disk with others; its number."""
        ...

    def append_now(self, record: bytes) -> int:
        """Write it at once, not synced; its number."""
        ...


class Ledger:
    """Takes deliveries from all sources, from any thread.

    journal: None keeps nothing over a restart. sync: whether a delivery waits for the disk.
    """

    def __init__(self, pipeline: Pipeline, journal: Journal | None = None, sync: bool = True) -> None:
        self.pipeline, self._journal, self._sync = pipeline, journal, sync
        self._order = threading.Lock()

    def take(self, delivery: Delivery, body: bytes | None = None, settled: Settled = lambda error: None) -> None:
        """Take a delivery whole. Raises QueueFull and NotStored; then, and when `settled` has an error, none of it.

        body: JSON that holds just these queries, where there is one; else they are encoded anew.
        """
        if self._journal is None:
            if not self.pipeline.offer(delivery):
                raise QueueFull
            settled(None)
            return
        written = record.encode(delivery, body)
        delivery.written = False
        with self._order:
            if not self.pipeline.offer(delivery):
                raise QueueFull
            try:
                delivery.number = self._write(self._journal, written, delivery, settled)
            except (OSError, JournalFull, JournalStopped) as error:
                self.pipeline.withdraw(delivery)
                raise NotStored(str(error)) from error
            if not self._sync:
                self.pipeline.release(delivery)
        if not self._sync:
            settled(None)

    def put(self, delivery: Delivery, timeout: float) -> bool:
        """Take a delivery, waiting until it is written. False when there was no room in time."""
        if not self.pipeline.wait_for_room(delivery, timeout):
            return False
        written: Future[Exception | None] = Future()
        try:
            self.take(delivery, settled=written.set_result)
        except QueueFull:
            return False  # somebody else was quicker
        except NotStored as error:
            log.error("a drop file waits: the journal cannot be written", extra={"reason": str(error)})
            return False
        return written.result() is None

    def _write(self, journal: Journal, written: bytes, delivery: Delivery, settled: Settled) -> int:
        if not self._sync:
            return journal.append_now(written)

        def done(error: Exception | None) -> None:
            with self._order:  # it has its number by now
                if error is None:
                    self.pipeline.release(delivery)
                else:
                    self.pipeline.withdraw(delivery)
            settled(error)

        return journal.append(written, done)
