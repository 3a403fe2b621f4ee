"""One file of the drop directory, read in chunks of bounded size: queries, what was refused, and the place behind."""

import errno
import gzip
import io
import logging
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple, cast

import msgspec
import numpy as np

from detectors import Query
from exporter.config import Limits
from exporter.formats import Refused, Unreadable, native, picture, table
from exporter.formats.split import Record, TooLarge, items, lines
from exporter.sources.drop.arrivals import Arrival, kind_of
from exporter.sources.drop.positions import Identity

log = logging.getLogger(__name__)

#: a chunk ends at so many records, or at so many bytes
CHUNK_RECORDS, CHUNK_BYTES = 1_000, 1 << 20
#: why a file failed: the closed set of the `reason` label of vedette_drop_files_failed_total
FILE_FAILURES = (
    "unreadable",  # nothing in it could be taken, or not all of it could be read: broken gzip, header, array
    "too_large",  # a record, picture or compressed file beyond its limit
    "io",  # the system refused to open or to read it
    "filing",  # it could not be moved or deleted, or its report could not be written
)
#: bytes of a refused record that are kept for people
SHOWN_BYTES = 8 << 10
#: a compressed file may unfold to so many bytes, and beyond that to so many times its size
UNFOLDED_BYTES, UNFOLDED_FACTOR = 64 << 20, 200
#: first bytes by which content that grew is told from content that was replaced
HEAD_BYTES = 1 << 16
BESIDE_BYTES = 1 << 20
#: what open says of a name that is gone, or a link or a socket by now
NO_FILE = (errno.ENOENT, errno.ELOOP, errno.ENXIO)


class Changed(Exception):
    """The file is not the one that was seen in the folder: changed, replaced, or no file any more."""


class Stopped(Exception):
    """Reading was to end before anything was read."""


class Failure(NamedTuple):
    """A record that was refused, and where; or why nothing can be read from there on, with one of FILE_FAILURES."""

    line: int
    offset: int
    code: str
    reason: str
    raw: bytes = b""


class Chunk(msgspec.Struct):
    """What one read gave. size: bytes that it holds, about. broken: why the rest of the file cannot be read."""

    queries: list[Query]
    failures: list[Failure]
    offset: int
    line: int
    size: int = 0
    last: bool = False
    broken: Failure | None = None


class Reader:
    """An open file. `folder` is an open directory; nothing outside of it is opened, and nothing but regular files.

    Raises Changed when the file is not the expected one any more, and OSError when it cannot be opened.
    """

    def __init__(
        self,
        folder: int,
        arrival: Arrival,
        limits: Limits,
        stopping: Callable[[], bool],
    ) -> None:
        self.offset, self.line = 0, 1
        self._identity, self._name = arrival.identity, arrival.name
        self._limits, self._stopping = limits, stopping
        self._file = _opened(folder, arrival.name)
        try:
            if not self.unchanged():
                raise Changed
            self._beside = _beside(folder, arrival.beside) if arrival.beside else None
            #: the first bytes of the file as they are stored
            self.head = os.pread(self._file.fileno(), min(HEAD_BYTES, arrival.identity.size), 0)
        except BaseException:
            self.close()
            raise
        self._records = self._all_records()

    def go_on(self, offset: int, line: int) -> None:
        """Begin at this place instead of at the beginning; before the first read."""
        self.offset, self.line = offset, line

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def unchanged(self) -> bool:
        """Whether nobody has written to the file since it was seen."""
        return Identity.of(os.fstat(self._file.fileno())) == self._identity

    def read(self) -> Chunk:
        """The next chunk. What makes the file as a whole unreadable is told in the chunk; `stopping` ends it early."""
        chunk = Chunk([], [], self.offset, self.line)
        try:
            chunk.last = self._fill(chunk)
        except Stopped:
            pass
        except TooLarge as error:
            self._break(chunk, "too_large", str(error))
        except Unreadable as error:
            self._break(chunk, "unreadable", str(error))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self._break(chunk, "unreadable", f"gzip: {error}")
        except OSError as error:
            self._break(chunk, "io", error.strerror or str(error))
        except Exception as error:  # a fault of this program must not be met again and again
            log.exception("the reader failed on a drop file", extra={"file": self._name})
            self._break(chunk, "unreadable", f"the reader failed: {error!r}")
        chunk.offset, chunk.line = self.offset, self.line
        return chunk

    def _break(self, chunk: Chunk, code: str, reason: str) -> None:
        chunk.broken, chunk.last = Failure(self.line, self.offset, code, reason), True

    def _fill(self, chunk: Chunk) -> bool:
        """Read records until the chunk is full; True when the file has ended."""
        for record, decode in self._records:
            self.offset, self.line = record.end, record.next_line
            chunk.size += record.end - record.offset
            try:
                if record.refused:
                    raise record.refused
                if record.raw.strip():
                    chunk.queries.append(decode(record.raw))
                    chunk.size += _pixels(chunk.queries[-1])
            except Refused as refused:
                chunk.failures.append(_failure(record, refused.code, refused.reason))
            except (RecursionError, UnicodeDecodeError):
                chunk.failures.append(_failure(record, "malformed", "nested too deeply, or not UTF-8"))
            if len(chunk.queries) + len(chunk.failures) >= CHUNK_RECORDS or chunk.size >= CHUNK_BYTES:
                self._check_unfolded()
                return False
        return True

    def _check_unfolded(self) -> None:
        if self.offset > max(UNFOLDED_BYTES, UNFOLDED_FACTOR * self._identity.size):
            raise TooLarge(f"unfolds to more than {UNFOLDED_FACTOR} times its size")

    # -- the records of each format, and how they are decoded

    def _all_records(self) -> Iterator[tuple[Record, Callable[[bytes], Query]]]:
        kind = kind_of(self._name)
        assert kind is not None  # only names of a known kind arrive
        if kind.format == "picture":
            yield self._picture(), self._decode_picture
            return
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=self._file) if kind.compressed else self._file)
        limit = self._limits.body_bytes
        if kind.format == "table":
            yield from self._rows(stream, limit)
        elif kind.format == "lines":
            self._reach(stream, *_behind_mark(stream))
            yield from self._each(lines(stream, limit, self.offset, self.line))
        else:
            yield from self._each(self._json(stream, limit))

    def _each(self, records: Iterator[Record]) -> Iterator[tuple[Record, Callable[[bytes], Query]]]:
        return ((record, self._decode_line) for record in records)

    def _rows(self, stream: BinaryIO, limit: int) -> Iterator[tuple[Record, Callable[[bytes], Query]]]:
        start, line = _behind_mark(stream)
        first = next(table.rows(lines(stream, limit, start, line), limit), None)
        if first is None or first.refused:
            raise Unreadable("the header: " + (first.refused.reason if first and first.refused else "is missing"))
        columns = table.header(first.raw)
        self._reach(stream, first.end, first.next_line)
        for record in table.rows(lines(stream, limit, self.offset, self.line), limit):
            yield record, lambda raw: native.from_fields(table.event(columns, raw), self._limits)

    def _json(self, stream: BinaryIO, limit: int) -> Iterator[Record]:
        """An array, one object over many lines, or one object a line, whichever it is."""
        start, line = _behind_mark(stream)
        stream.seek(start)
        head = stream.read(limit + 1)
        text = head.lstrip()
        if text[:1] == b"[":
            inside = len(head) - len(text) + 1
            self._reach(stream, start + inside, line + head[:inside].count(b"\n"))
            return items(stream, limit, self.offset, self.line)
        if len(head) <= limit and not native.is_json(text.partition(b"\n")[0]) and native.is_json(text):
            whole = Record(head, line, start, start + len(head), line + head.count(b"\n"))
            return iter([whole] if self.offset < whole.end else [])
        self._reach(stream, start, line)
        return lines(stream, limit, self.offset, self.line)

    def _reach(self, stream: BinaryIO, start: int, line: int) -> None:
        """Move the stream to where reading was left, or to `start`, where the records begin. Raises Stopped."""
        if self.offset <= start:
            self.offset, self.line = start, line
        if stream is self._file:
            stream.seek(self.offset)
        elif self.offset < stream.tell():
            stream.seek(0)
        while (left := self.offset - stream.tell()) > 0:
            if self._stopping():
                raise Stopped
            if not stream.read(min(left, CHUNK_BYTES)):
                raise Unreadable("ends before the place to which it was read")

    def _picture(self) -> Record:
        size, limit = self._identity.size, 4 * self._limits.image_pixels
        if size > limit:
            raise TooLarge(f"a picture file of {size} bytes, more than the {limit} allowed")
        return Record(self._file.read(limit), 1, 0, size, 1)

    def _decode_picture(self, raw: bytes) -> Query:
        return native.from_fields(picture.event(raw, _fields_beside(self._beside)), self._limits)

    def _decode_line(self, raw: bytes) -> Query:
        return native.decode_line(raw, self._limits)


def _opened(folder: int, name: str) -> io.BufferedReader:
    """A regular file of the folder. Raises Changed for anything else; a pipe does not block, a link is not followed."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno in NO_FILE:
            raise Changed from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Changed
        return open(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _beside(folder: int, name: str) -> bytes:
    with _opened(folder, name) as file:
        return file.read(BESIDE_BYTES + 1)


def _fields_beside(text: bytes | None) -> dict[str, Any]:
    if text is None:
        return {}
    if len(text) > BESIDE_BYTES:
        raise Refused("too_large", f"the file beside the picture has more than {BESIDE_BYTES} bytes")
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except native.BROKEN as error:
        raise Refused("malformed", f"the file beside the picture is no JSON object: {error}") from None


def _behind_mark(stream: BinaryIO) -> tuple[int, int]:
    """Offset and line behind the byte-order mark, if the stream begins with one; the stream then stands there."""
    stream.seek(0)
    if stream.read(3) == b"\xef\xbb\xbf":
        return 3, 1
    stream.seek(0)
    return 0, 1


def _pixels(query: Query) -> int:
    """Bytes of an array that came out of a smaller record."""
    return query.input_data.nbytes if isinstance(query.input_data, np.ndarray) else 0


def _failure(record: Record, code: str, reason: str) -> Failure:
    return Failure(record.line, record.offset, code, reason, record.raw[:SHOWN_BYTES])
