"""The two threads of a client in one process: one encodes and keeps what the host left, one sends it.

They are two so that a server which hangs does not keep records from the disk.
"""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vedette_client.buffer import Buffer
from vedette_client.intake import Intake, Tally
from vedette_client.keeper import Keeper
from vedette_client.notices import Notices
from vedette_client.resources import sampler
from vedette_client.sender import Sender
from vedette_client.settings import Settings
from vedette_client.statistics import Counts, Statistics
from vedette_client.transport import Transport


@dataclass
class Parts:
    """What is made by the keeping thread, because it may have much to read."""

    buffer: Buffer
    keeper: Keeper
    sender: Sender


class Engine:
    """What runs behind a client. Started by its first record, and never used by a forked child."""

    def __init__(
        self,
        settings: Settings,
        connect: Callable[[], Transport],
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._settings, self._connect, self._clock, self._random = settings, connect, clock, random
        self._intake = Intake(settings.queue_records, min(settings.batch_records, settings.queue_records))
        self._counts, self._notices = Counts(), Notices(clock)
        self._late, self.slips = Tally(), Tally()
        self._parts: Parts | None = None
        self._start_once = threading.Lock()
        self.started = self.closing = False
        self._deadline = float("inf")
        self._all_kept = False
        self._news, self._ended, self._progress = threading.Event(), threading.Event(), threading.Condition()

    def put(self, kind: str, fields: dict[str, Any]) -> None:
        """Leave a record, on the host's thread."""
        if self.closing:
            self._late.add()
            return
        self._intake.put(kind, fields)
        if not self.started:
            self.start()

    def start(self) -> None:
        """Start the threads, once."""
        if self._start_once.acquire(blocking=False):
            self.started = True
            if util := sys.modules.get("multiprocessing.util"):  # its children end without atexit
                util.Finalize(None, self.close, args=(self._settings.close_timeout,), exitpriority=10)
            threading.Thread(target=self._keep, name="vedette-keep", daemon=True).start()

    def flush(self, timeout: float) -> bool:
        """Wait until all that was given before is settled; whether it is."""
        end, target = time.monotonic() + timeout, self._intake.given.value()
        if not self.started:
            return True
        self._intake.wake.set()
        return self._wait(lambda: self._seen() >= target, end) and self._wait(self._what_is_kept_is_gone(), end)

    def close(self, timeout: float) -> None:
        """Send what can be sent at once, and end. What is left stays on disk, or is lost and counted."""
        if self.closing:
            return
        self._deadline, self.closing = time.monotonic() + timeout, True
        if not self.started:
            return
        self._intake.wake.set()
        self._ended.wait(timeout)
        if lost := self._lost():
            self._counts.drop("not_sent", lost)
            self._notices.warn("not_sent", f"{lost} records were not sent before the end, and are lost")

    def statistics(self) -> Statistics:
        """What became of the records so far."""
        full, late, parts = self._intake.full.value(), self._late.value(), self._parts
        buffered, size = 0, 0
        if parts is not None:
            with parts.buffer.lock:
                buffered, size = parts.buffer.records, parts.buffer.size
        return self._counts.read(
            pushed=self._intake.given.value() + late,
            waiting=len(self._intake) + buffered,
            buffer_bytes=size,
            circuit=parts.sender.breaker.state if parts else "closed",
            also_dropped={"queue_full": full, "closed": late, "internal_error": self.slips.value()},
        )

    def abandon(self) -> None:
        """In a forked child: let go of the folder that the parent goes on with."""
        if self._parts is not None:
            self._parts.buffer.release()

    def _lost(self) -> int:
        parts = self._parts
        if parts is None:
            return len(self._intake)
        with parts.buffer.lock:
            return len(self._intake) + parts.buffer.records_in_memory

    def _wait(self, done: Callable[[], bool], end: float) -> bool:
        with self._progress:
            self._progress.wait_for(lambda: done() or self._ended.is_set(), max(end - time.monotonic(), 0.0))
            return done()

    def _seen(self) -> int:
        return (self._parts.keeper.taken if self._parts else 0) + self._intake.full.value()

    def _what_is_kept_is_gone(self) -> Callable[[], bool]:
        if self._parts is None:
            return lambda: True
        buffer = self._parts.buffer
        with buffer.lock:
            wanted = [(lane, lane.put_in) for lane in buffer.lanes.values()]
        return lambda: all(lane.gone >= put_in for lane, put_in in wanted)

    def _tell(self) -> None:
        with self._progress:
            self._progress.notify_all()

    def _keep(self) -> None:
        """The thread that keeps."""
        parts = self._parts = self._open()
        threading.Thread(target=self._send, args=(parts,), name="vedette-send", daemon=True).start()
        while not self._all_kept:
            closing = self.closing  # read first: what came before it was set is kept in this turn
            if not closing:
                self._intake.wake.wait(self._settings.flush_interval)
            self._intake.wake.clear()
            self._guard(parts.keeper.step)
            self._all_kept = closing
            self._news.set()
            self._tell()

    def _open(self) -> Parts:
        buffer = self._buffer()
        sample = sampler() if self._settings.resources_interval is not None else dict
        common = (self._settings, self._counts, self._notices, self._clock)
        keeper = Keeper(self._intake, buffer, *common, sample)
        return Parts(buffer, keeper, Sender(buffer, self._connect(), *common, self._random))

    def _buffer(self) -> Buffer:
        try:
            return Buffer(self._settings.buffer_bytes, self._settings.buffer_dir)
        except OSError as error:
            self._notices.warn("disk", f"the buffer folder cannot be used ({error.strerror or error}); memory is")
            return Buffer(self._settings.buffer_bytes)

    def _send(self, parts: Parts) -> None:
        """The thread that sends."""
        while not self._all_kept:
            seconds = self._guard(parts.sender.step, otherwise=1.0)
            self._tell()
            if seconds > 0:
                self._news.wait(seconds)
                self._news.clear()
        self._guard(lambda: self._send_rest(parts))
        with parts.buffer.lock:
            parts.buffer.release()
        self._ended.set()
        self._tell()

    def _send_rest(self, parts: Parts) -> None:
        """One more try for what is left; a server that is down is not waited for."""
        parts.sender.breaker.try_again()
        while parts.sender.has_hope():
            seconds = parts.sender.step()
            if time.monotonic() + seconds >= self._deadline:
                return
            time.sleep(seconds)

    def _guard(self, work: Callable[[], float | None], otherwise: float = 0.0) -> float:
        """Do something; a slip of ours ends neither the thread nor the host."""
        try:
            return work() or 0.0
        except Exception as error:
            self.slips.add()
            self._notices.warn("internal", f"an error of the client itself ({type(error).__name__}); it goes on")
            return otherwise
