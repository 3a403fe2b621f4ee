"""Judging: the queries of one model through its detectors, and what came of it into the model's counts."""

import logging
import math
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from detectors import InvalidQuery, Query
from detectors.contract import Explainer, flags
from exporter.delivery import Outcome
from exporter.drift.judge import DriftJudge
from exporter.tally import SKIP_REASONS, Tally
from exporter.watched_model import WatchedModel

log = logging.getLogger(__name__)


class Found(NamedTuple):
    """What one detector flagged in a batch of one model: whatever words it has are made from this, later.

    places: in the batch, int (k,); scores: float64 (k,); indices: in what the detector scored, int (k,).
    """

    detector: str
    threshold: float
    places: np.ndarray
    scores: np.ndarray
    indices: np.ndarray
    explainer: Explainer | None


#: by position of the query, where to put what the detectors say of it: only for those that somebody asked about
Asked = Mapping[int, list[Outcome]]


def judge(
    model: WatchedModel,
    queries: Sequence[Query],
    asked: Asked,
    seconds: defaultdict[str, float],
    found: list[Found] | None = None,
) -> np.ndarray:
    """Judge queries of one model, in order, count what came of it, and say it where somebody asked.

    seconds: CPU seconds by detector, added to. found: what was flagged, appended to.
    Returns which queries were flagged: bool (n,).
    """
    suspicious = np.zeros(len(queries), bool)
    for tally in model.tallies:
        begun = time.thread_time()
        _judge_with(tally, queries, suspicious, asked, found)
        seconds[tally.name] += time.thread_time() - begun
    if model.drift is not None:
        _watch_drift(model.drift, queries)
    model.queries += len(queries)
    model.suspicious += int(np.count_nonzero(suspicious))
    asking: dict[Any, float] = Counter([query.client for query in queries])  # type: ignore[assignment]
    model.without_client += int(asking.pop(None, 0))
    model.health.busiest.add(asking, model.clock)
    return suspicious


def _watch_drift(drift: DriftJudge, queries: Sequence[Query]) -> None:
    try:
        drift.observe(queries)
    except Exception as error:  # it is a look beside the judging, which goes on
        drift.windows["failed"] += 1
        log.error("queries could not be looked at for drift", extra={"error": type(error).__name__})


def _judge_with(
    tally: Tally, queries: Sequence[Query], suspicious: np.ndarray, asked: Asked, found: list[Found] | None = None
) -> None:
    try:
        unfit = tally.detector.unfit(queries)
        positions, fitting = _fitting(queries, unfit)
        scores = _scores(tally, fitting)
    except Exception as error:  # one query that breaks a detector must not take the others of its batch along
        if len(queries) > 1:
            for position in range(len(queries)):
                alone = slice(position, position + 1)
                wanted = {0: asked[position]} if position in asked else {}
                own: list[Found] | None = None if found is None else []
                _judge_with(tally, queries[alone], suspicious[alone], wanted, own)
                if found is not None:
                    found += [one._replace(places=one.places + position) for one in own or ()]
            return
        _failed(tally, asked.get(0), error)
        return
    _skip(tally, unfit, asked)
    if fitting:
        _count(tally, fitting, positions, scores, suspicious, asked, found)


def _fitting(queries: Sequence[Query], unfit: Mapping[int, str]) -> tuple[Sequence[int], Sequence[Query]]:
    """The queries that the detector can judge, with their positions."""
    if not unfit:
        return range(len(queries)), queries
    positions = [position for position in range(len(queries)) if position not in unfit]
    return positions, [queries[position] for position in positions]


def _scores(tally: Tally, queries: Sequence[Query]) -> np.ndarray:
    if not queries:
        return np.zeros(0)
    scores = np.asarray(tally.detector.score(queries), dtype=np.float64)
    if scores.shape != (len(queries),):
        raise ValueError(f"score(batch) gave shape {scores.shape} for {len(queries)} queries")
    return scores


def _skip(tally: Tally, unfit: Mapping[int, str], asked: Asked) -> None:
    for position, reason in unfit.items():
        reason = reason if reason in SKIP_REASONS else "not_applicable"
        tally.skipped[reason] += 1
        if position in asked:
            asked[position].append(Outcome(tally.name, "skipped", reason=reason))


def _failed(tally: Tally, asked: list[Outcome] | None, error: Exception) -> None:
    reason = "invalid_input" if isinstance(error, InvalidQuery) else "exception"
    tally.errors[reason] += 1
    # the words of the error may hold content of the query; its type does not
    log.warning("a detector failed", extra={"detector": tally.name, "error": type(error).__name__})
    if asked is not None:
        asked.append(Outcome(tally.name, "error", reason=f"{type(error).__name__}: {error}"))


def _count(
    tally: Tally,
    queries: Sequence[Query],
    positions: Sequence[int],
    scores: np.ndarray,
    suspicious: np.ndarray,
    asked: Asked,
    found: list[Found] | None = None,
) -> None:
    # one sum tells that all are finite; only where it is not are they looked at one by one
    finite = None if math.isfinite(np.add.reduce(scores)) else np.isfinite(scores)
    flagged = np.asarray(flags(scores, float(tally.detector.threshold)))
    if finite is not None:
        flagged &= finite
        tally.errors["not_finite"] += len(scores) - int(np.count_nonzero(finite))
    tally.judgements += len(scores) if finite is None else int(np.count_nonzero(finite))
    if count := int(np.count_nonzero(flagged)):
        tally.flags += count
        places = np.asarray(positions)[flagged]
        suspicious[places] = True
        if found is not None:
            found.append(_found(tally, places, scores[flagged], np.flatnonzero(flagged)))
    _observe(tally, queries, scores, finite)
    if asked:
        wanted = asked
        if not isinstance(positions, range):
            wanted = {index: asked[place] for index, place in enumerate(positions) if place in asked}
        if finite is not None:
            for index in (index for index in wanted if not finite[index]):
                reason = f"the score is {scores.item(index)}"
                wanted[index].append(Outcome(tally.name, "error", reason=reason))
            wanted = {index: said for index, said in wanted.items() if finite[index]}
        _explain(tally, scores, wanted)


def _found(tally: Tally, places: np.ndarray, scores: np.ndarray, indices: np.ndarray) -> Found:
    try:
        explainer = tally.detector.explainer()
    except Exception as error:
        _failed(tally, None, error)
        explainer = None
    return Found(tally.name, float(tally.detector.threshold), places, scores, indices, explainer)


def _observe(tally: Tally, queries: Sequence[Query], scores: np.ndarray, finite: np.ndarray | None) -> None:
    """Count the scores in their buckets; as they are where the detector fails to say how it wants them."""
    kept = slice(None) if finite is None else finite
    try:
        observed = np.asarray(tally.detector.observed(scores), dtype=np.float64)[kept]
        total = float(np.add.reduce(observed))
        if observed.shape != scores[kept].shape or not math.isfinite(total):
            raise ValueError(f"observed(scores) gave shape {observed.shape} for {len(scores)} scores, or no numbers")
    except Exception as error:
        _failed(tally, None, error)
        observed = scores[kept]
        total = float(np.add.reduce(observed))
    if finite is not None:
        queries = [query for query, good in zip(queries, finite, strict=True) if good]
    tally.observe(observed, total, queries)


def _explain(tally: Tally, scores: np.ndarray, asked: Asked) -> None:
    """Say what came of the queries that somebody asked about, by their position in what was scored."""
    try:
        results = tally.detector.explained(list(asked), scores)
    except Exception as error:
        if len(asked) > 1:  # again, one by one: one query without words must not take those of the others
            for index, said in asked.items():
                _explain(tally, scores, {index: said})
        else:
            [alone] = asked.values()
            _failed(tally, alone, error)
        return
    for result, said in zip(results, asked.values(), strict=True):
        said.append(Outcome(tally.name, "ok", result.is_suspicious, result.confidence, result.reason, result.metadata))
