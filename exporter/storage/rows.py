"""The rows of one space of a window, in a file to which rows are only ever appended.

A snapshot does not hold the rows, which may be hundreds of megabytes: it holds a reference to the file as it was, with
a checksum of all that was in it. What a later run finds beyond that is newer than the snapshot, or torn, and cut off.

    file    <space>-<number of the first row>-<random>.rows: numbers of one little-endian type, row after row
    name    never given twice, so that a file never changes under a snapshot that refers to it
"""

import os
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import msgspec
import numpy as np

from exporter.storage.files import Files, sync_folder

#: endings of finished files and of those that are being written
ROWS, PART = ".rows", ".part"
#: files with less than this many bytes of rows that are needed no more are left as they are
SMALL = 1 << 20
#: bytes that are read together
READ = 1 << 23
#: types of the numbers in a file
DTYPES = ("<f4", "<i2", "<i8", "<u8", "|u1")
#: how a file is opened that must not be there yet
NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL


class DamagedRows(Exception):
    """A file does not hold what a reference says that it held."""


class Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The state of a file: its name, the number of its first row, how many rows it held, their length and checksum.

    dtype: of the numbers; float32 where none is given.
    """

    file: str
    first: int
    count: int
    dimensions: int
    crc: int
    dtype: str = "<f4"

    @property
    def width(self) -> int:
        """Bytes of a row."""
        return np.dtype(self.dtype).itemsize * self.dimensions


class RowFile:
    """Rows `first` to before `last` of a space. Calls must not overlap. Every method may raise OSError.

    The file is open only while a method runs. After a failed `append` or `sync` it holds the rows up to `last`, which
    may be fewer than before: those whose way to the disk is unknown have to be appended again.
    """

    def __init__(
        self,
        folder: Path,
        space: str,
        dimensions: int,
        first: int = 0,
        files: Files | None = None,
        dtype: str = "<f4",
    ) -> None:
        """A new and empty file whose first row will have this number."""
        self._folder, self._space, self._files, self.dtype = folder, space, files or Files(), np.dtype(dtype)
        name = _name(space, first)
        with self._opened(name, NEW):
            self._take(name, first, dimensions)

    def _take(self, name: str, first: int, dimensions: int, count: int = 0, crc: int = 0) -> None:
        self.name, self.first, self.dimensions = name, first, dimensions
        self._width = self.dtype.itemsize * dimensions
        self._count, self._crc = count, crc
        self._synced = (count, crc)
        self._named = False  # whether the folder has the file's name on the disk

    @classmethod
    def open(cls, folder: Path, reference: Mapping[str, Any], files: Files | None = None) -> "RowFile":
        """The file as it was when `reference` was given; what is beyond is cut off.

        Raises DamagedRows in words when it is not there, too short, or has changed.
        """
        known = _read_reference(reference)
        rows = cls.__new__(cls)
        rows._folder, rows._space, rows._files = folder, known.file.rsplit("-", 2)[0], files or Files()
        rows.dtype = np.dtype(known.dtype)
        rows._take(known.file, known.first, known.dimensions, known.count, known.crc)
        path = folder / known.file
        if not path.is_file():
            raise DamagedRows(f"{path}: is not there")
        with rows._opened(known.file) as file:
            _check(path, file, known)
            rows._files.truncate(file, known.count * known.width)
        return rows

    @contextmanager
    def _opened(self, name: str, flags: int = os.O_RDWR) -> Iterator[int]:
        """Open for a moment: of a window with many spaces there are many files."""
        file = self._files.open(self._folder / name, flags)
        try:
            yield file
        finally:
            os.close(file)

    @property
    def last(self) -> int:
        """The number after that of the newest row."""
        return self.first + self._count

    @property
    def nbytes(self) -> int:
        """Bytes of rows in the file."""
        return self._count * self._width

    def append(self, number: int, rows: np.ndarray) -> None:
        """Add rows, (n, dimensions), the first of which has this number; they are on the disk after `sync`.

        After a gap the rows before are needed no more, and a new file is begun. Raises ValueError for rows that are
        there already or of another length.
        """
        if rows.ndim != 2 or rows.shape[1] != self.dimensions or number < self.last:
            raise ValueError(
                f"rows {number} and on, of shape {rows.shape}, cannot follow the {self.dimensions} numbers each of the"
                f" rows before {self.last}"
            )
        if number > self.last:
            self._replace(number)
        data = self._bytes(rows)
        with self._opened(self.name) as file:
            self._write(file, data, self.nbytes)
        self._count, self._crc = self._count + len(rows), zlib.crc32(data, self._crc)

    def sync(self) -> None:
        """Bring all rows to the disk. When that fails, only those of the last `sync` that did not are held."""
        if self._named and self._synced == (self._count, self._crc):
            return
        try:
            with self._opened(self.name) as file:
                self._files.sync(file)
            if not self._named:
                sync_folder(self._files, self._folder)
        except OSError:
            # the system may have dropped what it could not write, and say nothing the next time
            self._count, self._crc = self._synced
            raise
        self._named, self._synced = True, (self._count, self._crc)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows `start` to before `stop`: (n, dimensions). Raises DamagedRows when they are not there."""
        if not self.first <= start <= stop <= self.last:
            raise DamagedRows(
                f"{self._folder / self.name}: rows {start} to {stop} were asked for, and it holds {self.first} to"
                f" {self.last}"
            )
        with self._opened(self.name) as file:
            data = _read(file, (start - self.first) * self._width, (stop - start) * self._width)
        if len(data) != (stop - start) * self._width:
            raise DamagedRows(f"{self._folder / self.name}: became shorter")
        native = self.dtype.newbyteorder("=")
        return np.frombuffer(data, dtype=self.dtype).astype(native, copy=False).reshape(-1, self.dimensions)

    def reference(self) -> dict[str, Any]:
        """What finds these rows again, as plain values for a snapshot. Only after `sync` does the disk keep to it."""
        known = Reference(self.name, self.first, self._count, self.dimensions, self._crc, self.dtype.str)
        return msgspec.to_builtins(known)

    def forget(self, before: int) -> None:
        """Rows before this number are needed no more: where they are the larger part, the others move to a new file.

        The old file stays for the snapshots that refer to it, until `remove_others`.
        """
        live = self.last - max(before, self.first)
        if before <= self.first or (self._count - live) <= live or (self._count - live) * self._width < SMALL:
            return
        self._replace(before)

    def _replace(self, first: int) -> None:
        """Go on in a new file that begins with this row, and is on the disk; when that fails, in the old one."""
        name = _name(self._space, first)
        part, count = name + PART, max(self.last - first, 0)
        with self._opened(part, NEW) as file:
            crc = self._copy(first, file)
            self._files.sync(file)
        self._files.rename(self._folder / part, self._folder / name)
        sync_folder(self._files, self._folder)
        self._take(name, first, self.dimensions, count, crc)
        self._named = True

    def _copy(self, first: int, file: int) -> int:
        """Write the rows from this one on to the start of another file; their checksum."""
        step, crc = max(READ // self._width, 1), 0
        for start in range(first, self.last, step):
            data = self._bytes(self.read(start, min(start + step, self.last)))
            self._write(file, data, (start - first) * self._width)
            crc = zlib.crc32(data, crc)
        return crc

    def _bytes(self, rows: np.ndarray) -> memoryview:
        return np.ascontiguousarray(rows, dtype=self.dtype).reshape(-1).view(np.uint8).data

    def _write(self, file: int, data: memoryview, offset: int) -> None:
        at = 0
        while at < len(data):
            at += self._files.write_at(file, data[at:], offset + at)


def remove_others(folder: Path, names: Collection[str], files: Files | None = None) -> int:
    """Remove all files of rows but these: what kept snapshots refer to and what is open. Returns how many went."""
    others = [path for path in folder.iterdir() if path.suffix in (ROWS, PART) and path.name not in names]
    for path in others:
        (files or Files()).unlink(path)
    return len(others)


def _name(space: str, first: int) -> str:
    return f"{space}-{first}-{token_hex(4)}{ROWS}"


def _read(file: int, offset: int, length: int) -> bytearray:
    """The bytes from `offset` on; fewer where the file ends."""
    data = bytearray(length)
    view, at = memoryview(data), 0
    while at < length and (count := os.preadv(file, [view[at:]], offset + at)):
        at += count
    view.release()
    del data[at:]
    return data


def _read_reference(reference: Any) -> Reference:
    try:
        known = msgspec.convert(reference, Reference)
    except msgspec.ValidationError as error:
        raise DamagedRows(f"a reference to rows is none: {error}") from None
    if os.path.basename(known.file) != known.file or not known.file.endswith(ROWS):
        raise DamagedRows(f"a reference to rows names the file {known.file!r}, expected a plain name with {ROWS}")
    if min(known.first, known.count, known.dimensions - 1) < 0:
        raise DamagedRows(f"{known.file}: a reference to {known.count} rows of {known.dimensions} numbers")
    if known.dtype not in DTYPES:
        raise DamagedRows(f"{known.file}: a reference to rows of {known.dtype!r}, expected one of {', '.join(DTYPES)}")
    return known


def _check(path: Path, file: int, known: Reference) -> None:
    length, crc = known.count * known.width, 0
    size = os.fstat(file).st_size
    if size < length:
        raise DamagedRows(f"{path}: has {size} bytes, expected at least {length}")
    for offset in range(0, length, READ):
        crc = zlib.crc32(_read(file, offset, min(READ, length - offset)), crc)
    if crc != known.crc:
        raise DamagedRows(f"{path}: its first {known.count} rows have changed: checksum {crc}, expected {known.crc}")
