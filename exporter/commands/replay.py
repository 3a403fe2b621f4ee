"""`vedette replay`: a log through the evidence, to see what would have fired before anything is turned on."""

import argparse
import gzip
import os
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import BinaryIO, NamedTuple

import msgspec

from detectors import Query
from exporter.clients import Verdict
from exporter.clients.bits import ALARM, ALARM_RATIO, FAMILIES, SEVERE_RATIO
from exporter.commands import Failure
from exporter.commands.check import read_config
from exporter.config import Limits
from exporter.formats import Refused, native
from exporter.formats.split import TooLarge, lines
from exporter.replaying import Replay

#: records that are judged together
BATCH = 1_000
#: seconds between two states of the progress bar
INTERVAL = 0.2
#: clients that are shown
SHOWN = 20
_encode = msgspec.json.Encoder().encode


class Record(NamedTuple):
    """One line of a log: its query, or why it was refused. end: bytes of the file read so far."""

    query: Query | None
    refused: str
    end: int


class Line(msgspec.Struct):
    """What `--json` prints of one query."""

    id: str | None
    client: str | None
    level: str
    flags: Sequence[str]
    reasons: Sequence[str]


def replay(options: argparse.Namespace) -> None:
    """Judge the files in their order. Raises Failure for a file that cannot be read."""
    config = read_config(options.config_file)
    replaying = Replay(config)
    if options.warm_up is not None:
        _calibrate(replaying, options.warm_up, config.limits)
    report = _Lines() if options.json else _Tables(replaying)
    for path in options.files:
        bar = _Bar(path)
        for part in _batched(_records(path, config.limits)):
            queries = [record.query for record in part if record.query is not None]
            verdicts = iter(replaying.feed(queries))
            for record in part:
                report.add(record, next(verdicts) if record.query is not None else None)
            bar.show(part[-1].end)
        bar.clear()
    report.end()


def _calibrate(replaying: Replay, path: str, limits: Limits) -> None:
    records = list(_records(path, limits))
    few = replaying.calibrate([record.query for record in records if record.query is not None])
    if not replaying.models or len(few) == len(replaying.models):
        raise Failure(f"{path}: {len(records)} lines hold too few queries of any model to learn from")


# -- reading


@contextmanager
def _opened(path: str) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The stream as it lies there, and as it is read: unpacked where it is gzip. Raises Failure."""
    try:
        with open(0 if path == "-" else path, "rb", closefd=path != "-") as raw:
            if raw.peek(2)[:2] == b"\x1f\x8b":
                with gzip.open(raw, "rb") as unpacked:
                    yield raw, unpacked  # type: ignore[misc]
            else:
                yield raw, raw
    except TooLarge as error:
        raise Failure(f"{path}: {error}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise Failure(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _records(path: str, limits: Limits) -> Iterator[Record]:
    """The lines of a file that are not blank, decoded."""
    with _opened(path) as (raw, stream):
        for line in lines(stream, limits.body_bytes):
            if line.raw.strip():
                end = raw.tell() if path != "-" else 0
                yield _record(line.raw, line.refused, limits, end)


def _record(raw: bytes, refused: Refused | None, limits: Limits, end: int) -> Record:
    try:
        if refused is not None:
            raise refused
        return Record(native.decode_line(raw, limits), "", end)
    except Refused as error:
        return Record(None, error.reason, end)


def _batched(records: Iterator[Record]) -> Iterator[list[Record]]:
    part: list[Record] = []
    for record in records:
        part.append(record)
        if len(part) == BATCH:
            yield part
            part = []
    if part:
        yield part


class _Bar:
    """A progress bar on standard error, where that is a terminal and the size of the file is known."""

    def __init__(self, path: str) -> None:
        self._name = os.path.basename(path)
        self._size = os.path.getsize(path) if path != "-" and os.path.isfile(path) else 0
        self._shown = sys.stderr.isatty() and self._size > 0
        self._next = time.monotonic() + INTERVAL

    def show(self, end: int) -> None:
        """Show how far it is, now and then."""
        if self._shown and time.monotonic() >= self._next:
            self._next = time.monotonic() + INTERVAL
            share = min(end / self._size, 1.0)
            print(f"\r{self._name} [{'#' * round(30 * share):<30}] {share:4.0%}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Leave the line as it was."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


# -- what is printed


class _Lines:
    """One JSON object a query, in order."""

    def add(self, record: Record, verdict: Verdict | None) -> None:
        """Print one."""
        if record.query is None or verdict is None:
            line = Line(None, None, "rejected", (), (record.refused,))
        else:
            line = Line(record.query.id, record.query.client, verdict.level, verdict.flags, verdict.reasons)
        sys.stdout.write(_encode(line).decode() + "\n")

    def end(self) -> None:
        """Nothing more."""


class _First(msgspec.Struct):
    """When and where a client was first in alarm."""

    queries: int = 0
    query: int = 0
    time: float = 0.0
    level: str = ""


class _Tables:
    """What happened, for people."""

    def __init__(self, replaying: Replay) -> None:
        self._replaying = replaying
        self._records = self._rejected = self._warming_up = 0
        self._clients: dict[tuple[str, str], _First] = {}
        self._reason = ""

    def add(self, record: Record, verdict: Verdict | None) -> None:
        """Count one."""
        self._records += 1
        if record.query is None or verdict is None:
            self._rejected += 1
            self._reason = self._reason or record.refused
            return
        self._warming_up += verdict.level == "warming_up"
        if record.query.client is None:
            return
        first = self._clients.setdefault((self._replaying.label(record.query), record.query.client), _First())
        first.queries += 1
        if verdict.level in ("alarm", "severe"):
            if not first.level:
                first.query, first.time = first.queries, record.query.timestamp or 0.0
            first.level = max(first.level, verdict.level)  # "severe" is after "alarm" in the alphabet as well

    def end(self) -> None:
        """Print it."""
        print(f"{self._records} lines, {self._rejected} rejected, {self._warming_up} to learn what is natural")
        if self._rejected:
            print(f"first rejected for: {self._reason}")
        for label in self._replaying.models:
            self._model(label)

    def _model(self, label: str) -> None:
        model = self._replaying.models[label]
        print(f"\nmodel {label}, profile {model.settings.profile}")
        read = model.read
        if not read.is_warm:
            print(f"  still learning what is natural: {read.warm_up_ratio():.0%} of the queries that it takes")
            return
        for bit in read.bits():
            if bit.off and bit.in_profile:
                print(f"  {bit.name} is off: {bit.off}")
        self._print_clients(label)
        _print_alerts(label, self._replaying, {key: first for key, first in self._clients.items() if key[0] == label})
        for found in read.suggestions():
            print(f"  {found.client} sends the same query every {found.interval_seconds:.0f} s: for clients.allow?")

    def _print_clients(self, label: str) -> None:
        views = self._replaying.models[label].read.clients(self._replaying.now)
        rows: list[Sequence[str]] = [("client", "level now", "S/h", "queries", "first alarm", "at query", *FAMILIES)]
        for view in views[:SHOWN]:
            first = self._clients.get((label, view.client), _First())
            when = _when(first.time) if first.level else "-"
            families = [f"{view.families[name]:.2f}" for name in FAMILIES]
            at = str(first.query) if first.level else "-"
            rows.append((view.client, view.level, f"{view.suspicion:.2f}", str(view.queries), when, at, *families))
        _print_table(rows)
        if len(views) > SHOWN:
            print(f"  and {len(views) - SHOWN} more")


def _print_alerts(label: str, replaying: Replay, clients: dict[tuple[str, str], _First]) -> None:
    model = replaying.models[label]
    severe = sum(first.level == "severe" for first in clients.values())
    alarm = sum(first.level == "alarm" for first in clients.values())
    clusters = model.read.clusters()
    shared = [cluster for cluster in clusters if cluster.accounts == "several"]
    unnamed = [cluster for cluster in clusters if cluster.accounts == "none"]
    copied = model.counts.alarms["uncertainty"] + model.counts.alarms["distribution"]
    rows = [
        ("alert that would have fired", "severity", "threshold", "times"),
        ("VedetteClientSuspicious", "critical", f"S/h ≥ {SEVERE_RATIO:g}, or two families ≥ {ALARM_RATIO:g}", severe),
        ("VedetteClientSuspicious", "warning", f"S/h ≥ {ALARM_RATIO:g}, h = {ALARM:g}", alarm),
        ("VedetteClusterOverAccounts", "critical", _variants(model.memory.profile.cluster_variants), len(shared)),
        ("VedetteClusterWithoutClient", "warning", _variants(model.memory.profile.cluster_variants), len(unnamed)),
        ("VedetteExtractionSuspected", "warning", "uncertainty or distribution in alarm", copied),
    ]
    fired = [row for row in rows[1:] if row[3]]
    if fired:
        _print_table([tuple(map(str, row)) for row in rows[:1] + fired])
    else:
        print("  no alert would have fired")


def _variants(count: int | None) -> str:
    return "4 variants, 2 label changes" + (f", or {count} variants" if count else "")


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
