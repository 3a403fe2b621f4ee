"""The ids that are remembered for retries, in a snapshot: generations that are over have files, which are written once.

A generation is up to 250,000 ids, 8 MB: only the newest ones stand in the snapshot itself.
"""

import logging
import time
import zlib
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from exporter.sources.duplicates import Duplicates
from exporter.storage.files import Files, close_quietly, replace

log = logging.getLogger(__name__)

SUFFIX = ".ids"
#: entries that are encoded together: for less than a millisecond, in which no other thread runs; and the seconds that
#: these are let run after each
PIECE, PAUSE = 1 << 12, 0.001


class DamagedIds(Exception):
    """A file does not hold the ids that a snapshot says."""


class Remembered:
    """Used by one thread at a time, but for `copy`, which is called between two batches."""

    def __init__(self, folder: Path, duplicates: Duplicates, files: Files | None = None) -> None:
        self._folder, self._duplicates, self._files = folder, duplicates, files or Files()
        #: checksums of the files that are there, by name of their generation
        self._written: dict[str, int] = {}

    def copy(self, waiting: Collection[Mapping[bytes, bytes]]) -> dict[str, Any]:
        """What `write` needs, without the ids of what waits; with the lock of the ids held."""
        return self._duplicates.copy(waiting, self._written)

    def write(self, copied: dict[str, Any]) -> dict[str, Any]:
        """Write the generations that are over and have no file yet; the state for the snapshot. Raises OSError."""
        generations = [self._kept(name, entries) for name, entries in copied["generations"]]
        return {**copied, "generations": generations}

    def _kept(self, name: str | None, entries: dict[bytes, bytes]) -> dict[str, Any]:
        if name is None:
            return {"pieces": list(_pieces(entries))}
        if name not in self._written:
            pieces, crc = list(_pieces(entries)), 0
            for piece in pieces:
                crc = zlib.crc32(piece, crc)
            framed = (part for piece in pieces for part in (len(piece).to_bytes(4, "little"), piece))
            close_quietly(replace(self._files, self._path(name), *framed))
            self._written[name] = crc
        return {"name": name, "crc": self._written[name]}

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{SUFFIX}"

    def load(self, state: Mapping[str, Any], whole: bool) -> None:
        """Go on from what `write` gave. Raises DamagedIds or OSError for a file that is not as it was, if `whole`."""
        self._written = {}
        generations = [self._read(kept, whole) for kept in state["generations"]]
        self._duplicates.load({**state, "generations": generations})

    def _read(self, kept: Mapping[str, Any], whole: bool) -> tuple[str | None, dict[bytes, bytes]]:
        if "pieces" in kept:
            return None, _joined(kept["pieces"])
        try:
            pieces = _checked(self._path(kept["name"]), kept["crc"])
        except (OSError, DamagedIds) as error:
            if whole:
                raise
            log.error("some ids are forgotten: a retry of theirs counts again", extra={"reason": str(error)})
            return None, {}
        self._written[kept["name"]] = kept["crc"]
        return kept["name"], _joined(pieces)

    def remove_others(self, names: Collection[str]) -> None:
        """Remove the files of all generations but these. Raises OSError."""
        for path in self._folder.glob(f"*{SUFFIX}"):
            if path.stem not in names:
                self._files.unlink(path)
        self._written = {name: crc for name, crc in self._written.items() if name in names}


def named(state: Mapping[str, Any]) -> frozenset[str]:
    """The names of the generations that have files, of a state that `write` gave."""
    return frozenset(kept["name"] for kept in state.get("generations", ()) if "name" in kept)


def _pieces(entries: dict[bytes, bytes]) -> Iterator[bytes]:
    items = iter(entries.items())
    while part := dict(islice(items, PIECE)):
        yield msgspec.msgpack.encode(part)
        time.sleep(PAUSE)


def _joined(pieces: Collection[bytes]) -> dict[bytes, bytes]:
    entries: dict[bytes, bytes] = {}
    for piece in pieces:
        entries.update(_decoder.decode(piece))
    return entries


def _checked(path: Path, crc: int) -> list[bytes]:
    data, pieces, at, found = path.read_bytes(), [], 0, 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "little")
        pieces.append(data[at + 4 : end])
        found, at = zlib.crc32(pieces[-1], found), end
    if found != crc:
        raise DamagedIds(f"{path}: its ids have changed: checksum {found}, expected {crc}")
    return pieces


_decoder = msgspec.msgpack.Decoder(dict[bytes, bytes])
