"""The course of the series of a query at a coarser step: in memory as arrays, and in a file that a restart reads."""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import msgspec
import numpy as np

from exporter.formats.native import BROKEN

log = logging.getLogger(__name__)
#: how long the course is kept, in points of its step: a week of five minutes
COURSE_POINTS = 2016


class Judged(NamedTuple):
    """A judged point, in the unit of the series; NaN where it could not be judged."""

    time: float
    value: float
    score: float
    expected: float
    lower: float
    upper: float


#: a point in the file: the id of its series, and the point
ROW = np.dtype([("series", "S16"), ("point", "<f8", (len(Judged._fields),))])


class Course:
    """The newest points of one series, each the oddest of its step. 97 kB when it is full.

    points: those that were, in the order of time, float64 (n, 6).
    """

    def __init__(self, points: np.ndarray | None = None) -> None:
        known = np.empty((0, len(Judged._fields))) if points is None else points[-COURSE_POINTS:]
        self._ring, self._at = known[:-1].copy(), 0
        #: the point of the step that lasts; of what was read, it may still do
        self.open_point = Judged(*known[-1].tolist()) if len(known) else None

    def take(self, point: Judged, step: float) -> Judged | None:
        """Take a judged point; the one of the step that has ended by it."""
        last = self.open_point
        if last is None or point.time - last.time >= step:
            self.open_point = point
            if last is not None:
                self._keep(last)
            return last
        if point.score > last.score:
            self.open_point = point._replace(time=last.time)
        return None

    def _keep(self, point: Judged) -> None:
        if len(self._ring) < COURSE_POINTS:
            self._ring = np.concatenate([self._ring, [point]])
        else:
            self._ring[self._at] = point
            self._at = (self._at + 1) % COURSE_POINTS

    def ended(self) -> np.ndarray:
        """The points of the steps that have ended, oldest first: float64 (n, 6)."""
        return np.roll(self._ring, -self._at, axis=0)

    def __iter__(self) -> Iterator[Judged]:
        yield from (Judged(*row) for row in self.ended().tolist())
        if self.open_point is not None:
            yield self.open_point

    def __len__(self) -> int:
        return len(self._ring) + (self.open_point is not None)


class CourseFiles:
    """One file a query below a folder, written anew once it holds twice what is to be kept; and one beside the folder,
    which says until when each query was judged.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._until = folder, folder.with_name("judged.json")
        self.failures = 0

    def append(self, query: str, points: Sequence[tuple[str, Judged]], whole: Mapping[str, Course]) -> None:
        """Write points behind the others. whole: all that is to be kept. A disk that takes nothing is counted."""
        rows = np.array([(identifier.encode(), tuple(point)) for identifier, point in points], ROW)
        path = self._path(query)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                # what a crash has cut off in the middle of a row
                file.truncate(file.tell() - file.tell() % ROW.itemsize)
                file.write(rows.tobytes())
                size = file.tell() // ROW.itemsize
            if size > 2 * COURSE_POINTS * max(len(whole), 1):
                self._write_anew(path, whole)
        except OSError as error:
            self.failures += 1
            log.error("the course of series was not written", extra={"query": query, "reason": error.strerror})

    def read(self, query: str) -> dict[str, Course]:
        """The courses by the id of the series; none where there is no file."""
        content = b""
        with contextlib.suppress(OSError):
            content = self._path(query).read_bytes()
        rows = np.frombuffer(content[: len(content) - len(content) % ROW.itemsize], ROW)
        known = [key for key in np.unique(rows["series"]) if key.isalnum()]  # what is no id, a disk has damaged
        return {key.decode(): Course(_once(rows["point"][rows["series"] == key])) for key in known}

    def write_until(self, times: Mapping[str, float]) -> None:
        """Write until when each query was judged."""
        temporary = self._until.with_suffix(".tmp")
        try:
            temporary.write_bytes(msgspec.json.encode(times))
            os.replace(temporary, self._until)
        except OSError as error:
            log.error("until when series were judged was not written", extra={"reason": error.strerror})

    def until(self) -> dict[str, float]:
        """Until when each query was judged, as far as it can be read."""
        with contextlib.suppress(OSError, *BROKEN):
            return msgspec.json.decode(self._until.read_bytes(), type=dict[str, float])
        return {}

    def _write_anew(self, path: Path, whole: Mapping[str, Course]) -> None:
        temporary = path.with_name(path.name + ".tmp")
        with temporary.open("wb") as file:
            for identifier, course in whole.items():
                points = course.ended()
                rows = np.empty(len(points), ROW)
                rows["series"], rows["point"] = identifier.encode(), points
                file.write(rows.tobytes())
        os.replace(temporary, path)

    def _path(self, query: str) -> Path:
        return self._folder / (quote(query, safe="").replace(".", "%2E") + ".points")


def _once(points: np.ndarray) -> np.ndarray:
    """The points in the order of time; what was written last of each, as a step that lasted is written twice."""
    _, last = np.unique(points[::-1, 0], return_index=True)
    return points[::-1][last]
