"""The rows of all windows, in files beside the snapshots: copied in slices, so that judging hardly waits."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from detectors.kept import Rows
from exporter.models import Models
from exporter.storage.files import Files
from exporter.storage.rows import DamagedRows, RowFile, remove_others

#: bytes that are copied while judging waits, entries that are written down, and seconds after which no more is begun
SLICE, ENTRIES, SECONDS = 1 << 22, 64, 0.005
Result = TypeVar("Result")
References = dict[str, dict[str, Any]]


class Piece(NamedTuple):
    """Rows of a space that are in no file yet, and the number of the first of them."""

    space: str
    rows: Rows
    number: int
    copied: np.ndarray


class Rest(NamedTuple):
    """What was still to be copied when a snapshot was taken, and the spaces that there were."""

    pieces: list[Piece]
    spaces: set[str]


class Between(Protocol):
    """Does something between two batches."""

    def __call__(self, call: Callable[[], Result]) -> Result:
        """Do it and wait for what comes of it."""
        ...


class Windows:
    """One file for each space of each detector that holds rows. Used by one thread at a time."""

    def __init__(self, folder: Path, files: Files | None = None) -> None:
        self._folder, self._calls = folder, files or Files()
        self._files: dict[str, RowFile] = {}
        #: of each space, the number up to which it was copied
        self._copied: dict[str, int] = {}
        #: why rows could not be read at the start, the first reason
        self.damage: Exception | None = None

    def read(self, references: References) -> Callable[[str, int, int], np.ndarray]:
        """What reads rows from the files of a snapshot, and raises DamagedRows where they are not there."""
        self._files, self.damage = {}, None

        def rows(space: str, start: int, stop: int) -> np.ndarray:
            try:
                return self._file(references, space).read(start, stop)
            except (DamagedRows, OSError) as error:
                self.damage = self.damage or error
                raise

        return rows

    def _file(self, references: References, space: str) -> RowFile:
        if space not in references:
            raise DamagedRows(f"the snapshot names no file of the rows {space}")
        if space not in self._files:
            self._files[space] = RowFile.open(self._folder, references[space], self._calls)
        return self._files[space]

    def catch_up(self, models: Callable[[], Models], between: Between) -> None:
        """Append what is new, slice by slice, until little is left. Raises OSError."""
        self._copied = {space: file.last for space, file in self._files.items()}
        between(lambda: _tidy(models()))
        self._append_slices(models, between)
        firsts = between(lambda: {space: rows.first for space, rows, _ in _spaces(models())})
        for space, file in self._files.items():
            file.forget(firsts.get(space, file.first))  # may copy much; judging goes on meanwhile
        self.sync()
        self._append_slices(models, between)

    def _append_slices(self, models: Callable[[], Models], between: Between) -> None:
        more = True
        while more:
            pieces, more = between(lambda: self._copy(models()))
            self._append(pieces)

    def rest(self, models: Models) -> Rest:
        """Copy what is left, between two batches."""
        pieces, more = self._copy(models)
        while more:
            others, more = self._copy(models)
            pieces += others
        return Rest(pieces, {space for space, _, _ in _spaces(models)})

    def finish(self, rest: Rest) -> References:
        """Append the rest; the files as they are once they are synced. Raises OSError."""
        self._append(rest.pieces)
        self._files = {space: file for space, file in self._files.items() if space in rest.spaces}
        return {space: file.reference() for space, file in self._files.items()}

    def sync(self) -> None:
        """Bring all to the disk."""
        for file in self._files.values():
            file.sync()

    def _copy(self, models: Models) -> tuple[list[Piece], bool]:
        """At most about one slice, and whether there may be more. Called between two batches."""
        pieces: list[Piece] = []
        left, until = SLICE, monotonic() + SECONDS
        more = _write_down(models, until)
        for space, rows, window in _spaces(models):
            at = self._copied.get(space, rows.first)
            if at >= rows.last:
                continue
            if left <= 0 or monotonic() > until:
                return pieces, True
            number, copied = window.rows_since(space, at, max(left // (rows.dimensions * int(rows.dtype[2:])), 1))
            pieces.append(Piece(space, rows, number, copied))
            self._copied[space] = number + len(copied)
            left -= copied.nbytes
            more |= self._copied[space] < rows.last
        return pieces, more

    def _append(self, pieces: list[Piece]) -> None:
        for space, rows, number, copied in pieces:
            file = self._files.get(space)
            if file is None:
                file = RowFile(self._folder, space, rows.dimensions, number, self._calls, rows.dtype)
                self._files[space] = file
            file.append(number, copied)

    def remove_others(self, names: Collection[str]) -> None:
        """Remove the files that are neither among these nor open."""
        remove_others(self._folder, {*names, *(file.name for file in self._files.values())}, self._calls)


def _tidy(models: Models) -> None:
    for model in models.by_label.values():
        if model.suspicion is not None:
            model.suspicion.tidy()


def _write_down(models: Models, until: float) -> bool:
    """Have entries on clients written down until then; whether there may be more."""
    for model in models.by_label.values():
        while model.suspicion is not None and model.suspicion.write_down(ENTRIES):
            if monotonic() > until:
                return True
    return False


def _spaces(models: Models) -> Iterator[tuple[str, Rows, Any]]:
    for model in models.by_label.values():
        for window in model.windows():
            for space, rows in window.row_spaces().items():
                yield space, rows, window
