"""The watched models: their detectors, what was counted of them, and which names get a label of their own."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from copy import copy
from hashlib import sha256
from typing import Any

import numpy as np

from detectors import Query, get_detector
from detectors.kept import RowReader
from exporter.clients import Suspicion
from exporter.clients.budget import EvidenceBudget
from exporter.config import RESERVED_MODEL, Config, ResolvedDetector, ResolvedModel
from exporter.drift.judge import DriftJudge
from exporter.drift.worker import Worker
from exporter.health.inferences import Inferences
from exporter.health.requests import RequestIds
from exporter.labels import label_value
from exporter.registration import RegisteredModel

log = logging.getLogger(__name__)

#: the model of a query that names none
UNNAMED = "default"
#: queries after which a model that is not configured gets its own label
QUERIES_BEFORE_LABEL = 20
#: silence after which such a label is given back
EXPIRY_SECONDS = 86_400.0
#: by less than this, queries only came in another order than they were taken in
SET_BACK_SECONDS = 60.0
#: names that are being counted towards their own label; bounded, because senders choose them
CANDIDATES = 10_000

SKIP_REASONS = ("no_probabilities", "no_input", "other_modality", "redacted", "not_applicable")
ERROR_REASONS = ("exception", "invalid_input", "not_finite")


def _digest(value: Any) -> str:
    return sha256(repr(value).encode()).hexdigest()


class Tally:
    """A detector of a model and what was counted of it. Scores are counted in the detector's buckets, +Inf last."""

    def __init__(self, config: ResolvedDetector, detector: Any) -> None:
        self.name, self.config, self.detector = config.name, config, detector
        self.bounds = np.array(detector.buckets, dtype=np.float64)
        self.judgements = self.flags = 0
        self.skipped: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.scores = np.zeros(len(self.bounds) + 1, np.int64)
        self.score_sum = 0.0
        #: per bucket, the last query in it that has an id: (id, score, time)
        self.exemplars: list[tuple[str, float, float] | None] = [None] * (len(self.bounds) + 1)

    def snapshot(self) -> "Tally":
        """The counts as they are now, safe to read while judging goes on."""
        taken = copy(self)
        taken.skipped, taken.errors = Counter(self.skipped), Counter(self.errors)
        taken.scores, taken.exemplars = self.scores.copy(), list(self.exemplars)
        return taken

    def dump(self) -> dict[str, Any]:
        """What a restart continues: counts that a replay repeats, and the detector's own state."""
        return {
            "name": self.name,
            "options": _digest(self.config.options),
            "judgements": self.judgements,
            "flags": self.flags,
            "skipped": dict(self.skipped),
            "detector": self.detector.dump_state(),
            "rows": bool(self.detector.row_spaces()),
        }

    def load(self, state: dict[str, Any], read_rows: RowReader) -> bool:
        """Go on from a dump; False when the window begins anew, because the detector is or says another."""
        self.judgements, self.flags = state["judgements"], state["flags"]
        self.skipped = Counter(state["skipped"])
        if state["options"] != _digest(self.config.options):
            return False
        if state["detector"] is None:
            return not self.judgements
        reader = {"read_rows": read_rows} if state["rows"] else {}
        try:
            self.detector.load_state(state["detector"], **reader)
        except Exception as error:  # of another version, or damaged
            log.warning("a detector begins anew", extra={"detector": self.name, "reason": str(error)})
            self.detector.reset_state()
            return False
        return True

    def observe_anew(self) -> None:
        """Forget scores, exemplars and errors, which no restart continues."""
        self.errors.clear()
        self.scores[:] = 0
        self.score_sum = 0.0
        self.exemplars = [None] * len(self.exemplars)

    def observe(self, observed: np.ndarray, total: float, queries: Sequence[Query]) -> None:
        """Count the scores, whose sum is `total`, in their buckets."""
        places = np.searchsorted(self.bounds, observed, side="left")
        self.scores += np.bincount(places, minlength=len(self.scores))
        self.score_sum += total
        named = [index for index, query in enumerate(queries) if query.id is not None]
        if named:
            last = dict(zip(places[named].tolist(), named, strict=True))
            for place, index in last.items():
                query = queries[index]
                self.exemplars[place] = (str(query.id), float(observed[index]), query.timestamp)


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
            "clients": _digest(self.config.clients),
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
        if state["clients"] != _digest(self.config.clients):
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


class Models:
    """All watched models by label. Configured ones hold their places; others earn a label of their own.

    previous: the models before a reload, whose counts and unchanged detectors go on. secret: as for `Suspicion`.
    """

    def __init__(self, config: Config, previous: "Models | None" = None, secret: int = 0) -> None:
        self.config = config
        self._previous = previous
        self._secret: int = secret if previous is None else previous._secret
        self._evidence = EvidenceBudget(config)
        #: tests the windows of all models for drift
        self.worker: Worker = previous.worker if previous else Worker()
        self.by_label: dict[str, WatchedModel] = {}
        self.folded = 0
        #: CPU seconds by detector
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._candidates: Counter[str] = Counter()
        self.requests: RequestIds = previous.requests if previous else RequestIds()
        for model in config.models:
            self._admit(model.name)
        if not config.models:
            self._admit(UNNAMED)
        configured = [model.name for model in config.models if not isinstance(model, RegisteredModel)]
        #: the model of a query that names none
        self.unnamed = configured[0] if len(configured) == 1 else UNNAMED
        if previous is not None:
            self._go_on(previous)

    def _go_on(self, previous: "Models") -> None:
        self.folded, self.seconds, self._candidates = previous.folded, previous.seconds, previous._candidates
        for label in previous.by_label:
            if label not in self.by_label and (label == RESERVED_MODEL or not self._is_full()):
                self._admit(label)
        self._previous = None

    def _admit(self, label: str) -> WatchedModel:
        before = self._previous.by_label.get(label) if self._previous else None
        config = self.config.model(label)
        model = self.by_label[label] = WatchedModel(config, before, self.worker, self._suspicion(config, before))
        return model

    def _suspicion(self, config: ResolvedModel, before: WatchedModel | None) -> Suspicion | None:
        """A new one, or the one before where its settings are the same; None where clients are not judged."""
        # under `other` the queries of many models meet: what is odd for one is natural for the next
        if config.name == RESERVED_MODEL or not config.clients.enabled:
            return None
        size = self._evidence.take(config.name)
        if before is not None and before.suspicion is not None and before.config.clients == config.clients:
            return before.suspicion
        return Suspicion(config.clients, self._secret, size)

    def known(self, name: str | None) -> WatchedModel | None:
        """The model of that name, if it has a label of its own."""
        return self.by_label.get(name or self.unnamed) if name != RESERVED_MODEL else None

    def of(self, name: str | None) -> WatchedModel:
        """The model under which the next query of that name is judged and counted."""
        model = self.known(name)
        if model is not None:
            return model
        label = label_value(name or self.unnamed)
        if label in self.by_label and label != RESERVED_MODEL:
            return self.by_label[label]
        if label == UNNAMED or self._earned(label):
            return self._admit(label)
        self.folded += 1
        return self._other()

    def label_of(self, name: str | None) -> WatchedModel:
        """The model under which a name is counted now, without counting it towards a label of its own."""
        label = label_value(name or self.unnamed)
        return self.by_label.get(label) or self._other()

    def _other(self) -> WatchedModel:
        return self.by_label.get(RESERVED_MODEL) or self._admit(RESERVED_MODEL)

    def _is_full(self) -> bool:
        """Whether no other model may get a label; the one for the others takes no place."""
        return len(self.by_label) - (RESERVED_MODEL in self.by_label) >= self.config.limits.models

    def _earned(self, label: str) -> bool:
        if label == RESERVED_MODEL or self._is_full():
            return False
        if label not in self._candidates and len(self._candidates) >= CANDIDATES:
            self._candidates.clear()  # a flood of names; those that are really used come back
        self._candidates[label] += 1
        if self._candidates[label] < QUERIES_BEFORE_LABEL:
            return False
        del self._candidates[label]
        return True

    def dump(self) -> dict[str, Any]:
        """What is to be known of all models after a restart."""
        return {
            "models": [model.dump() for model in self.by_label.values()],
            "folded": self.folded,
            "candidates": dict(self._candidates),
            "requests": self.requests.dump(),
        }

    def load(self, state: dict[str, Any], read_rows: RowReader) -> bool:
        """Go on from a dump; whether all detectors do. read_rows: the rows of their windows, which no dump holds."""
        whole = True
        for kept in state["models"]:
            label = kept["name"]
            if label not in self.by_label and (label == RESERVED_MODEL or not self._is_full()):
                self._admit(label)
            if label in self.by_label:
                whole &= self.by_label[label].load(kept, read_rows)
        self.folded, self._candidates = state["folded"], Counter(state["candidates"])
        if "requests" in state:
            self.requests.load(state["requests"])
        return whole

    def count_anew(self) -> None:
        """All counts at 0; windows stay."""
        self.folded = 0
        for model in self.by_label.values():
            model.count_anew()

    def observe_anew(self) -> None:
        """Forget what no restart continues: what a replay observed was observed before."""
        self.seconds.clear()
        self.worker.finish()  # of the windows of a replay
        for model in self.by_label.values():
            model.suspicion_errors = 0
            model.health.take_growth()
            for tally in model.tallies:
                tally.observe_anew()
            if model.drift is not None:
                model.drift.observe_anew()

    def expire(self, now: float) -> None:
        """Forget models that earned their label and have been silent for a day."""
        kept = {model.name for model in self.config.models} | {self.unnamed}
        for label, model in list(self.by_label.items()):
            if label in kept:
                continue
            # a clock that was set back would let it live for ever
            model.last_query = None if model.last_query is None else min(model.last_query, now)
            model.health.last_sample = min(model.health.last_sample, now)
            seen = max(model.last_query or 0.0, model.health.last_sample)
            if seen and now - seen > EXPIRY_SECONDS:
                del self.by_label[label]
