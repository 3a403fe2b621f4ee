"""The rows of all similarity windows, in files beside the snapshots: copied in slices, so that judging hardly waits."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from exporter.models import Models, Tally
from exporter.storage.rows import DamagedRows, RowFile, remove_others

#: rows that are copied while judging waits
SLICE = 4096
Result = TypeVar("Result")
#: does something between two batches
Between = Callable[[Callable[[], Result]], Result]
References = dict[str, dict[str, Any]]


class Windows:
    """One file for each space of each detector that holds rows. Used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, RowFile] = {}

    def read(self, references: References) -> Callable[[str, int, int], np.ndarray]:
        """What reads rows from the files of a snapshot, and raises DamagedRows where they are not there."""
        self.close()

        def rows(space: str, start: int, stop: int) -> np.ndarray:
            if space not in references:
                raise DamagedRows(f"the snapshot names no file of the rows {space}")
            if space not in self._files:
                self._files[space] = RowFile.open(self._folder, references[space])
            return self._files[space].read(start, stop)

        return rows

    def catch_up(self, models: Callable[[], Models], between: Between[bool]) -> None:
        """Append what is new, slice by slice, until little is left. Raises OSError."""
        while between(lambda: self._copy(models())):
            pass
        for file in self._files.values():
            file.sync()

    def finish(self, models: Models) -> References:
        """Append the rest, between two batches; the files as they are once they are synced. Raises OSError."""
        while self._copy(models):
            pass
        held = dict(_spaces(models))
        for space in [space for space in self._files if space not in held]:
            self._files.pop(space).close()
        for space, tally in held.items():
            self._files[space].forget(tally.detector.row_spaces()[space].first)
        return {space: file.reference() for space, file in self._files.items()}

    def sync(self) -> None:
        """Bring all to the disk."""
        for file in self._files.values():
            file.sync()

    def _copy(self, models: Models) -> bool:
        """Append at most one slice; whether there may be more."""
        for space, tally in _spaces(models):
            rows = tally.detector.row_spaces()[space]
            file = self._files.get(space)
            if file is None:
                file = self._files[space] = RowFile(self._folder, space, rows.dimensions, rows.first)
            if file.last < rows.last:
                number, new = tally.detector.rows_since(space, file.last, SLICE)
                file.append(number, new)
                return True
        return False

    def remove_others(self, references: References) -> None:
        """Remove the files that neither these references nor the open files name."""
        names = {reference["file"] for reference in references.values()}
        remove_others(self._folder, names | {file.name for file in self._files.values()})

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()
        self._files = {}


def _spaces(models: Models) -> Iterator[tuple[str, Tally]]:
    for model in models.by_label.values():
        for tally in model.tallies:
            for space in tally.detector.row_spaces():
                yield space, tally
