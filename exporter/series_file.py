"""Series in CSV: a heading, then `timestamp,value`, one point a line."""

import csv
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

#: a value left empty or written so is a point without a value
NO_VALUE = {"", "nan", "null", "none", "na", "n/a"}


class Series(NamedTuple):
    """stamps: the times as they were written. times: seconds since 1970, float64 (n,). values: NaN where none."""

    stamps: list[str]
    times: np.ndarray
    values: np.ndarray


class SeriesError(ValueError):
    """A file that is no series; the text begins with file and line."""


def read(path: str) -> Series:
    """The series in a file. Raises SeriesError, naming the first line that is wrong."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(_rows(path, file))
    except OSError as error:
        raise SeriesError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SeriesError(f"{path}: not UTF-8") from None
    if not rows:
        raise SeriesError(f"{path}: expected points below the heading, got none")
    stamps, times, values = zip(*rows, strict=True)
    # time never runs backwards: a late point counts as of the latest time seen
    return Series(list(stamps), np.maximum.accumulate(np.array(times)), np.array(values))


def _rows(path: str, file: Iterator[str]) -> Iterator[tuple[str, float, float]]:
    reader = csv.reader(file)
    try:
        heading = [name.strip().lower() for name in next(reader, [])]
        if heading[:2] != ["timestamp", "value"]:
            raise SeriesError(f"{path}:1: expected the heading timestamp,value, got {','.join(heading)[:80]!r}")
        for row in reader:
            if row:
                yield _point(row, f"{path}:{reader.line_num}")
    except csv.Error as error:
        raise SeriesError(f"{path}:{reader.line_num}: not CSV: {error}") from None


def _point(row: list[str], where: str) -> tuple[str, float, float]:
    if len(row) < 2:
        raise SeriesError(f"{where}: expected timestamp,value, got {','.join(row)[:80]!r}")
    try:
        return row[0], seconds(row[0]), number(row[1])
    except ValueError as error:
        raise SeriesError(f"{where}: {error}") from None


def seconds(text: str) -> float:
    """Seconds since 1970 from an ISO time (UTC unless it says otherwise) or from a number of seconds.

    Raises ValueError for anything else, and for times that a calendar does not have.
    """
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if found != found:
        try:
            stamp = datetime.fromisoformat(text.strip())
        except ValueError:
            raise ValueError(f"expected a time such as 2026-01-31 12:00:00, got {text[:40]!r}") from None
        found = (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()
    if not 0 <= found < 253_402_300_800:  # the year 10000
        raise ValueError(f"expected a time from 1970 to 9999 (in seconds, not milliseconds), got {text[:40]!r}")
    return found


def number(text: str) -> float:
    """A value; NaN where there is none. Raises ValueError for what is no finite number."""
    if text.strip().lower() in NO_VALUE:
        return math.nan
    try:
        found = float(text)
    except ValueError:
        found = math.inf
    if not math.isfinite(found):
        raise ValueError(f"expected a number, got {text[:40]!r}")
    return found
