"""What every detector keeps to: the one base class, its errors, and the place where the threshold is applied."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec
import numpy as np

from detectors.kept import RowReader, Rows
from detectors.query import Query
from detectors.result import DetectionResult, Wording, unsaid


class InvalidQuery(ValueError):
    """A field of a query is there and wrong. `field` names it; `index` is the position in the batch, once known."""

    def __init__(self, field: str, message: str, index: int | None = None) -> None:
        super().__init__(f"{field}: {message}" if index is None else f"query {index}: {field}: {message}")
        self.field, self.message, self.index = field, message, index

    def at(self, index: int) -> "InvalidQuery":
        """The same error, for the query at this position of a batch."""
        return type(self)(self.field, self.message, index)


class MissingField(InvalidQuery):
    """A field that the detector needs is not there, so that it cannot judge this query."""


class Options(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Base of every detector's options."""

    threshold: float


#: from the position of a query in its batch and its score: the reason, and what its metadata has of the detector's own
Explainer = Callable[[int, float], tuple[str, dict[str, Any]]]


class Detector:
    """Scores queries; higher is more suspicious; a query is flagged at score >= threshold.

    A detector of its own overrides `_compute_score(query)` and, for its own words, `_make_prediction(score)`; one
    that can work on arrays overrides `score(batch)` in place of the first, and `confidences` and `explainer` in
    place of the second: its words are then made only for the results that somebody reads. A detector never looks at
    the clock, the network or the log, and the score of a query never depends on the queries after it.
    """

    name: str = "detector"
    #: the options that the detector takes, with their defaults; None passes the configuration through unchecked
    options_type: ClassVar[type[Options] | None] = None
    #: upper bounds of the buckets in which scores are counted
    buckets: Sequence[float] = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self.config = dict(config or {})
        self.options: Any = self.config
        if self.options_type is not None:
            self.options = read_options(self.name, self.options_type, self.config)
        self.threshold = float(self.options.threshold if self.options_type else self.config.get("threshold", 0.5))

    # -- what the exporter calls, a batch at a time

    def missing(self, query: Query) -> str | None:
        """The reason why this query cannot be judged here (one word of a closed set), or None when it can."""
        return None

    def unfit(self, batch: Sequence[Query]) -> dict[int, str]:
        """What `missing` says of the queries of a batch, by position; empty when all can be judged."""
        return {index: reason for index, query in enumerate(batch) if (reason := self.missing(query))}

    def score(self, batch: Sequence[Query]) -> np.ndarray:
        """Scores of the queries, float64 (n,), in order; afterwards the queries belong to the detector's state.

        Raises InvalidQuery with the position of a query that it cannot take, and then keeps its state.
        """
        scores = []
        for index, query in enumerate(batch):
            try:
                scores.append(self._compute_score(query))
            except InvalidQuery as error:
                raise error.at(index) from None
        return checked(scores, len(batch))

    def observed(self, scores: np.ndarray) -> np.ndarray:
        """The scores of the batch that was just scored, as they are counted in `buckets`."""
        return scores

    def confidences(self, scores: Any) -> Any:
        """How sure the detector is at these scores: float64 of the same shape, also for a single float."""
        return scores

    def explainer(self) -> Explainer | None:
        """What says the reasons of the batch that was just scored, then or when others have been scored since.

        None: every result is made by `_make_prediction`.
        """
        return None

    def explain(self, index: int, score: float) -> DetectionResult:
        """The result for query `index` of the batch that was just scored."""
        explainer = self.explainer()
        if explainer is None:
            return self._make_prediction(score)
        reason, metadata = explainer(index, score)
        return self._result(score, float(self.confidences(score)), reason, **metadata)

    def explained(self, indices: Sequence[int], scores: np.ndarray) -> list[DetectionResult]:
        """The results, whole, for some queries of the batch that was just scored; `scores` are those of all."""
        explainer = self.explainer()
        if explainer is None:
            return [self._told(index, scores.item(index)) for index in indices]
        name, threshold, values = self.name, self.threshold, scores.tolist()
        suspicious, confidences = flags(scores, threshold).tolist(), self.confidences(scores).tolist()
        results = []
        for index in indices:
            score = values[index]
            reason, own = explainer(index, score)
            metadata = {"detector": name, "score": score, "threshold": threshold, **own}
            results.append(DetectionResult(suspicious[index], confidences[index], reason, metadata))
        return results

    # -- what people call

    def process(self, query: Query) -> DetectionResult:
        """Score one query. Raises InvalidQuery when it cannot be judged: bad input is never "not suspicious"."""
        return self.process_batch([query])[0]

    def process_batch(self, queries: Iterable[Query]) -> list[DetectionResult]:
        """What `process` gives for each query, in order, computed together."""
        queries = queries if isinstance(queries, list) else list(queries)
        for index, reason in self.unfit(queries).items():
            raise MissingField("query", f"{self.name} cannot judge it: {reason}", index)
        scores = self.score(queries)
        explainer = self.explainer()
        if explainer is None:
            return [self._told(index, score) for index, score in enumerate(scores.tolist())]
        suspicious, confidences = flags(scores, self.threshold), self.confidences(scores)
        return unsaid(suspicious.tolist(), confidences.tolist(), self._wording(explainer, scores))

    def window_queries(self) -> int:
        """How many queries the detector compares with or averages over at the moment."""
        return 0

    def get_state(self) -> dict[str, Any]:
        """What the detector remembers, as plain data."""
        return {}

    def reset_state(self) -> None:
        """Forget everything."""

    # -- what goes on after a restart: optional

    def dump_state(self) -> dict[str, Any] | None:
        """Everything that later scores depend on, but rows: None, bool, int, float, str, bytes, and lists, tuples and
        dicts (with str keys) of them. None when the detector keeps nothing beyond a restart.

        Called between batches, and quick: scoring waits meanwhile. What it gives is never changed afterwards.
        """
        return None

    def load_state(self, state: Mapping[str, Any], read_rows: RowReader | None = None) -> None:
        """Go on where the detector that gave this state stood; every later score is as if it had gone on itself.

        read_rows: reads the rows that were held then; passed only where there were some, so that a detector without
        `row_spaces` need not take it. Raises ValueError in words when the state does not fit, or what `read_rows`
        raises; then the detector is as after `reset_state`.
        """
        self.reset_state()
        raise ValueError(f"{self.name} cannot take a state back")

    def row_spaces(self) -> dict[str, Rows]:
        """The rows that are held and too large for the state, by the id of their space, which is never given again."""
        return {}

    def rows_since(self, space: str, number: int, limit: int) -> tuple[int, np.ndarray]:
        """A copy of at most `limit` rows of a space from this number on, or from the oldest held if that is later.

        Returns the number of the first and the rows, float32 (n, dimensions). Raises KeyError when nothing of the
        space is held any more.
        """
        raise KeyError(space)

    # -- what a detector of one's own overrides

    def _compute_score(self, query: Query) -> float:
        raise NotImplementedError(f"{type(self).__name__} defines neither score(batch) nor _compute_score(query)")

    def _make_prediction(self, score: float) -> DetectionResult:
        return self._result(score, score, f"{self.name}: score = {score:.4f}, threshold = {self.threshold:.4f}")

    def _told(self, index: int, score: float) -> DetectionResult:
        """The result in a detector's own words, in plain types, with what every result has."""
        result = self.explain(index, score)
        result.is_suspicious, result.confidence = bool(result.is_suspicious), float(result.confidence)
        result.metadata = {**result.metadata, **_facts(self.name, score, self.threshold)}
        return result

    def _result(self, score: float, confidence: float, reason: str, **metadata: Any) -> DetectionResult:
        metadata = _facts(self.name, score, self.threshold) | metadata
        return DetectionResult(bool(flags(score, self.threshold)), confidence, reason, metadata)

    def _wording(self, explainer: Explainer, scores: np.ndarray) -> Wording:
        name, threshold = self.name, self.threshold  # as they are now

        def wording(index: int) -> tuple[str, dict[str, Any]]:
            score = scores.item(index)
            reason, metadata = explainer(index, score)
            return reason, _facts(name, score, threshold) | metadata

        return wording


class Adapted(Detector):
    """A detector that keeps to the bare contract (score, threshold, get_state, reset_state), made a whole one.

    Its own further attributes can be reached through it; its threshold is read anew each time.
    """

    def __init__(self, detector: Any) -> None:
        self.detector = detector
        self.config = self.options = dict(getattr(detector, "config", None) or {})
        for name in ("buckets", "missing", "observed", "explain", "window_queries"):
            if hasattr(detector, name):
                setattr(self, name, getattr(detector, name))

    @property
    def threshold(self) -> float:  # what the detector has now: it may learn
        """The threshold of the adapted detector."""
        return float(self.detector.threshold)

    @threshold.setter
    def threshold(self, threshold: float) -> None:
        self.detector.threshold = threshold

    def __getattr__(self, name: str) -> Any:
        if name == "detector":  # not there yet: while the object is being copied
            raise AttributeError(name)
        return getattr(self.detector, name)

    def score(self, batch: Sequence[Query]) -> np.ndarray:
        """The scores of the adapted detector, checked."""
        return checked(self.detector.score(batch), len(batch))

    def get_state(self) -> dict[str, Any]:
        """The state of the adapted detector."""
        return self.detector.get_state()

    def reset_state(self) -> None:
        """Reset the adapted detector."""
        self.detector.reset_state()

    def dump_state(self) -> dict[str, Any] | None:
        """What the adapted detector keeps, if it keeps anything."""
        return self.detector.dump_state() if hasattr(self.detector, "dump_state") else None

    def load_state(self, state: Mapping[str, Any], read_rows: RowReader | None = None) -> None:
        """Hand the state to the adapted detector, which holds no rows beside it."""
        if not hasattr(self.detector, "load_state"):
            self.reset_state()
            raise ValueError(f"{type(self.detector).__name__} cannot take a state back: it has no load_state")
        self.detector.load_state(state)


def _facts(name: str, score: float, threshold: float) -> dict[str, Any]:
    """What the metadata of every result has."""
    return {"detector": name, "score": score, "threshold": threshold}


def checked(scores: Any, count: int) -> np.ndarray:
    """Scores as float64 (count,). Raises ValueError unless there is a finite one for each query."""
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape != (count,):
        raise ValueError(f"{count} queries got scores of shape {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError(f"a score is {scores[~np.isfinite(scores)][0]}: it must be finite")
    return scores


def flags(scores: Any, threshold: float) -> Any:
    """Which scores are suspicious. The only place where a threshold meets a score."""
    return scores >= threshold


def read_options(name: str, options_type: type[Options], config: Mapping[str, Any]) -> Any:
    """The detector's options from plain data. Raises ValueError that names the wrong key and the known ones."""
    known = options_type.__struct_fields__
    # a threshold is often what numpy computed
    config = {key: value.item() if isinstance(value, np.generic) else value for key, value in config.items()}
    unknown = sorted(set(config) - set(known))
    if unknown:
        raise ValueError(f"{name}: unknown option {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    for key, value in config.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name}: option {key}: expected a finite number, got {value}")
    try:
        return msgspec.convert(config, options_type)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        raise ValueError(f"{name}: option {where.strip('`$.') or '?'}: {what[0].lower()}{what[1:]}") from None
