"""One watched model under one label: its detectors, its clients, its health and drift, and its time."""

import logging
from collections.abc import Iterator
from copy import copy
from typing import Any

from detectors import get_detector
from detectors.kept import RowReader
from exporter.clients import Suspicion
from exporter.config import ResolvedDetector, ResolvedModel
from exporter.drift.judge import DriftJudge
from exporter.drift.worker import Worker
from exporter.health.inferences import Inferences
from exporter.tally import Tally, digest

log = logging.getLogger(__name__)

#: by less than this, queries only came in another order than they were taken in
SET_BACK_SECONDS = 60.0
#: what a model counts and a restart continues
COUNTED = ("queries", "suspicious", "without_client", "ids_reused", "of_future")


class WatchedModel:
    """One model under one label.

    suspicion: what is known of its clients; None where they are not judged. worker: where its windows are tested for
    drift; without one, none is looked for.
    """

    def __init__(
        self,
        config: ResolvedModel,
        previous: "WatchedModel | None" = None,
        worker: Worker | None = None,
        suspicion: Suspicion | None = None,
    ) -> None:
        self.config, self.name = config, config.name
        #: looks for drift; None where it is switched off
        self.drift = _drift_judge(config, previous, worker)
        self.tallies = [_tally(entry, previous) for entry in config.detectors]
        self.health: Inferences = Inferences(config, previous.health if previous else None)
        self.suspicion = suspicion
        #: batches on which judging the clients failed
        self.suspicion_errors = 0
        self.queries = self.suspicious = self.without_client = self.ids_reused = self.of_future = 0
        self.last_query: float | None = None
        #: the time up to which its queries have come; never runs backwards
        self.clock = 0.0
        #: how far that is ahead of the machine's clock since this was set back
        self.ahead = 0.0
        if previous is not None:
            for name in (*COUNTED, "last_query", "clock", "ahead"):
                setattr(self, name, getattr(previous, name))

    def now(self, wall: float) -> float:
        """The time of the model's queries at this time of ours: their own time, if they bring one, going on."""
        return self.clock + max(wall - self.last_query, 0.0) if self.last_query is not None else wall

    def time_at(self, received: float) -> float:
        """The time at which a query that came then is judged; it goes on where the machine's clock was set back."""
        if received + self.ahead < self.clock - SET_BACK_SECONDS:
            self.ahead = self.clock - received
            log.warning(
                "the clock was set back; the time of the model goes on",
                extra={"model": self.name, "seconds": round(self.ahead)},
            )
        self.clock = max(received + self.ahead, self.clock)
        return self.clock

    def note_future(self, seconds: float) -> None:
        """Count a query whose own time is so far ahead of ours; the first is in the log."""
        if not self.of_future:
            log.warning(
                "a query is of the future; it and all such count as of now",
                extra={"model": self.name, "seconds": round(seconds)},
            )
        self.of_future += 1

    def dump(self) -> dict[str, Any]:
        """Counts, times and detectors."""
        return {
            "name": self.name,
            "counts": {name: getattr(self, name) for name in COUNTED},
            "last_query": self.last_query,
            "clock": self.clock,
            "ahead": self.ahead,
            "tallies": [tally.dump() for tally in self.tallies],
            "suspicion": self.suspicion and self.suspicion.dump_state(),
            "clients": digest(self.config.clients),
            "drift": self.drift.dump() if self.drift else None,
            "health": self.health.dump(),
        }

    def windows(self) -> Iterator[Any]:
        """What holds rows that are too large for a dump."""
        yield from (tally.detector for tally in self.tallies)
        if self.suspicion is not None:
            yield self.suspicion

    def load(self, state: dict[str, Any], read_rows: RowReader) -> bool:
        """Go on from a dump; whether all its detectors do."""
        self.last_query, self.clock, self.ahead = state["last_query"], state["clock"], state["ahead"]
        for name in COUNTED:
            setattr(self, name, state["counts"].get(name, 0))
        self._load_drift(state.get("drift"))
        if "health" in state:  # a snapshot from before there was any
            self.health.load(state["health"])
        kept = {tally["name"]: tally for tally in state["tallies"]}
        whole = [tally.load(kept[tally.name], read_rows) for tally in self.tallies if tally.name in kept]
        return self._load_suspicion(state, read_rows) and all(whole)

    def _load_suspicion(self, state: dict[str, Any], read_rows: RowReader) -> bool:
        if self.suspicion is None or state["suspicion"] is None:
            return self.suspicion is None
        if state["clients"] != digest(self.config.clients):
            return False
        try:
            self.suspicion.load_state(state["suspicion"], read_rows)
        except Exception as error:  # of another version, or damaged
            log.warning("what is known of clients begins anew", extra={"model": self.name, "reason": str(error)})
            return False
        return True

    def _load_drift(self, state: Any) -> None:
        if self.drift is None or state is None:
            return
        try:
            self.drift.load(state)
        except ValueError as error:
            log.warning("the reference for drift begins anew", extra={"model": self.name, "reason": str(error)})

    def count_anew(self) -> None:
        """All counts at 0; windows stay."""
        for name in COUNTED:
            setattr(self, name, 0)
        self.health.count_anew()
        for tally in self.tallies:
            tally.judgements = tally.flags = 0
            tally.skipped.clear()
        if self.suspicion is not None:
            self.suspicion.counts.begin_anew()


def _drift_judge(config: ResolvedModel, previous: WatchedModel | None, worker: Worker | None) -> DriftJudge | None:
    """A new judge, with what of the previous one still fits; or that one itself where nothing has changed for it."""
    if worker is None or not config.drift.enabled:
        return None
    before = previous.drift if previous else None
    if before is not None and before.config == config.drift:
        return before
    judge = DriftJudge(config.drift, worker, config.name)
    if before is not None:
        judge.load(before.dump())
    return judge


def _tally(config: ResolvedDetector, previous: WatchedModel | None) -> Tally:
    """A new tally, or the previous one with its window and counts when the detector is the same as before."""
    for tally in previous.tallies if previous else ():
        if (tally.name, tally.config.options) == (config.name, config.options):
            tally = copy(tally)
            tally.config = config
            return tally
    return Tally(config, get_detector(config.name, config.options))
