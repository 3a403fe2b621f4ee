"""The rows of all similarity windows, in files beside the snapshots: copied in slices, so that judging hardly waits."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from detectors.kept import Rows
from exporter.models import Models, Tally
from exporter.storage.files import Files
from exporter.storage.rows import DamagedRows, RowFile, remove_others

#: rows that are copied while judging waits, and as how many of them it counts to open a file
SLICE, OPENED = 4096, 64
Result = TypeVar("Result")
References = dict[str, dict[str, Any]]


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
        while between(lambda: self._copy(models())):
            pass
        firsts = between(lambda: {space: rows.first for space, rows, _ in _spaces(models())})
        for space, file in self._files.items():
            file.forget(firsts.get(space, file.first))  # may copy much; judging goes on meanwhile
        self.sync()
        while between(lambda: self._copy(models())):
            pass

    def finish(self, models: Models) -> References:
        """Append the rest, between two batches; the files as they are once they are synced. Raises OSError."""
        while self._copy(models):
            pass
        held = {space for space, _, _ in _spaces(models)}
        self._files = {space: file for space, file in self._files.items() if space in held}
        return {space: file.reference() for space, file in self._files.items()}

    def sync(self) -> None:
        """Bring all to the disk."""
        for file in self._files.values():
            file.sync()

    def _copy(self, models: Models) -> bool:
        """Append at most about one slice; whether there may be more."""
        left = SLICE
        for space, rows, tally in _spaces(models):
            file = self._files.get(space)
            if file is None:
                file = self._files[space] = RowFile(self._folder, space, rows.dimensions, rows.first, self._calls)
                left -= OPENED
            if file.last < rows.last:
                number, new = tally.detector.rows_since(space, file.last, max(left, 1))
                file.append(number, new)
                left -= len(new) + OPENED
            if left <= 0:
                return True
        return False

    def remove_others(self, references: References) -> None:
        """Remove the files that neither these references nor the open files name."""
        names = {reference["file"] for reference in references.values()}
        remove_others(self._folder, names | {file.name for file in self._files.values()}, self._calls)


def _spaces(models: Models) -> Iterator[tuple[str, Rows, Tally]]:
    for model in models.by_label.values():
        for tally in model.tallies:
            for space, rows in tally.detector.row_spaces().items():
                yield space, rows, tally
