"""How far the files of the drop directory are judged, kept over a restart."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

log = logging.getLogger(__name__)

VERSION = 1


class Identity(NamedTuple):
    """What tells one file from another: under the same name a new file has another one."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Identity":
        """The identity in what stat, lstat or fstat says."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class Position(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A place between two records of a file, and what came of the records before it.

    name: for people; a file is known by its identity. offset: decompressed bytes before the place. line: number of
    the line there, from 1. taken, refused: records so far. ended: nothing of the file is left to read. broken: why not
    all of it could be read.
    """

    name: str
    identity: Identity
    offset: int = 0
    line: int = 1
    taken: int = 0
    refused: int = 0
    ended: bool = False
    broken: str | None = None

    @property
    def failure(self) -> str | None:
        """Why the file as a whole failed, if it did: also one of which no record could be taken."""
        return self.broken or ("unreadable" if self.refused and not self.taken else None)


class _Stored(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    files: list[Position]


def load(path: Path) -> list[Position]:
    """The positions that were saved, none if there are none. What cannot be read is set aside as NAME.unreadable."""
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=_Stored)
        if stored.version != VERSION:
            raise ValueError(f"version {stored.version}, expected {VERSION}")
    except FileNotFoundError:
        return []
    except ValueError as error:
        why = {"path": str(path), "reason": str(error)}
        log.warning("positions of drop files are of no use: unfinished files are read anew", extra=why)
        os.replace(path, path.with_name(path.name + ".unreadable"))
        return []
    return stored.files


def save(path: Path, positions: Iterable[Position]) -> None:
    """Write the positions so that the file holds the old ones or the new ones at any moment. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    with new.open("wb") as stream:
        stream.write(msgspec.json.encode(_Stored(VERSION, list(positions))))
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(new, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
