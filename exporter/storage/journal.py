"""The journal: what was taken in, in order and on the disk before anybody is told that it was taken.

Records are opaque bytes, numbered from 1 without a gap. All that are appended within a few milliseconds are written
and synced together by one thread, so that many senders share the price of one sync.
"""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from exporter.storage.chain import SYNC_BUCKETS, Chain, JournalGap
from exporter.storage.files import Files, close_quietly, make_folder
from exporter.storage.segment import MAX_RECORD_BYTES, size_of

__all__ = ["SYNC_BUCKETS", "Journal", "JournalFull", "JournalGap", "JournalStopped", "StateInUse"]

log = logging.getLogger(__name__)

MIB = 2**20
#: a journal at its bound frees whole segments only, so it is made of at least this many
LEAST_SEGMENTS = 4

#: called once with None when the record is on the disk, or with the error because of which it is not in the journal
Done = Callable[[Exception | None], None]


class JournalFull(Exception):
    """The journal would be larger than it may be. It shrinks when a snapshot lets segments be forgotten."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"the journal has reached its bound of {max_bytes} bytes")
        self.max_bytes = max_bytes


class JournalStopped(Exception):
    """The journal takes nothing more, because the service stops."""

    def __init__(self) -> None:
        super().__init__("the journal is stopped and takes no more records")


class StateInUse(Exception):
    """Another process, or another journal of this one, has the folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"the state folder {folder} is in use by another process: stop it, or give another folder")
        self.folder = folder


class Journal:
    """An append-only file of records, for many threads.

    folder: made if it is not there; one journal at a time. max_bytes: bound of all files together (their headers of
    20 bytes aside), several times the largest record. segment_bytes: size at which a new file is begun, less where
    `max_bytes` is small. sync: records are on the disk, and not only with the operating system, before they count:
    `append`; else `append_now`. interval: seconds that the first record of a group waits for others.

    For metrics: size_bytes, last_number (of the last record that was written, 0 before the first), torn_records (torn
    ends that were cut off at the start), sync_counts (syncs by bucket of SYNC_BUCKETS, the last one those above) and
    sync_seconds (their sum), failure (why the last group could not be written; None since one could).

    Raises StateInUse, and OSError where the folder cannot be read or its newest file not be mended.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        segment_bytes: int = 64 * MIB,
        sync: bool = True,
        interval: float = 0.005,
        files: Files | None = None,
    ) -> None:
        files = files or Files()
        self.max_bytes = max_bytes
        self.failure: Exception | None = None
        #: whether a record was refused for want of room since `forget` last made some
        self.is_full = False
        self._sync = sync
        self._interval = interval
        self._segment_bytes = min(segment_bytes, max_bytes // LEAST_SEGMENTS)
        make_folder(files, folder)
        self._lock_descriptor: int | None = _lock(files, folder)
        try:
            self._chain = Chain(folder, self._segment_bytes, sync, files)
        except BaseException:
            self._let_go()
            raise
        self._changed = threading.Condition()  # guards all below; never held during a call to the disk with `sync`
        self._waiting: list[tuple[bytes, Done]] = []
        self._waiting_since = 0.0
        self._unwritten_bytes = 0
        self._next_number = self._chain.next_number
        self._stopping = False
        self._thread: threading.Thread | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return self._chain.size_bytes

    @property
    def last_number(self) -> int:
        """Number of the last record that was written, 0 before the first."""
        return self._chain.next_number - 1

    @property
    def torn_records(self) -> int:
        """Torn ends that were cut off when the journal was opened."""
        return self._chain.torn_records

    @property
    def sync_counts(self) -> list[int]:
        """Syncs by bucket of SYNC_BUCKETS, not cumulated; the last one counts those above all bounds."""
        return list(self._chain.sync_counts)

    @property
    def sync_seconds(self) -> float:
        """Seconds of all syncs together."""
        return self._chain.sync_seconds

    def replay(self, after: int) -> Iterator[tuple[int, bytes]]:
        """Records with numbers above `after`, oldest first. Before `start`, and before the first append.

        Numbers given out later are above `after` too, even if the journal ends before it: what the state already
        covers is not given out again. Raises JournalGap where records are missing, after those before them; replay
        from its `found - 1` goes on behind it. Raises OSError where a file cannot be read.
        """
        records = self._chain.replay(after)
        self._next_number = self._chain.next_number
        return records

    def start(self) -> None:
        """Begin to write what is appended."""
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def append(self, record: bytes, done: Done) -> int:
        """Take a record and return its number, which holds if `done` is called without an error.

        done: called once on the journal's thread, in the order of the appends, when the record is on the disk, or with
        the error because of which it is not in the journal. When a group fails, so do those that wait behind it, as
        their numbers would not follow; later ones are tried on their own.
        Raises JournalFull and JournalStopped; the record is not taken then, and `done` not called.
        """
        if not self._sync:
            raise ValueError("append waits for a sync; a journal with sync=False takes append_now")
        with self._changed:
            self._check(record)
            number = self._next_number
            self._next_number += 1
            self._unwritten_bytes += size_of(record)
            self._waiting.append((record, done))
            if len(self._waiting) == 1:
                self._waiting_since = time.monotonic()
                self._changed.notify()
        return number

    def append_now(self, record: bytes) -> int:
        """Write a record at once, in the caller's thread, and return its number: for journals that do not sync.

        It outlasts the process, not the machine. Raises OSError (not in the journal then), JournalFull, JournalStopped.
        """
        if self._sync:
            raise ValueError("append_now does not sync; a journal with sync=True takes append")
        with self._changed:
            self._check(record)
            number = self._chain.next_number
            try:
                self._chain.write([record])
            except Exception as error:
                self._failed(error)
                raise
            self.failure = None
        return number

    def _check(self, record: bytes) -> None:
        if self._stopping:
            raise JournalStopped
        if len(record) > MAX_RECORD_BYTES:
            raise ValueError(f"a record has {len(record)} bytes; at most {MAX_RECORD_BYTES} fit")
        if self._chain.size_bytes + self._unwritten_bytes + size_of(record) > self.max_bytes:
            if not self.is_full:
                log.error("the journal is full: nothing is taken until a snapshot lets go of its older part")
            self.is_full = True
            raise JournalFull(self.max_bytes)

    def forget(self, number: int) -> None:
        """Delete the files that hold no record above this number, except the newest."""
        before = self._chain.size_bytes
        self._chain.forget(number)
        if self._chain.size_bytes < before:
            self.is_full = False

    def stop(self, timeout: float = 10.0) -> None:
        """Take nothing more, write what waits, and let go of the folder.

        timeout: seconds. A disk that takes longer keeps the thread; the senders of what it holds are not answered.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is None:
            self._run()
        else:
            self._thread.join(timeout)
            if self._thread.is_alive():
                log.error("the disk did not take the end of the journal in time", extra={"seconds": timeout})
                return
        self._chain.close()
        self._let_go()

    def _let_go(self) -> None:
        descriptor, self._lock_descriptor = self._lock_descriptor, None
        if descriptor is not None:
            close_quietly(descriptor)

    # -- on the journal's thread

    def _run(self) -> None:
        while group := self._next_group():
            self._write(group)

    def _next_group(self) -> list[tuple[bytes, Done]]:
        """Wait for the first record and for those that follow it within the interval; empty when stopped."""
        with self._changed:
            while not self._waiting and not self._stopping:
                self._changed.wait()
            due = self._waiting_since + self._interval
            while not self._stopping and (left := due - time.monotonic()) > 0:
                self._changed.wait(left)
            size = self._fitting()
            group, self._waiting = self._waiting[:size], self._waiting[size:]
        return group

    def _fitting(self) -> int:
        """How many of the waiting records fit into one segment, at least one. All but one segment can be forgotten."""
        if self._unwritten_bytes <= self._segment_bytes:
            return len(self._waiting)
        total = 0
        for count, (record, _) in enumerate(self._waiting):
            total += size_of(record)
            if count and total > self._segment_bytes:
                return count
        return len(self._waiting)

    def _write(self, group: list[tuple[bytes, Done]]) -> None:
        failure: Exception | None = None
        try:
            self._chain.write([record for record, _ in group])
        except Exception as error:
            failure = error
            self._failed(error)
        size = sum(size_of(record) for record, _ in group)
        with self._changed:
            self._unwritten_bytes -= size
            if failure:
                group += self._waiting
                self._waiting, self._unwritten_bytes = [], 0
                self._next_number = self._chain.next_number
        if not failure:
            self.failure = None
        for _, done in group:
            _tell(done, failure)

    def _failed(self, error: Exception) -> None:
        if self.failure is None:  # once for each stretch of failures: a full disk would fill the log as well
            log.error("cannot write the journal", extra={"error": error})
        self.failure = error


def _tell(done: Done, failure: Exception | None) -> None:
    try:
        done(failure)
    except Exception:
        log.exception("what waited for the journal failed")


def _lock(files: Files, folder: Path) -> int:
    """Hold the folder until the descriptor is closed or the process ends."""
    descriptor = files.open(folder / "lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        close_quietly(descriptor)
        raise StateInUse(folder) from None
    except BaseException:
        close_quietly(descriptor)
        raise
    return descriptor
