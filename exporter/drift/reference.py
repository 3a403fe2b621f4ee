"""References: what a model's queries are compared with, from where, and for which part of the day."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from detectors import Query
from detectors.drift.samples import Sample
from detectors.kept import in_words, packed, unpacked
from exporter.config import Drift, Limits
from exporter.drift.features import OTHERS
from exporter.drift.rows import CAPACITY, Rows
from exporter.formats import Refused, Unreadable, native, split, table

#: hours that are one season
SEASON_HOURS = 3
#: the arrays of a sample, and how they are kept
ARRAYS = {"values": "<f8", "numeric": "|b1", "vectors": "<f2"}


class Reference(NamedTuple):
    """A sample that stands still. source: first, file or window. version: the user's name of it."""

    sample: Sample
    source: str
    version: str


def season_of(seconds: float, season: str) -> str:
    """The part of the day or week (UTC) in which a moment lies: moments of one part are compared with each other.

    season: none, day (eight parts of three hours) or week (the same, working days and weekends apart).
    """
    if season == "none":
        return ""
    day, second = divmod(seconds, 86_400.0)
    part = f"{int(second // 3600) // SEASON_HOURS * SEASON_HOURS:02d}h"
    weekend = season == "week" and (int(day) + 3) % 7 >= 5  # 1 January 1970 was a Thursday
    return f"weekend-{part}" if weekend else part


def comparable(sample: Sample, reference: Reference) -> Sample:
    """A sample without what a file cannot tell: one of training data knows no answers, which are no drift then."""
    if reference.source != "file":
        return sample
    held = [place for place, name in enumerate(sample.names) if name in reference.sample.names or name not in OTHERS]
    names = tuple(sample.names[place] for place in held)
    return Sample(names, sample.values[:, held], sample.numeric[:, held], sample.vectors)


class Unusable(Exception):
    """The file cannot be a reference; why, in words."""


def from_file(path: str, version: str) -> Reference:
    """The reference in a file: CSV, or NDJSON of native events; rows that cannot be read are left out.

    A sample of CAPACITY rows where there are more. Raises Unusable.
    """
    rows = Rows(CAPACITY)
    try:
        for query in _queries(Path(path)):
            rows.add([query])
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror or error}") from None
    except Unreadable as error:
        raise Unusable(f"{path}: {error}") from None
    if not rows.seen:
        raise Unusable(f"{path}: no row could be read")
    return Reference(rows.sample(), "file", version)


def _queries(path: Path) -> Iterator[Query]:
    limits = Limits()
    with path.open("rb") as stream:
        lines = split.lines(stream, limits.body_bytes)
        yield from _of_table(lines, limits) if path.suffix == ".csv" else _of_events(lines, limits)


def _of_events(lines: Iterable[split.Record], limits: Limits) -> Iterator[Query]:
    for line in lines:
        if line.refused is None and line.raw.strip():
            try:
                yield native.decode_line(line.raw, limits)
            except Refused:
                continue


def _of_table(lines: Iterable[split.Record], limits: Limits) -> Iterator[Query]:
    columns: list[str] | None = None
    for row in table.rows(lines, limits.body_bytes):
        if row.refused is not None:
            continue
        try:
            if columns is None:
                columns = table.header(row.raw)
            else:
                yield native.from_fields(table.event(columns, row.raw), limits)
        except Refused:
            continue


def dump(reference: Reference) -> dict[str, Any]:
    """A reference as plain values."""
    sample = reference.sample
    arrays = {name: packed(getattr(sample, name)) for name in ARRAYS}
    return {**arrays, "names": list(sample.names), "source": reference.source, "version": reference.version}


def load(state: Any) -> Reference:
    """The reference of a dump. Raises ValueError when it is none."""
    with in_words():
        arrays = [unpacked(state[name], dtype) for name, dtype in ARRAYS.items()]
        return Reference(Sample(tuple(state["names"]), *arrays), state["source"], state["version"])


def is_configured(reference: Reference, config: Drift) -> bool:
    """Whether a kept reference is still what the configuration asks for; a window that somebody froze always is."""
    wanted = config.reference
    source = "first" if wanted.file is None else "file"
    return reference.source == "window" or (reference.version, reference.source) == (wanted.version, source)
