"""Entries of several collections, written down as they change: one after the other, as the bytes of a space of rows.

A snapshot refers to the bytes up to the last. Whoever reads them takes the last that is said of each key; nothing said
(None) means that it went. So a minute costs what changed in it, and not what is held. Where more bytes are outdated
than not, or must not be kept any longer, all is written down anew in another space.

    bytes   pieces: the length of one in 4 bytes, little-endian, and msgpack: a list of [collection, key, value]
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from secrets import token_hex
from typing import Any, NamedTuple

import msgspec
import numpy as np

from detectors.kept import Changed, RowReader, Rows

#: bytes that may be outdated in any case
SPARE = 1 << 20
#: bytes that are read together
READ = 1 << 23
#: keys and values of one collection
Values = dict[Any, Any]


class Collection(NamedTuple):
    """What is kept of a collection. keys: all it has. value: of a key, as plain values; None where it has none."""

    keys: Callable[[], Iterable[Hashable]]
    value: Callable[[Any], Any]
    changed: Changed


class Entries:
    """The entries of collections, by name. Bytes are handed out once, and not held: who lost them gets all anew."""

    def __init__(self, collections: Mapping[str, Collection]) -> None:
        self._collections = collections
        #: names its bytes outside, and no others
        self._id = token_hex(8)
        self._last = 0
        #: what was not handed out yet, and the number of its first byte
        self._pieces: list[bytes] = []
        self._handed = 0
        #: bytes that all entries took when they were written down anew; None while they are
        self._whole: int | None = None
        self._is_to_begin = True

    def begin_anew(self) -> None:
        """What was written so far is needed, or wanted, no longer than until the next snapshot."""
        self._is_to_begin = True

    def tidy(self) -> None:
        """Begin anew where that is due. What follows takes longer than usual, so not while judging waits for it."""
        is_outdated = self._whole is not None and self._last > 2 * self._whole + SPARE
        if is_outdated or self._is_to_begin:
            self._begin()

    def _begin(self) -> None:
        self._id, self._whole, self._is_to_begin = token_hex(8), None, False
        self._pieces, self._handed, self._last = [], 0, 0
        for collection in self._collections.values():
            collection.changed.begin(collection.keys())

    def write_down(self, most: int) -> bool:
        """Write down at most so many entries that changed; whether there may be more."""
        if any(collection.changed.is_all for collection in self._collections.values()):
            self._begin()
        said: list[Any] = []
        for name, collection in self._collections.items():
            if len(said) < most:
                keys = collection.changed.take(most - len(said))
                said += [(name, key, collection.value(key)) for key in keys]
        if said:
            piece = msgspec.msgpack.encode(said)
            self._pieces += [len(piece).to_bytes(4, "little"), piece]
            self._last += 4 + len(piece)
        if len(said) < most:
            self._whole = self._last if self._whole is None else self._whole
        return len(said) >= most

    def row_spaces(self) -> dict[str, Rows]:
        """The bytes that count, by the id of their space."""
        return {self._id: Rows(0, self._last, 1, "|u1")}

    def rows_since(self, space: str, number: int, limit: int) -> tuple[int, np.ndarray]:
        """All bytes from this number on, whatever the limit: uint8 (n, 1).

        None where they are not held any more: all entries are then written down anew, in another space.
        """
        if space != self._id:
            raise KeyError(space)
        if number < self._handed:
            self._begin()
            return number, np.zeros((0, 1), dtype=np.uint8)
        data = np.frombuffer(b"".join(self._pieces), dtype=np.uint8)[max(number - self._handed, 0) :]
        self._pieces, self._handed = [], self._last
        return self._last - len(data), data[:, None]

    # -- what survives a restart

    def dump(self) -> dict[str, Any]:
        """What finds the bytes again."""
        return {"id": self._id, "last": self._last, "whole": self._whole}

    def load(self, state: Mapping[str, Any], read_rows: RowReader | None) -> dict[str, Values]:
        """Go on behind these bytes; what they say, by collection. Raises ValueError when they are none of ours.

        The collections have to be told what they said before the next `write_down`, and forget what has changed.
        """
        last = int(state["last"])
        if last and read_rows is None:
            raise ValueError(f"the state is of {last} bytes, and there is nothing to read them from")
        data = bytearray()
        for start in range(0, last, READ):
            assert read_rows is not None
            data += read_rows(state["id"], start, min(start + READ, last)).tobytes()
        values = _read(data, self._collections)
        self._id, self._last, self._whole = state["id"], last, state["whole"]
        self._pieces, self._handed, self._is_to_begin = [], last, False
        return values

    def is_written(self) -> None:
        """All that the collections hold now is what was loaded."""
        for collection in self._collections.values():
            collection.changed.begin(())


def _read(data: bytearray, names: Iterable[str]) -> dict[str, Values]:
    found: dict[str, Values] = {name: {} for name in names}
    view, at = memoryview(data), 0
    while at < len(view):
        end = at + 4 + int.from_bytes(view[at : at + 4], "little")
        for name, key, value in _said(view[at + 4 : end]):
            key = tuple(key) if isinstance(key, list) else key
            if value is None:
                found[name].pop(key, None)
            else:
                found[name][key] = value
        at = end
    return found


def _said(piece: memoryview) -> Sequence[Any]:
    try:
        said: list[Any] = msgspec.msgpack.decode(piece, type=list[tuple[str, Any, Any]])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"what was written down of clients cannot be read: {error}") from None
    return said
