"""How far the files of the drop directory are judged: what journal and snapshots hold of them."""

import os
from typing import NamedTuple

import msgspec


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
    def stream(self) -> str:
        """What names the file among all streams of the source: device and inode."""
        return "{}:{}".format(*self.identity[:2])

    @property
    def failure(self) -> str | None:
        """Why the file as a whole failed, if it did: also one of which no record could be taken."""
        return self.broken or ("unreadable" if self.refused and not self.taken else None)
