"""Judging: the queries of one model through its detectors, and what came of it into the model's counts."""

import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from detectors import DetectionResult, InvalidQuery, Query
from detectors.contract import flags
from exporter.delivery import Outcome
from exporter.models import SKIP_REASONS, Tally, WatchedModel

log = logging.getLogger(__name__)


#: per query, where to put what the detectors say of it; None when nobody asked
Words = Sequence[list[Outcome] | None]


def judge(model: WatchedModel, queries: Sequence[Query], words: Words, seconds: defaultdict[str, float]) -> None:
    """Judge queries of one model, in order, count what came of it, and say it where somebody asked.

    seconds: CPU seconds by detector, added to.
    """
    suspicious = np.zeros(len(queries), bool)
    for tally in model.tallies:
        begun = time.thread_time()
        _judge_with(tally, queries, suspicious, words)
        seconds[tally.name] += time.thread_time() - begun
    model.queries += len(queries)
    model.suspicious += int(suspicious.sum())
    model.without_client += sum(query.client is None for query in queries)


def _judge_with(tally: Tally, queries: Sequence[Query], suspicious: np.ndarray, words: Words) -> None:
    positions, fitting = _fitting(tally, queries, words)
    if not fitting:
        return
    try:
        scores = np.asarray(tally.detector.score(fitting), dtype=np.float64)
        if scores.shape != (len(fitting),):
            raise ValueError(f"score(batch) gave shape {scores.shape} for {len(fitting)} queries")
    except Exception as error:  # one query that breaks a detector must not take the others of its batch along
        if len(fitting) > 1:
            for position in positions:
                alone = slice(position, position + 1)
                _judge_with(tally, queries[alone], suspicious[alone], words[alone])
            return
        _failed(tally, positions[0], error, words)
        return
    _count(tally, fitting, positions, scores, suspicious, words)


def _fitting(tally: Tally, queries: Sequence[Query], words: Words) -> tuple[Sequence[int], Sequence[Query]]:
    """The queries that the detector can judge, with their positions; the others are counted as skipped."""
    missing = getattr(tally.detector, "missing", None)
    reasons = [missing(query) for query in queries] if missing else []
    if not any(reasons):
        return range(len(queries)), queries
    for position, reason in enumerate(reasons):
        if reason:
            reason = reason if reason in SKIP_REASONS else "not_applicable"
            tally.skipped[reason] += 1
            if (said := words[position]) is not None:
                said.append(Outcome(tally.name, "skipped", None, reason))
    positions = [position for position, reason in enumerate(reasons) if not reason]
    return positions, [queries[position] for position in positions]


def _failed(tally: Tally, position: int, error: Exception, words: Words) -> None:
    reason = "invalid_input" if isinstance(error, InvalidQuery) else "exception"
    tally.errors[reason] += 1
    # the words of the error may hold content of the query; its type does not
    log.warning("a detector failed", extra={"detector": tally.name, "error": type(error).__name__})
    if (said := words[position]) is not None:
        said.append(Outcome(tally.name, "error", None, f"{type(error).__name__}: {error}"))


def _count(
    tally: Tally,
    queries: Sequence[Query],
    positions: Sequence[int],
    scores: np.ndarray,
    suspicious: np.ndarray,
    words: Words,
) -> None:
    finite = np.isfinite(scores)
    flagged = finite & np.asarray(flags(scores, float(tally.detector.threshold)))
    suspicious[np.asarray(positions)[flagged]] = True
    tally.judgements += int(finite.sum())
    tally.flags += int(flagged.sum())
    tally.errors["not_finite"] += len(scores) - int(finite.sum())
    observed = np.asarray(getattr(tally.detector, "observed", _same)(scores), dtype=np.float64)
    if finite.all():
        tally.observe(observed, queries)
    else:
        tally.observe(observed[finite], [query for query, good in zip(queries, finite, strict=True) if good])
    for index, position in enumerate(positions):
        if (said := words[position]) is not None:
            said.append(_outcome(tally, index, float(scores[index])))


def _outcome(tally: Tally, index: int, score: float) -> Outcome:
    if not np.isfinite(score):
        return Outcome(tally.name, "error", None, f"the score is {score}")
    explain = getattr(tally.detector, "explain", None)
    result: DetectionResult = explain(index, score) if explain else _plain_result(tally, score)
    result.metadata |= {"detector": tally.name, "score": score, "threshold": float(tally.detector.threshold)}
    return Outcome(tally.name, "ok", result)


def _plain_result(tally: Tally, score: float) -> DetectionResult:
    """What is said of a score by a detector that has no words of its own."""
    threshold = float(tally.detector.threshold)
    reason = f"{tally.name}: score = {score:.4f}, threshold = {threshold:.4f}"
    return DetectionResult(bool(flags(score, threshold)), score, reason)


def _same(scores: Any) -> Any:
    return scores
