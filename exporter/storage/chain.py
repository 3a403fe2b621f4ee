"""The segments of a journal's folder as one row of numbered records: read, written, and deleted from its start.

Two rules keep what was refused from coming back:
- A group that could not be written is cut off again. Where that fails, a new segment is begun, whose first number is
  that of the refused group: in a segment, only numbers below the first one of the next segment count.
- Once a new segment was asked for, the old one is never written again, even if making the new one failed.
"""

import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from exporter.storage.files import Files, close_quietly, replace, sync_folder, write_all
from exporter.storage.segment import (
    HEADER,
    Damaged,
    encode,
    first_numbers,
    header,
    read_segment,
    segment_path,
    size_of,
)

log = logging.getLogger(__name__)

#: upper bounds of the histogram of sync durations, in seconds
SYNC_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class JournalGap(Exception):
    """Records are missing: `expected` is the first of them, `found` the next one that is there."""

    def __init__(self, expected: int, found: int) -> None:
        super().__init__(f"the journal holds no records {expected} to {found - 1}; it goes on at {found}")
        self.expected = expected
        self.found = found


@dataclass
class Segment:
    """A file of the row: its first number, and how many bytes it has."""

    first: int
    size: int


class Chain:
    """The segments of one folder. One thread writes; `forget` and the sizes are for any thread.

    next_number: that of the record that is written next. size_bytes: of all segments. torn_records: tails cut off at
    the start. sync_counts: syncs by bucket of SYNC_BUCKETS, the last one those above. sync_seconds: their sum.
    """

    def __init__(self, folder: Path, segment_bytes: int, sync: bool, files: Files) -> None:
        self.folder = folder
        self.next_number = 1
        self.size_bytes = 0
        self.torn_records = 0
        self.sync_counts = [0] * (len(SYNC_BUCKETS) + 1)
        self.sync_seconds = 0.0
        self._segment_bytes = segment_bytes
        self._sync = sync
        self._files = files
        self._lock = threading.Lock()  # guards the list and size_bytes, never held during a call to the disk
        self._descriptor: int | None = None  # of the newest segment; None: a new one is begun before the next write
        self._unfenced = False
        self._segments = [Segment(first, self._path(first).stat().st_size) for first in first_numbers(folder)]
        self.size_bytes = sum(segment.size for segment in self._segments)
        if self._segments:
            self._mend_end()

    def _path(self, first: int) -> Path:
        return segment_path(self.folder, first)

    # -- at the start

    def _mend_end(self) -> None:
        """Find the end of the newest segment and cut off what is not a record: what a crash left half written."""
        newest = self._segments[-1]
        count, end = 0, newest.size
        try:
            for _ in read_segment(self._path(newest.first), newest.first):
                count += 1
        except Damaged as damaged:
            end = damaged.offset
            self.torn_records += 1
            name = self._path(newest.first).name
            log.warning("the end of the journal was torn and is cut off", extra={"file": name, "offset": end})
        self.next_number = newest.first + count
        if end == 0:
            self._set_aside(newest, b"")
        elif self._sync or end < newest.size:
            self._cut(newest, end)
        if self._sync:
            sync_folder(self._files, self.folder)

    def _cut(self, segment: Segment, size: int) -> None:
        descriptor = self._files.open(self._path(segment.first), os.O_WRONLY)
        try:
            # synced in any case: what is replayed is judged, so it has to be there the next time too
            if size < segment.size:
                self._files.truncate(descriptor, size)
            self._files.sync(descriptor)
        finally:
            close_quietly(descriptor)
        self._resize(segment, size)

    def _resize(self, segment: Segment, size: int) -> None:
        with self._lock:
            self.size_bytes += size - segment.size
            segment.size = size

    def _set_aside(self, segment: Segment, good: bytes) -> None:
        """Keep a damaged segment under another name, and put one with its good records alone in its place.

        The place stays taken, because the segment before may end in records that only this one's number rules out.
        """
        path = self._path(segment.first)
        aside = path.with_suffix(path.suffix + ".corrupt")
        try:
            self._files.link(path, aside)
        except FileExistsError:  # damaged a second time: what was kept first says more
            pass
        except OSError:  # a file system without links
            self._files.rename(path, aside)
        content = good or header(segment.first)
        close_quietly(replace(self._files, path, content, sync=self._sync))
        self._resize(segment, len(content))
        log.error("a damaged journal file is kept aside", extra={"file": aside.name, "offset": len(good)})

    # -- reading

    def replay(self, after: int) -> Iterator[tuple[int, bytes]]:
        """Records above `after`, oldest first; see Journal.replay."""
        if after >= self.next_number:
            log.warning("the journal ends before the state does", extra={"last": self.next_number - 1, "state": after})
            self.next_number = after + 1
        return self._replay(after)

    def _replay(self, after: int) -> Iterator[tuple[int, bytes]]:
        expected = after + 1
        segments = list(self._segments)
        ends = [*(segment.first for segment in segments), self.next_number][1:]
        for segment, end in zip(segments, ends, strict=True):
            if end <= expected:
                continue
            if segment.first > expected:
                raise JournalGap(expected, segment.first)
            for number, record in self._records(segment, end):
                if number >= expected:
                    yield number, record
                    expected = number + 1
            if expected < end:
                raise JournalGap(expected, end)

    def _records(self, segment: Segment, end: int) -> Iterator[tuple[int, bytes]]:
        """The records of a segment below a number, as far as it holds them."""
        records = read_segment(self._path(segment.first), segment.first)
        offset = 0
        for number in range(segment.first, end):
            try:
                record, offset = next(records)
            except StopIteration:
                return
            except Damaged:
                self._try_to_set_aside(segment, offset)
                return
            yield number, record

    def _try_to_set_aside(self, segment: Segment, good_bytes: int) -> None:
        try:
            with self._path(segment.first).open("rb") as file:
                good = file.read(good_bytes)
            self._set_aside(segment, good)
        except OSError as error:  # it stays where it is, and is as damaged the next time
            log.error("a damaged journal file stays", extra={"file": self._path(segment.first).name, "error": error})

    # -- writing

    def write(self, records: Sequence[bytes]) -> None:
        """Write records as the next ones, and wait until they are on the disk unless the chain does not sync.

        Raises OSError (or MemoryError): none of them is in the journal then, and their numbers go to the next ones.
        """
        size = sum(map(size_of, records))
        segment = self._room_for(size)
        assert self._descriptor is not None
        try:
            for piece in encode(self.next_number, records):
                write_all(self._files, self._descriptor, piece)
            if self._sync:
                self._timed_sync(self._descriptor)
        except BaseException:
            self._undo(segment, size)
            raise
        self.next_number += len(records)
        self._resize(segment, segment.size + size)

    def _room_for(self, size: int) -> Segment:
        """The segment to write to: the newest, or a new one where it is full or not to be written any more."""
        newest = self._segments[-1] if self._descriptor is not None else None
        if newest and (newest.size == HEADER.size or newest.size + size <= self._segment_bytes):
            return newest
        return self._begin()

    def _begin(self) -> Segment:
        """Begin a segment. It takes the place of one that has the same first number, which holds no good record."""
        self._leave()
        first = self.next_number
        self._descriptor = replace(self._files, self._path(first), header(first), sync=self._sync)
        self._unfenced = False
        with self._lock:
            if self._segments and self._segments[-1].first == first:
                self.size_bytes -= self._segments.pop().size
            self._segments.append(segment := Segment(first, HEADER.size))
            self.size_bytes += HEADER.size
        return segment

    def _leave(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            close_quietly(descriptor)

    def _timed_sync(self, descriptor: int) -> None:
        begun = time.perf_counter()
        self._files.sync_data(descriptor)
        seconds = time.perf_counter() - begun
        self.sync_seconds += seconds
        self.sync_counts[sum(seconds > bound for bound in SYNC_BUCKETS)] += 1

    def _undo(self, segment: Segment, attempted: int) -> None:
        """Take a group that failed out of the journal: its senders are told so."""
        assert self._descriptor is not None
        try:
            self._files.truncate(self._descriptor, segment.size)
            if self._sync:
                self._files.sync_data(self._descriptor)
        except OSError:
            self._resize(segment, segment.size + attempted)
            self._unfenced = True
            self._fence()

    def _fence(self) -> None:
        """Begin a segment only to rule out what may stand at the end of the one before."""
        try:
            self._begin()
        except OSError as error:
            log.error(
                "the disk takes neither a cut nor a new file: until it does, a crash would bring records back "
                "whose senders were refused",
                extra={"first": self.next_number, "error": error},
            )

    # -- deleting

    def forget(self, number: int) -> None:
        """Delete the segments that hold no record above this number, oldest first; never the newest."""
        with self._lock:
            doomed = [
                segment
                for segment, following in zip(self._segments, self._segments[1:], strict=False)
                if following.first - 1 <= number
            ]
        for segment in doomed:
            try:
                self._files.unlink(self._path(segment.first))
            except OSError as error:  # the next snapshot tries again
                log.error("cannot delete", extra={"file": self._path(segment.first).name, "error": error})
                return
            with self._lock:
                if segment in self._segments:
                    self._segments.remove(segment)
                    self.size_bytes -= segment.size

    def close(self) -> None:
        """Write nothing more."""
        if self._unfenced:
            self._fence()
        self._leave()
