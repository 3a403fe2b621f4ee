"""One segment file of the journal: its name, its header, its records.

    header   8 bytes "VEDJRNL" and the version, u64 number of the first record, u32 CRC-32 of these 16
    record   u32 length of the payload, u32 CRC-32 of its number (u64) and the payload, the payload

Little-endian. Numbers are not written: a record's number is the first one plus its place, which its checksum confirms.
"""

import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from struct import Struct
from typing import BinaryIO

SUFFIX = ".journal"
MAGIC = b"VEDJRNL\x01"
HEADER = Struct("<8sQI")
RECORD = Struct("<II")
NUMBER = Struct("<Q")
#: records are joined up to this size for one write: larger pieces cost more to copy than the calls they save
PIECE_BYTES = 2**17
#: a length is a u32
MAX_RECORD_BYTES = 2**32 - 1


class Damaged(Exception):
    """From `offset` on the file holds no records: cut off, overwritten, or of another version."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"no record at byte {offset}")
        self.offset = offset


def segment_path(folder: Path, first: int) -> Path:
    """Where the segment stands whose first record has this number. Names sort as numbers do."""
    return folder / f"{first:020d}{SUFFIX}"


def first_numbers(folder: Path) -> list[int]:
    """The first numbers of all segments in a folder, in order. Other files are not looked at."""
    names = (path.stem for path in folder.glob(f"*{SUFFIX}"))
    return sorted(int(name) for name in names if len(name) == 20 and name.isascii() and name.isdigit())


def header(first: int) -> bytes:
    """What a segment begins with."""
    start = MAGIC + NUMBER.pack(first)
    return HEADER.pack(MAGIC, first, zlib.crc32(start))


def size_of(record: bytes) -> int:
    """Bytes that a record takes in a segment."""
    return RECORD.size + len(record)


def encode(first: int, records: Sequence[bytes]) -> Iterator[bytes]:
    """Records with their lengths and checksums, numbered from `first`, in pieces that are worth a write each."""
    parts: list[bytes] = []
    size = 0
    for number, record in enumerate(records, first):
        parts += (RECORD.pack(len(record), _checksum(number, record)), record)
        size += size_of(record)
        if size >= PIECE_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


def read_segment(path: Path, first: int) -> Iterator[tuple[bytes, int]]:
    """The records of a segment and the offset behind each.

    Raises Damaged where they end before the file does, OSError where it cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if file.read(HEADER.size) != header(first):
            raise Damaged(0)
        offset, number = HEADER.size, first
        while offset < size:
            record = _read_record(file, number, size - offset)
            if record is None:
                raise Damaged(offset)
            offset += RECORD.size + len(record)
            number += 1
            yield record, offset


def _read_record(file: BinaryIO, number: int, left: int) -> bytes | None:
    """The next record; None if there is none in the bytes that are left."""
    start = file.read(RECORD.size)
    if len(start) < RECORD.size:
        return None
    length, checksum = RECORD.unpack(start)
    if length > left - RECORD.size:  # seen before reading: a broken length must not ask for gigabytes
        return None
    record = file.read(length)
    return record if len(record) == length and _checksum(number, record) == checksum else None


def _checksum(number: int, record: bytes) -> int:
    return zlib.crc32(record, zlib.crc32(NUMBER.pack(number)))
