"""Judging: the queries of one model through its detectors, and what came of it into the model's counts."""

import logging
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from detectors import DetectionResult, InvalidQuery, Query
from detectors.contract import flags
from exporter.delivery import Outcome
from exporter.models import SKIP_REASONS, Tally, WatchedModel

log = logging.getLogger(__name__)


#: by position of the query, where to put what the detectors say of it: only for those that somebody asked about
Asked = Mapping[int, list[Outcome]]


def judge(model: WatchedModel, queries: Sequence[Query], asked: Asked, seconds: defaultdict[str, float]) -> None:
    """Judge queries of one model, in order, count what came of it, and say it where somebody asked.

    seconds: CPU seconds by detector, added to.
    """
    suspicious = np.zeros(len(queries), bool)
    for tally in model.tallies:
        begun = time.thread_time()
        _judge_with(tally, queries, suspicious, asked)
        seconds[tally.name] += time.thread_time() - begun
    model.queries += len(queries)
    model.suspicious += int(np.count_nonzero(suspicious))
    model.without_client += [query.client for query in queries].count(None)


def _judge_with(tally: Tally, queries: Sequence[Query], suspicious: np.ndarray, asked: Asked) -> None:
    positions, fitting = _fitting(tally, queries, asked)
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
                wanted = {0: asked[position]} if position in asked else {}
                _judge_with(tally, queries[alone], suspicious[alone], wanted)
            return
        _failed(tally, asked.get(positions[0]), error)
        return
    _count(tally, fitting, positions, scores, suspicious, asked)


def _fitting(tally: Tally, queries: Sequence[Query], asked: Asked) -> tuple[Sequence[int], Sequence[Query]]:
    """The queries that the detector can judge, with their positions; the others are counted as skipped."""
    unfit = tally.detector.unfit(queries) if hasattr(tally.detector, "unfit") else {}
    if not unfit:
        return range(len(queries)), queries
    for position, reason in unfit.items():
        reason = reason if reason in SKIP_REASONS else "not_applicable"
        tally.skipped[reason] += 1
        if position in asked:
            asked[position].append(Outcome(tally.name, "skipped", None, reason))
    positions = [position for position in range(len(queries)) if position not in unfit]
    return positions, [queries[position] for position in positions]


def _failed(tally: Tally, asked: list[Outcome] | None, error: Exception) -> None:
    reason = "invalid_input" if isinstance(error, InvalidQuery) else "exception"
    tally.errors[reason] += 1
    # the words of the error may hold content of the query; its type does not
    log.warning("a detector failed", extra={"detector": tally.name, "error": type(error).__name__})
    if asked is not None:
        asked.append(Outcome(tally.name, "error", None, f"{type(error).__name__}: {error}"))


def _count(
    tally: Tally,
    queries: Sequence[Query],
    positions: Sequence[int],
    scores: np.ndarray,
    suspicious: np.ndarray,
    asked: Asked,
) -> None:
    finite = np.isfinite(scores)
    flagged = finite & np.asarray(flags(scores, float(tally.detector.threshold)))
    whole = isinstance(positions, range)
    suspicious |= flagged if whole else np.isin(np.arange(len(suspicious)), np.asarray(positions)[flagged])
    judged = int(np.count_nonzero(finite))
    tally.judgements += judged
    tally.flags += int(np.count_nonzero(flagged))
    tally.errors["not_finite"] += len(scores) - judged
    observed = np.asarray(getattr(tally.detector, "observed", _same)(scores), dtype=np.float64)
    if judged == len(scores):
        tally.observe(observed, queries)
    else:
        tally.observe(observed[finite], [query for query, good in zip(queries, finite, strict=True) if good])
    if asked:
        for index, position in enumerate(positions):
            if position in asked:
                asked[position].append(_outcome(tally, index, float(scores[index])))


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
