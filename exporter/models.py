"""The watched models: their detectors, what was counted of them, and which names get a label of their own."""

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from copy import copy
from hashlib import sha256
from typing import Any

import numpy as np

from detectors import Query, get_detector
from detectors.kept import RowReader
from exporter.config import RESERVED_MODEL, Config, ResolvedDetector, ResolvedModel

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

_UNSAFE = re.compile(r"[^A-Za-z0-9._:/@-]")


def label_value(text: str) -> str:
    """A text from outside as a label value: 1 to 128 characters that are safe in links and messages."""
    return _UNSAFE.sub("_", text[:128]) or "_"


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
COUNTED = ("queries", "suspicious", "without_client", "ids_reused")


class WatchedModel:
    """One model under one label."""

    def __init__(self, config: ResolvedModel, previous: "WatchedModel | None" = None) -> None:
        self.config, self.name = config, config.name
        self.tallies = [_tally(entry, previous) for entry in config.detectors]
        self.queries = self.suspicious = self.without_client = self.ids_reused = 0
        self.last_query: float | None = None
        #: the time up to which its queries have come; never runs backwards
        self.clock = 0.0
        #: how far that is ahead of the machine's clock since this was set back
        self.ahead = 0.0
        if previous is not None:
            for name in (*COUNTED, "last_query", "clock", "ahead"):
                setattr(self, name, getattr(previous, name))

    def time_at(self, received: float) -> float:
        """The time at which a query that came then is judged; it goes on where the machine's clock was set back."""
        if received + self.ahead < self.clock - SET_BACK_SECONDS:
            self.ahead = self.clock - received
        self.clock = max(received + self.ahead, self.clock)
        return self.clock

    def dump(self) -> dict[str, Any]:
        """Counts, times and detectors."""
        return {
            "name": self.name,
            "counts": {name: getattr(self, name) for name in COUNTED},
            "last_query": self.last_query,
            "clock": self.clock,
            "ahead": self.ahead,
            "tallies": [tally.dump() for tally in self.tallies],
        }

    def load(self, state: dict[str, Any], read_rows: RowReader) -> bool:
        """Go on from a dump; whether all its detectors do."""
        self.last_query, self.clock, self.ahead = state["last_query"], state["clock"], state["ahead"]
        for name in COUNTED:
            setattr(self, name, state["counts"][name])
        kept = {tally["name"]: tally for tally in state["tallies"]}
        whole = [tally.load(kept[tally.name], read_rows) for tally in self.tallies if tally.name in kept]
        return all(whole)

    def count_anew(self) -> None:
        """All counts at 0; windows stay."""
        for name in COUNTED:
            setattr(self, name, 0)
        for tally in self.tallies:
            tally.judgements = tally.flags = 0
            tally.skipped.clear()


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

    previous: the models before a reload, whose counts and unchanged detectors go on.
    """

    def __init__(self, config: Config, previous: "Models | None" = None) -> None:
        self.config = config
        self._previous = previous
        self.by_label: dict[str, WatchedModel] = {}
        self.folded = 0
        #: CPU seconds by detector
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._candidates: Counter[str] = Counter()
        for model in config.models:
            self._admit(model.name)
        if not config.models:
            self._admit(UNNAMED)
        #: the model of a query that names none
        self.unnamed = config.models[0].name if len(config.models) == 1 else UNNAMED
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
        model = self.by_label[label] = WatchedModel(self.config.model(label), before)
        return model

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
        return whole

    def count_anew(self) -> None:
        """All counts at 0; windows stay."""
        self.folded = 0
        for model in self.by_label.values():
            model.count_anew()

    def observe_anew(self) -> None:
        """Forget what no restart continues: what a replay observed was observed before."""
        self.seconds.clear()
        for model in self.by_label.values():
            for tally in model.tallies:
                tally.observe_anew()

    def expire(self, now: float) -> None:
        """Forget models that earned their label and have been silent for a day."""
        kept = {model.name for model in self.config.models} | {self.unnamed}
        for label, model in list(self.by_label.items()):
            if label in kept or model.last_query is None:
                continue
            model.last_query = min(model.last_query, now)  # a clock that was set back would let it live for ever
            if now - model.last_query > EXPIRY_SECONDS:
                del self.by_label[label]
