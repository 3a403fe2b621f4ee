"""Lines on disk, first in, first out: what is left after a crash is read again, and a torn line is left out.

A log is a run of files `NAME-SEQUENCE.log`. Each begins with a header of fixed length that says how far it is settled,
written in place; then come lines of eight hex digits (CRC-32 of the text), a space, and the text. No line is synced:
what is written survives the end of the process, and not always that of the machine.
"""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple
from zlib import crc32

HEADER_BYTES = 48
_NAME = re.compile(r"(?P<name>[a-z]+)-(?P<sequence>\d{12})\.log")


class Line(NamedTuple):
    """A text, and where in its segment it ends."""

    text: bytes
    end: int


class Segment:
    """One file of a log. Raises OSError wherever the disk does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists():
            content = path.read_bytes()
            self.size = len(content)
            self.settled = min(_settled(content[:HEADER_BYTES]), self.size)
            self.records = sum(1 for _ in _lines(BytesIO(content[self.settled :]), self.settled))
            self.damaged = content.count(b"\n", self.settled) - self.records
        else:
            path.write_bytes(_header(HEADER_BYTES))
            self.size = self.settled = HEADER_BYTES
            self.records = self.damaged = 0

    def append(self, texts: Sequence[bytes]) -> None:
        """Write lines at the end, all or none of them."""
        data = b"".join(b"%08x %s\n" % (crc32(text), text) for text in texts)
        try:
            with self.path.open("r+b", buffering=0) as file:
                file.seek(self.size)
                written = file.write(data)
                if written != len(data):
                    raise OSError("the disk is full")
        except OSError:
            with contextlib.suppress(OSError):
                os.truncate(self.path, self.size)
            raise
        self.size += len(data)
        self.records += len(texts)

    def read(self, records: int, size: int) -> list[Line]:
        """The first lines that are not settled: at least one where there is one, then up to both bounds."""
        found: list[Line] = []
        with self.path.open("rb") as file:
            file.seek(self.settled)
            for line in _lines(_upto(file, self.size), self.settled):
                size -= len(line.text)
                if found and (size < 0 or len(found) >= records):
                    break
                found.append(line)
        return found

    def settle(self, end: int, records: int) -> None:
        """The lines up to there are done with."""
        self.settled, self.records = end, self.records - records
        with self.path.open("r+b", buffering=0) as file:
            file.write(_header(end))

    def remove(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)


def _header(settled: int) -> bytes:
    text = b"vedette-client 1 %016d" % settled
    return b"%s %08x\n" % (text.ljust(HEADER_BYTES - 10), crc32(text))


def _settled(header: bytes) -> int:
    """Where the settled part ends; the beginning where the header is damaged: the exporter knows what it had."""
    text = header[: HEADER_BYTES - 10].rstrip()
    whole = header[-9:-1] == b"%08x" % crc32(text) and text.startswith(b"vedette-client 1 ")
    return max(int(text.split()[-1]), HEADER_BYTES) if whole else HEADER_BYTES


def _upto(file: BinaryIO, end: int) -> Iterator[bytes]:
    while file.tell() < end:
        yield file.readline()


def _lines(rows: Iterable[bytes], begin: int) -> Iterator[Line]:
    """The whole lines among some that begin at a position; torn and damaged ones are stepped over."""
    for row in rows:
        begin += len(row)
        if row.endswith(b"\n") and row[8:9] == b" " and row[:8] == b"%08x" % crc32(row[9:-1]):
            yield Line(row[9:-1], begin)


class DiskLog:
    """The segments of one name in a folder, oldest first. Not for several threads at once."""

    def __init__(self, folder: Path, name: str, segment_bytes: int) -> None:
        self._folder, self._name, self._segment_bytes = folder, name, segment_bytes
        self._sequence = 0
        self._segments: list[Segment] = []
        self._writing: Segment | None = None
        #: lines that were there and cannot be read, apart from torn ends
        self.damaged = 0
        self.load()

    @property
    def records(self) -> int:
        return sum(segment.records for segment in self._segments)

    @property
    def size(self) -> int:
        """Bytes that are not settled."""
        return sum(segment.size - segment.settled for segment in self._segments)

    def load(self) -> None:
        """Take in the files that are there and were not known: at the start, and when others' were moved here."""
        known = {segment.path for segment in self._segments}
        for path in sorted(self._folder.glob(f"{self._name}-*.log")):
            sequence = sequence_of(path)
            if sequence is not None and path not in known:
                self._sequence = max(self._sequence, sequence)
                self._take_in(path)

    def _take_in(self, path: Path) -> None:
        segment = Segment(path)
        self.damaged += segment.damaged
        if segment.records:
            self._segments.append(segment)
        else:
            segment.remove()

    def append(self, texts: Sequence[bytes]) -> None:
        """Keep lines. Raises OSError, and has kept none of them then."""
        if self._writing is None or self._writing.size >= self._segment_bytes:
            self._writing = Segment(self.next_path())
            self._segments.append(self._writing)
        try:
            self._writing.append(texts)
        except OSError:
            if not self._writing.records:
                self._forget(self._writing)
            raise

    def next_path(self) -> Path:
        """A file name that comes after all others."""
        self._sequence += 1
        return self._folder / f"{self._name}-{self._sequence:012d}.log"

    def read(self, records: int, size: int) -> list[Line]:
        """The first lines, all of one segment. Raises OSError."""
        while self._segments:
            first = self._segments[0]
            with contextlib.suppress(FileNotFoundError):  # somebody cleaned up: what was in it is lost, the rest is not
                if lines := first.read(records, size):
                    return lines
            self.damaged += first.records
            self._forget(first)
        return []

    def settle(self, end: int, records: int) -> None:
        """So many of the first lines are done with, up to the end of the last one. Raises OSError."""
        first = self._segments[0]
        if end >= first.size:
            self._forget(first)
        else:
            first.settle(end, records)

    def drop_oldest(self, in_flight: bool) -> int:
        """Give up the oldest segment, the second where lines of the first are in flight; how many lines that were."""
        place = 1 if in_flight else 0
        if len(self._segments) <= place:
            return 0
        segment = self._segments[place]
        self._forget(segment)
        return segment.records

    def _forget(self, segment: Segment) -> None:
        self._segments.remove(segment)
        if segment is self._writing:
            self._writing = None
        with contextlib.suppress(OSError):
            segment.remove()


def sequence_of(path: Path) -> int | None:
    """The number of a segment; None for other files."""
    match = _NAME.fullmatch(path.name)
    return int(match["sequence"]) if match else None


def name_of(path: Path) -> str:
    """The log that a segment belongs to."""
    return path.name.partition("-")[0]
