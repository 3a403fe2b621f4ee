"""The drift judge of one model: collects a reference, then window after window, and has each tested against it.

    warming up: the reference is collected (or read) -> windows: each is tested on the worker once it is full

A window is full when it has enough queries and has lasted long enough; or after a day, with what it has. All of it is
decided by the times and numbers of the queries, so that a replay ends in the same windows.
"""

import logging
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from detectors import Query
from detectors.blas import one_thread
from detectors.drift.decision import DAY, MINIMUM, NONE, Finding, Verdict, decide, error_rate
from detectors.drift.samples import Sample, Sorted, compare
from detectors.kept import in_words
from exporter.config import Drift
from exporter.drift import reference as references
from exporter.drift.feedback import Feedback
from exporter.drift.reference import Reference, Unusable, season_of
from exporter.drift.rows import CAPACITY, Rows
from exporter.drift.worker import Worker

log = logging.getLogger(__name__)

#: what became of windows that were full: tested; left out, because too many waited or the reference changed; failed
WINDOW_RESULTS = ("tested", "skipped", "failed")


class Looked(NamedTuple):
    """What is known of the last window that was tested. time: of its last query, seconds since 1970."""

    verdict: Verdict
    time: float
    version: str
    source: str


class _Window(NamedTuple):
    """A full window, on its way to the worker."""

    sample: Sample
    season: str
    seconds: float
    time: float


class DriftJudge:
    """Watches one model. All but `feedback` is used on the judging thread; results come from the worker."""

    def __init__(self, config: Drift, worker: Worker, name: str = "") -> None:
        self.config, self.worker, self.name = config, worker, name
        self.feedback = Feedback()
        #: the last result, replaced as a whole
        self.looked: Looked | None = None
        self.windows = dict.fromkeys(WINDOW_RESULTS, 0)
        self._references: dict[str, Reference] = {}
        self._ready: dict[str, Sorted] = {}
        self._season, self._began, self._now = "", 0.0, 0.0
        self._rows: Rows | None = None
        #: the last full window, which can be frozen; and the one that waits for the worker
        self._last: _Window | None = None
        self._waiting: _Window | None = None
        self._unreadable = False
        #: held while the reference is replaced: what was found against another one is not told after that
        self._replacing = threading.Lock()
        self._read_file()

    def _read_file(self) -> None:
        path = self.config.reference.file
        if path is not None:
            try:
                self._references[""] = references.from_file(path, self.config.reference.version)
            except Unusable as error:
                self._unreadable = True
                log.error("no drift is looked for: the reference cannot be read", extra={"reason": str(error)})

    # -- what comes

    def observe(self, queries: Sequence[Query]) -> None:
        """Take in queries, in order; their times never run backwards."""
        self.feedback.remember(queries)
        start = 0
        while start < len(queries) and not self._unreadable:
            season = season_of(queries[start].timestamp, self.config.season)
            if self._rows is None or season != self._season:
                self._begin(season, queries[start].timestamp)
            stop, is_full = self._end(queries, start)
            self._collect(queries[start:stop])
            if is_full:
                self._close()
            start = stop

    def _begin(self, season: str, time: float) -> None:
        """Begin a window. One that is cut off by the end of its season counts when it has the least that is tested."""
        if self._rows is not None and self._rows.seen >= MINIMUM:
            self._close()
        self._season, self._began, self._now = season, time, time
        self._rows = Rows(min(self._wanted[0], CAPACITY))

    @property
    def _reference(self) -> Reference | None:
        return self._reference_of(self._season)

    def _reference_of(self, season: str) -> Reference | None:
        return self._references.get(season) or self._references.get("")

    @property
    def _wanted(self) -> tuple[int, float]:
        """Queries and seconds after which the window is full."""
        wanted = self.config.window if self._reference else self.config.reference
        return wanted.queries, wanted.interval

    def _end(self, queries: Sequence[Query], start: int) -> tuple[int, bool]:
        """Up to where the queries belong to this window, and whether it is full then."""
        assert self._rows is not None
        seen, (wanted, seconds) = self._rows.seen, self._wanted
        first = start + max(min(wanted, MINIMUM) - seen - 1, 0)
        ready = self._began + min(seconds, DAY)
        many = self.config.season != "none" and season_of(queries[-1].timestamp, self.config.season) != self._season
        if not many and (first >= len(queries) or queries[-1].timestamp < ready):
            return len(queries), False  # as nearly all batches are
        for place in range(start, len(queries)):
            time, count = queries[place].timestamp, seen + place + 1 - start
            if many and season_of(time, self.config.season) != self._season:
                return place, False
            if (count >= wanted and time >= self._began + seconds) or self._is_old(count, time):
                return place + 1, True
        return len(queries), False

    def _is_old(self, count: int, time: float) -> bool:
        return count >= MINIMUM and time >= self._began + DAY

    def _collect(self, queries: Sequence[Query]) -> None:
        assert self._rows is not None
        if queries:
            self._rows.add(queries)
            self._now = queries[-1].timestamp

    # -- what becomes of a window

    def _close(self) -> None:
        assert self._rows is not None
        sample, self._rows = self._rows.sample(), None
        if self._reference is None:
            self._references[self._season] = Reference(sample, "first", self.config.reference.version)
            return
        self._last = _Window(sample, self._season, self._now - self._began, self._now)
        self._submit(self._last)

    def _submit(self, window: _Window) -> None:
        reference = self._reference
        assert reference is not None
        self._waiting = window
        if not self.worker.submit(lambda: self._test(window, reference)):
            self._waiting = None
            self.windows["skipped"] += 1

    def _test(self, window: _Window, reference: Reference) -> None:
        """On the worker."""
        try:
            with one_thread():
                current = Sorted(references.comparable(window.sample, reference))
                tests = compare(self._sorted(window.season, reference), current)
            verdict = decide(tests, error_rate(max(window.seconds, self.config.window.interval)))
        except Exception:
            self.windows["failed"] += 1
            raise
        else:
            self._tell(Looked(verdict, window.time, reference.version, reference.source), window.season, reference)
        finally:
            if self._waiting is window:
                self._waiting = None

    def _tell(self, looked: Looked, season: str, reference: Reference) -> None:
        with self._replacing:
            is_current = self._reference_of(season) is reference
            if is_current:
                self.looked = looked
            self.windows["tested" if is_current else "skipped"] += 1
        if is_current:
            self.worker.on_looked(self.name, looked)

    def _sorted(self, season: str, reference: Reference) -> Sorted:
        """The reference made ready, once for all windows."""
        ready = self._ready.get(season)
        if ready is None or ready.sample is not reference.sample:
            ready = self._ready[season] = Sorted(reference.sample)
        return ready

    # -- for metrics and people

    @property
    def reference(self) -> Reference | None:
        """What the present window is compared with; None while warming up."""
        return self._reference

    @property
    def warm_up(self) -> float:
        """How much of the reference is there, 0 to 1: the share of its queries or of its time, whichever is less."""
        if self._reference is not None:
            return 1.0
        if self._rows is None:
            return 0.0
        queries, seconds = self._wanted
        return min(self._rows.seen / queries, (self._now - self._began) / seconds, 1.0)

    @property
    def severity(self) -> int:
        """Of the last window, NONE to CRITICAL."""
        return self.looked.verdict.severity if self.looked else NONE

    def freeze(self, version: str) -> bool:
        """Make the last full window the reference of its season, under this version; False without a window."""
        if self._last is None:
            return False
        with self._replacing:
            self._references[self._last.season] = Reference(self._last.sample, "window", version)
            self.looked = self._waiting = None
        return True

    def begin_anew(self) -> bool:
        """Go back to the reference that is configured: read it again, or collect it anew. Always possible."""
        with self._replacing:
            self._references, self._rows, self._last, self.looked, self._unreadable = {}, None, None, None, False
            self._waiting = None
        self._read_file()
        return True

    # -- over a restart and a reload

    def observe_anew(self) -> None:
        """Forget how many windows there were, which no restart continues."""
        self.windows = dict.fromkeys(WINDOW_RESULTS, 0)

    def dump(self) -> dict[str, Any]:
        """Everything that a restart continues, as plain values."""
        return {
            "seasons": self.config.season,
            "version": self.config.reference.version,
            "season": self._season,
            "began": self._began,
            "now": self._now,
            "references": {
                season: references.dump(kept) for season, kept in self._references.items() if kept.source != "file"
            },
            "rows": self._rows.dump() if self._rows else None,
            "waiting": _dumped(self._waiting),
            "looked": msgspec.to_builtins(self.looked),
            "feedback": self.feedback.dump(),
        }

    def load(self, state: Any) -> None:
        """Go on from a dump, with what of it still fits the configuration. Raises ValueError when it is none."""
        with in_words():
            feedback = Feedback.load(state["feedback"])
            kept = {season: references.load(part) for season, part in state["references"].items()}
            rows = Rows.load(state["rows"]) if state["rows"] else None
            looked, waiting = _looked(state["looked"]), _window(state["waiting"])
            season, began, now, seasons = state["season"], state["began"], state["now"], state["seasons"]
        wanted = self.config.reference.version
        if state.get("version", wanted) != wanted:
            feedback.learn_anew()
        self.feedback = feedback
        fitting = {season: part for season, part in kept.items() if references.is_configured(part, self.config)}
        if len(fitting) < len(kept) or seasons != self.config.season:
            return  # another reference is asked for: what was collected was for the one before
        self._references |= fitting
        self._season, self._began, self._now, self._rows, self.looked = season, began, now, rows, looked
        if waiting is not None and self._reference is not None:
            self._submit(waiting)


def _dumped(window: _Window | None) -> dict[str, Any] | None:
    if window is None:
        return None
    sample = references.dump(Reference(window.sample, "window", ""))
    return {"sample": sample, "season": window.season, "seconds": window.seconds, "time": window.time}


def _window(state: Any) -> _Window | None:
    if state is None:
        return None
    return _Window(references.load(state["sample"]).sample, state["season"], state["seconds"], state["time"])


def _looked(state: Any) -> Looked | None:
    if state is None:
        return None
    (severity, drifted, tested), time, version, source = state
    drifted, tested = (tuple(Finding(*finding) for finding in part) for part in (drifted, tested))
    return Looked(Verdict(severity, drifted, tested), time, version, source)
