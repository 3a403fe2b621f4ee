"""What the judging thread hands over: counts for the roll-ups, and flagged queries whose words are made later."""

import logging
from collections.abc import Callable, Sequence
from itertools import compress

import numpy as np

from detectors import Query
from exporter.health.inferences import Inferences, first_token_of
from exporter.history.evidence import Evidence, content_of, error_of
from exporter.history.recorder import Recorder
from exporter.history.rows import Finding, FlaggedQuery, InferenceSample
from exporter.judging import Found
from exporter.labels import label_value

log = logging.getLogger(__name__)

#: inferences of a model that are recorded in a second, of those that queries tell of
SAMPLED = 10


class Judged:
    """Called with each batch of one model, on the judging thread.

    Flagged queries beyond `per_second` of a model are counted and not recorded: under a flood a sample says as much.
    """

    def __init__(
        self,
        recorder: Recorder,
        health: Callable[[str], Inferences],
        evidence: Evidence,
        per_second: int,
        shown: Callable[[str], str] = str,
    ) -> None:
        """health: of a model, by its label; shown: a client as others may see it."""
        self._health = health
        self._recorder, self._evidence, self._per_second, self._shown = recorder, evidence, per_second, shown
        #: by model: the second, and how many more it may record in it
        self._allowance: dict[str, tuple[int, int]] = {}
        self._sampled: dict[str, tuple[int, int]] = {}

    def __call__(self, model: str, queries: Sequence[Query], suspicious: np.ndarray, found: Sequence[Found]) -> None:
        """Count a batch, and record what was flagged in it. Never fails: judging goes on without a history."""
        try:
            self._take(model, queries, suspicious, found)
        except Exception as error:
            log.error("a batch was not recorded", extra={"error": type(error).__name__})
            self._recorder.drop("invalid")

    def _take(self, model: str, queries: Sequence[Query], suspicious: np.ndarray, found: Sequence[Found]) -> None:
        time = queries[-1].timestamp
        flagged = int(np.count_nonzero(suspicious)) if found else 0
        if self._count(model, time, flagged):
            self._sample(model, time, queries)
        if flagged:
            taken = np.flatnonzero(suspicious)[: self._allowed(self._allowance, model, time, flagged, self._per_second)]
            if len(taken) < flagged:
                self._recorder.drop("rate", flagged - len(taken))
            if len(taken):
                self._record(model, queries, taken, found)

    def _count(self, model: str, time: float, flagged: int) -> bool:
        """Count a batch; whether any of it says how long it took."""
        grown = self._health(model).take_growth()
        self._recorder.minutes.count(model, time, flagged=flagged, **grown._asdict())
        return bool(grown.latencies)

    def _sample(self, model: str, time: float, queries: Sequence[Query]) -> None:
        """Record a few of the inferences that queries tell of; the minutes have counted all of them."""
        told = [query for query in queries if query.latency_seconds is not None][:SAMPLED]
        for query in told[: self._allowed(self._sampled, model, time, len(told), SAMPLED)]:
            cost = self._health(model).dollars_of(query)
            self._recorder.add("inference", _inference(model, time, query, cost, self._evidence, self._shown))

    @staticmethod
    def _allowed(allowance: dict[str, tuple[int, int]], model: str, time: float, wanted: int, per_second: int) -> int:
        second = int(time)
        of, left = allowance.get(model, (second, per_second))
        if of != second:
            left = per_second
        taken = min(wanted, left)
        allowance[model] = second, left - taken
        return taken

    def _record(self, model: str, queries: Sequence[Query], taken: np.ndarray, found: Sequence[Found]) -> None:
        last = taken[-1]
        said: dict[int, list[tuple[Found, int]]] = {place: [] for place in taken.tolist()}
        for one in found:
            for index, place in enumerate(compress(one.places, one.places <= last)):
                said[int(place)].append((one, index))
        for place, findings in said.items():
            query = queries[place]
            content = content_of(query.input_data, self._evidence)
            self._recorder.add("flagged_queries", _later(model, query, content, findings, self._shown))


def _later(
    model: str,
    query: Query,
    content: str | None,
    findings: Sequence[tuple[Found, int]],
    shown: Callable[[str], str],
) -> Callable[[], FlaggedQuery]:
    """What makes the row, and does not hold the query, which may be large."""
    time, version, client, name = query.timestamp, query.version, query.client, query.id

    def make() -> FlaggedQuery:
        return FlaggedQuery(
            time=time,
            model=model,
            version=version,
            client=None if client is None else label_value(shown(client)),
            query_id=None if name is None else str(name)[:256],
            detectors={one.detector: _finding(one, index) for one, index in findings},
            content=content,
        )

    return make


def _inference(
    model: str, time: float, query: Query, cost: float | None, evidence: Evidence, shown: Callable[[str], str]
) -> Callable[[], InferenceSample]:
    """What makes the row, and does not hold the query."""
    name, client, latency, error = query.id, query.client, query.latency_seconds, query.error
    tokens, waited = query.tokens or {}, first_token_of(query)

    def make() -> InferenceSample:
        return InferenceSample(
            time=time,
            model=model,
            request_id=None if name is None else str(name)[:256],
            client=None if client is None else label_value(shown(client)),
            latency_seconds=latency,
            first_token_seconds=waited,
            error=error_of(error, evidence) if error else None,
            tokens_input=tokens.get("input"),
            tokens_output=tokens.get("output"),
            cost_dollars=cost,
        )

    return make


def _finding(found: Found, index: int) -> Finding:
    score = found.scores.item(index)
    reason = f"the score {score:.4g} is at or above {found.threshold:.4g}"
    if found.explainer is not None:
        reason, _ = found.explainer(int(found.indices[index]), score)
    return Finding(score, found.threshold, reason)
