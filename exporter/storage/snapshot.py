"""Snapshot files: the whole state at one record of the journal. The newest good one counts; the one before is kept.

A file is written beside, synced, and given its name, so that it is there whole or not at all. Its header names the
version of its format and the checksum of what follows.
"""

import logging
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from exporter.storage.files import Files, close_quietly, replace

log = logging.getLogger(__name__)

MAGIC, VERSION = b"vedette snapshot", 2
SUFFIX, KEPT = ".snapshot", 2


class Unusable(ValueError):
    """A snapshot that is broken or of another version."""


class Snapshots:
    """The snapshots in a folder, named by the number of the last record of the journal that they cover."""

    def __init__(self, folder: Path, files: Files | None = None) -> None:
        self._folder, self._files = folder, files or Files()
        #: files that could not be used and were renamed
        self.set_aside = 0

    def save(self, number: int, state: Any, kept: int = KEPT) -> int:
        """Write a snapshot, and keep so many in all; the number of the oldest of them. Raises OSError."""
        body = msgspec.msgpack.encode(state)
        head = MAGIC + VERSION.to_bytes(4, "little") + zlib.crc32(body).to_bytes(4, "little")
        close_quietly(replace(self._files, self._path(number), head, body))
        for old in self.numbers()[kept:]:
            self._files.unlink(self._path(old))
        return self.numbers()[-1]

    def load(self) -> Iterator[tuple[int, Any]]:
        """The good snapshots, newest first. What cannot be used is set aside under another name."""
        for number in self.numbers():
            path = self._path(number)
            try:
                yield number, _read(path)
            except (OSError, Unusable) as error:
                log.warning("a snapshot cannot be used", extra={"path": str(path), "reason": str(error)})
                self.reject(number)

    def reject(self, number: int) -> None:
        """Set a snapshot aside: it stays for people to look at."""
        self.set_aside += 1
        path = self._path(number)
        try:
            self._files.rename(path, path.with_suffix(".unusable"))
        except OSError as error:  # it is passed over the next time too
            log.error("cannot set a snapshot aside", extra={"path": str(path), "reason": error.strerror})

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:020d}{SUFFIX}"

    def numbers(self) -> list[int]:
        """What there is, newest first."""
        names = (path.stem for path in self._folder.glob(f"*{SUFFIX}"))
        return sorted(
            (int(name) for name in names if len(name) == 20 and name.isascii() and name.isdigit()), reverse=True
        )


def _read(path: Path) -> Any:
    data = path.read_bytes()
    head, body = data[: len(MAGIC) + 8], data[len(MAGIC) + 8 :]
    if head[: len(MAGIC)] != MAGIC:
        raise Unusable("no snapshot")
    version = int.from_bytes(head[len(MAGIC) : len(MAGIC) + 4], "little")
    if version != VERSION:
        raise Unusable(f"version {version}, expected {VERSION}")
    if zlib.crc32(body) != int.from_bytes(head[-4:], "little"):
        raise Unusable("its checksum is wrong")
    try:
        return msgspec.msgpack.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unusable(str(error)) from None
