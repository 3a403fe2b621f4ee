"""The watched models by label: which names get one of their own, and which share `other`."""

import logging
from collections import Counter, defaultdict
from typing import Any

from detectors.kept import RowReader
from exporter.clients import Suspicion
from exporter.clients.budget import EvidenceBudget
from exporter.config import RESERVED_MODEL, Config, ResolvedModel
from exporter.drift.worker import Worker
from exporter.health.requests import RequestIds
from exporter.labels import label_value
from exporter.registration import RegisteredModel
from exporter.watched_model import WatchedModel

log = logging.getLogger(__name__)

#: the model of a query that names none
UNNAMED = "default"
#: queries after which a model that is not configured gets its own label
QUERIES_BEFORE_LABEL = 20
#: silence after which such a label is given back
EXPIRY_SECONDS = 86_400.0
#: names that are being counted towards their own label; bounded, because senders choose them
CANDIDATES = 10_000


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
