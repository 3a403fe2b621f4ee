"""What should have come of a run: its journal, judged once more from its beginning and without interruption.

A journal forgets what two snapshots cover, so its files are kept under second names while the program is down.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from exporter import record
from exporter.clients import Suspicion
from exporter.clients.views import ClientView
from exporter.config_file import load
from exporter.delivery import Delivery
from exporter.models import Models
from exporter.pipeline import Pipeline
from exporter.recovery.keeper import Keeper
from exporter.sources.duplicates import Duplicates
from exporter.storage.journal import Journal
from exporter.storage.secret import kept_secret
from exporter.tally import Tally

#: queries that are judged together score within this of queries that are judged one by one
TOLERANCE = 1e-5
LARGE = 1 << 40


class KeptJournal:
    """Second names for all files that a journal ever had."""

    def __init__(self, journal: Path, kept: Path) -> None:
        self._journal, self._kept = journal, kept
        kept.mkdir()

    def keep(self) -> None:
        """Name what is there; while nothing writes to it."""
        for segment in self._journal.glob("*.journal"):
            second = self._kept / segment.name
            if second.exists() and not second.samefile(segment):
                second.unlink()  # it held no good record, and another took its place
            if not second.exists():
                os.link(segment, second)

    def deliveries(self) -> Iterator[Delivery]:
        """All that was ever written down, in order. Raises JournalGap where something is missing."""
        journal = Journal(self._kept, max_bytes=LARGE, sync=False)
        try:
            for number, written in journal.replay(0):
                delivery = record.decode(written)
                delivery.number = number
                yield delivery
        finally:
            journal.stop()


def judged_at_once(config_file: Path, journal: KeptJournal, secret: int = 0) -> tuple[Pipeline, Counter[str]]:
    """The pipeline after an uninterrupted run over the journal, and how often each query stands in it."""
    pipeline = _pipeline(config_file, secret)
    times: Counter[str] = Counter()
    for delivery in journal.deliveries():
        times.update(str(query.id or query.input_data) for query in delivery.queries)
        pipeline.judge([delivery])
    return pipeline, times


def recovered(config_file: Path, state: Path) -> Pipeline:
    """The pipeline that a start on this state folder brings back."""
    pipeline = _pipeline(config_file, kept_secret(state))
    journal = Journal(state / "journal", max_bytes=LARGE, sync=False)
    try:
        Keeper(state, pipeline.models.config, pipeline, Duplicates(), journal).recover()
    finally:
        journal.stop()
    return pipeline


def _pipeline(config_file: Path, secret: int) -> Pipeline:
    return Pipeline(Models(load(config_file), secret=secret), LARGE, LARGE)


def differences(ours: Pipeline, truth: Pipeline) -> list[str]:
    """In what the models of two pipelines differ: counts, windows, and what detectors say of themselves."""
    found = []
    for label in sorted(ours.models.by_label.keys() | truth.models.by_label.keys()):
        one, other = (pipeline.models.by_label.get(label) for pipeline in (ours, truth))
        if one is None or other is None:
            found.append(f"{label}: is there once only")
            continue
        for name in ("queries", "suspicious", "without_client", "ids_reused"):
            if getattr(one, name) != getattr(other, name):
                found.append(f"{label}: {name} {getattr(one, name)}, not {getattr(other, name)}")
        found += [f"{label}/clients: {what}" for what in _client_differences(one.suspicion, other.suspicion)]
        for ours_, theirs in zip(one.tallies, other.tallies, strict=True):
            found += [f"{label}/{ours_.name}: {what}" for what in _tally_differences(ours_, theirs)]
    return found


def _client_differences(one: Suspicion | None, other: Suspicion | None) -> Iterator[str]:
    """In what clients, clusters and counts of alarms differ."""
    if one is None or other is None:
        return
    for name in ("alarms", "dismissed", "without_client"):
        if getattr(one.counts, name) != getattr(other.counts, name):
            yield f"{name} {getattr(one.counts, name)!r:.200}, not {getattr(other.counts, name)!r:.200}"
    ours, theirs = ({view.client: view for view in each.read.clients(0.0)} for each in (one, other))
    for client in sorted(ours.keys() | theirs.keys()):
        if not _same_views(ours.get(client), theirs.get(client)):
            yield f"{client} is {ours.get(client)!r:.200}, not {theirs.get(client)!r:.200}"
    (clusters, queries), others = ((each.read.clusters(), each.read.window_queries()) for each in (one, other))
    if (clusters, queries) != others:
        yield f"{len(clusters)} clusters in alarm and {queries} queries, not as they should be"


def _same_views(one: ClientView | None, other: ClientView | None) -> bool:
    """Whether a client is the same twice, but for the rounding of its sums."""
    if one is None or other is None:
        return False
    numbers = [[*view.bits.values(), view.suspicion, view.volume, view.coverage] for view in (one, other)]
    rest = [replace(view, bits={}, families={}, suspicion=0, volume=0, coverage=0) for view in (one, other)]
    return rest[0] == rest[1] and bool(np.allclose(*numbers, atol=TOLERANCE))


def _tally_differences(one: Tally, other: Tally) -> Iterator[str]:
    if (one.judgements, one.flags, one.skipped) != (other.judgements, other.flags, other.skipped):
        yield f"{one.judgements} judged and {one.flags} flagged, not {other.judgements} and {other.flags}"
    ours, theirs = one.detector.get_state(), other.detector.get_state()
    yield from (
        f"{key}: {ours[key]!r:.80}, not {theirs[key]!r:.80}" for key in ours if not _same(ours[key], theirs[key])
    )
    rows, expected = _rows(one), _rows(other)
    if [part.shape for part in rows] != [part.shape for part in expected]:
        yield "the windows hold other numbers of rows"
    elif any(not np.allclose(part, its, atol=TOLERANCE) for part, its in zip(rows, expected, strict=True)):
        yield "the rows of the windows differ"


def _same(one: Any, other: Any) -> bool:
    return abs(one - other) <= TOLERANCE if isinstance(one, float) and isinstance(other, float) else bool(one == other)


def _rows(tally: Tally) -> list[np.ndarray]:
    """All rows of a detector's windows, by space in the order in which these came."""
    detector = tally.detector
    spaces = detector.row_spaces()
    return [detector.rows_since(space, rows.first, rows.last - rows.first)[1] for space, rows in spaces.items()]
