"""What was learned, on the disk: one file a version, plain values only, the newest few of each query.

A file is a line of JSON that says what it is, and then one compressed MessagePack value for each series, each with its
length before it. A file that is broken, or of other options, is left alone and says why.
"""

import contextlib
import logging
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import msgspec

from detectors.kept import packed, unpacked
from detectors.series import Baseline, SeriesOptions
from detectors.series.contexts import without_season
from exporter.anomalies.blocks import Points
from exporter.anomalies.series import ORDINARY
from exporter.anomalies.watched import Trained, TrainedSeries
from exporter.config.anomalies import ResolvedQuery
from exporter.formats.native import BROKEN

log = logging.getLogger(__name__)
FORMAT = "vedette baselines 1"
SUFFIX = ".baselines"
LENGTH_BYTES = 4
#: beside the versions of a query: which of them people went back to
CHOSEN = "chosen.json"
#: of one series, unpacked; what is larger is not ours
LARGEST_SERIES = 64 << 20


class Heading(msgspec.Struct):
    """What a file holds."""

    format: str
    query: str
    expr: str
    step: float
    options: dict[str, Any]
    version: str
    until: float
    learned_at: float
    seconds: float
    series: int


class Chosen(msgspec.Struct, frozen=True):
    """A version that people went back to, and when."""

    version: str
    at: float


class Unusable(ValueError):
    """A file that cannot be used; the text says why."""


class Kept:
    """The versions of all queries below a folder. versions: how many of each are kept, the newest."""

    def __init__(self, folder: Path, versions: int) -> None:
        self._folder, self._versions = folder, versions

    def save(self, query: ResolvedQuery, trained: Trained) -> None:
        """Write a version, and delete those that are too many. Raises OSError."""
        folder = self._of(query.name)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / (trained.version + SUFFIX)
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            file.write(msgspec.json.encode(_heading(query, trained)) + b"\n")
            for identifier, learned in trained.series.items():
                _write_frame(file, _plain(identifier, learned))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        (folder / CHOSEN).unlink(missing_ok=True)
        for old in self._paths(query.name)[: -self._versions]:
            old.unlink(missing_ok=True)

    def choose(self, name: str, version: str, now: float) -> None:
        """Note that people went back to a version: it holds until another one is saved. Raises OSError."""
        path = self._of(name) / CHOSEN
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(msgspec.json.encode(Chosen(version, now)))
        os.replace(temporary, path)

    def chosen(self, name: str) -> Chosen | None:
        """The version that people went back to; None where they did not."""
        with contextlib.suppress(OSError, *BROKEN):
            return msgspec.json.decode((self._of(name) / CHOSEN).read_bytes(), type=Chosen)
        return None

    def versions(self, name: str) -> list[str]:
        """The versions that are there, the newest last."""
        return [path.name.removesuffix(SUFFIX) for path in self._paths(name)]

    def load(self, query: ResolvedQuery, version: str) -> Trained:
        """A version. Raises Unusable, also where it was learned with other options or from another expression."""
        path = self._of(query.name) / (version + SUFFIX)
        try:
            with path.open("rb") as file:
                heading = msgspec.json.decode(file.readline(1 << 20), type=Heading)
                _check(heading, query)
                series = dict(_series(frame, query.options) for frame in _frames(file))
        except (OSError, msgspec.MsgspecError, zlib.error, ValueError, KeyError, TypeError) as error:
            raise Unusable(f"{path}: {error}") from None
        if len(series) != heading.series:
            raise Unusable(f"{path}: {len(series)} series instead of {heading.series}: it was cut off")
        return Trained(version, series, heading.until, heading.learned_at, heading.seconds)

    def current(self, query: ResolvedQuery) -> Trained | None:
        """The version that people went back to, else the newest one, of those that can be used; None without one."""
        chosen, versions = self.chosen(query.name), self.versions(query.name)
        for version in ([chosen.version] if chosen and chosen.version in versions else []) + versions[::-1]:
            try:
                return self.load(query, version)
            except Unusable as error:
                log.warning("a baseline is learned anew", extra={"reason": str(error)})
        return None

    def _of(self, name: str) -> Path:
        folder = quote(name, safe="")
        return self._folder / (folder if folder.strip(".") else folder.replace(".", "%2E"))

    def _paths(self, name: str) -> list[Path]:
        with contextlib.suppress(FileNotFoundError):
            return sorted(path for path in self._of(name).iterdir() if path.name.endswith(SUFFIX))
        return []


def _heading(query: ResolvedQuery, trained: Trained) -> Heading:
    return Heading(
        FORMAT,
        query.name,
        query.expr,
        query.step,
        msgspec.structs.asdict(query.options),
        trained.version,
        trained.until,
        trained.learned_at,
        trained.seconds,
        len(trained.series),
    )


def _check(heading: Heading, query: ResolvedQuery) -> None:
    expected = (FORMAT, query.name, query.expr, query.step, msgspec.structs.asdict(query.options))
    if (heading.format, heading.query, heading.expr, heading.step, heading.options) != expected:
        raise ValueError("learned from another expression or with other options")


def _plain(identifier: str, learned: TrainedSeries) -> bytes:
    baselines = {name: baseline.dump_state() for name, baseline in learned.baselines.items()}
    value: dict[str, Any] = {"id": identifier, "labels": learned.labels, "points": learned.points}
    value["baselines"] = baselines
    if learned.residuals is not None:
        value["residuals"] = [packed(column) for column in learned.residuals]
    return zlib.compress(msgspec.msgpack.encode(value), 1)


def _write_frame(file: BinaryIO, content: bytes) -> None:
    file.write(len(content).to_bytes(LENGTH_BYTES, "big"))
    file.write(content)


def _frames(file: BinaryIO) -> Iterator[bytes]:
    while length := file.read(LENGTH_BYTES):
        size = int.from_bytes(length, "big")
        if size > LARGEST_SERIES:
            raise ValueError(f"a series of {size} bytes")
        content = file.read(size)
        if len(length) < LENGTH_BYTES or len(content) < size:
            raise ValueError("it was cut off")
        inflate = zlib.decompressobj()
        yield inflate.decompress(content, LARGEST_SERIES)


def _series(frame: bytes, options: SeriesOptions) -> tuple[str, TrainedSeries]:
    value = msgspec.msgpack.decode(frame)
    baselines = {}
    for name, state in value["baselines"].items():
        baselines[name] = Baseline(options if name == ORDINARY else without_season(options))
        baselines[name].load_state(state)
    residuals = Points(*(unpacked(column, "<f8") for column in value["residuals"])) if "residuals" in value else None
    return value["id"], TrainedSeries(value["labels"], baselines, value["points"], residuals)
