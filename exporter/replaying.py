"""Judging a log anew: events in the order in which they stand, in their own time, a model's clients each for itself."""

from collections.abc import Sequence

from detectors import Query
from exporter.clients import Suspicion, Verdict
from exporter.clients.budget import EvidenceBudget
from exporter.config import RESERVED_MODEL, Config
from exporter.labels import label_value
from exporter.models import UNNAMED

#: the secret of rotations and salts: always the same here, so that a replay can be repeated
SECRET = 0


class Replay:
    """The clients of every model that a log names; models beyond limits.models are one, `other`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.models: dict[str, Suspicion] = {}
        self.now = 0.0
        self._unnamed = config.models[0].name if len(config.models) == 1 else UNNAMED
        self._evidence = EvidenceBudget(config)

    def label(self, query: Query) -> str:
        """The model under which a query is judged."""
        label = label_value(query.model or self._unnamed)
        is_new = label not in self.models and len(self.models) >= self.config.limits.models
        return RESERVED_MODEL if is_new else label

    def _model(self, label: str) -> Suspicion:
        if label not in self.models:
            self.models[label] = Suspicion(self.config.model(label).clients, SECRET, self._evidence.take(label))
        return self.models[label]

    def calibrate(self, queries: Sequence[Query]) -> dict[str, int]:
        """Learn what is natural; by model, the queries that were too few for it, so that its own first ones count."""
        by_model: dict[str, list[Query]] = {}
        for query in queries:
            by_model.setdefault(self.label(query), []).append(query)
        few = {}
        for label, part in by_model.items():
            try:
                self._model(label).calibrate(part)
            except ValueError:
                few[label] = len(part)
        return few

    def feed(self, queries: Sequence[Query]) -> list[Verdict]:
        """Verdicts in order. Times that run backwards count as the latest so far, and missing ones too."""
        places: dict[str, list[int]] = {}
        times: list[float] = []
        for place, query in enumerate(queries):
            # an event without a time has none in the record either
            self.now = max(self.now, query.timestamp or 0.0)
            times.append(self.now)
            places.setdefault(self.label(query), []).append(place)
            self._model(self.label(query))
        verdicts: list[Verdict] = [Verdict("ok")] * len(queries)
        for label, mine in places.items():
            judged = self._model(label).observe([queries[place] for place in mine], [times[place] for place in mine])
            for place, verdict in zip(mine, judged, strict=True):
                verdicts[place] = verdict
        return verdicts
