"""Low confidence as evidence: the model is less sure of this answer than of 95 % of its first ones.

The score is 1 - max p, 0 to 1 - 1/k; the evidence is a score above the 95 % quantile of a model's first queries. An
entropy would have to be divided by ln k to be comparable; 1 - max p is as it is.

Searches for a decision boundary stay near it, where the model is unsure. Blind to attacks that keep clear of the
boundary, and to models that answer with a label alone.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from detectors.confidence import doubt
from detectors.contract import InvalidQuery
from detectors.outputs import has_probabilities, probabilities

#: the quantile of the first queries above which an answer is unsure
QUANTILE = 0.95
#: below this no answer is unsure, however sure the first ones were
LEAST = 1e-3


def doubts(outputs: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """1 - max p of each answer, float64 (n,), NaN where it has no probabilities, and the class, int64 (n,), else -1.

    The class is the largest probability's position, or a number made of the label where there is only one.
    """
    scores, labels = np.full(len(outputs), np.nan), np.full(len(outputs), -1)
    places = np.array([place for place, output in enumerate(outputs) if has_probabilities(output)], dtype=np.int64)
    for positions, rows in _readable([outputs[place] for place in places.tolist()]):
        scores[places[positions]], labels[places[positions]] = doubt(rows), np.argmax(rows, axis=1)
    return scores, labels


def _readable(outputs: Sequence[Any]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Probabilities grouped by their number of classes, with their positions; wrong answers are left out."""
    found: list[tuple[np.ndarray, np.ndarray]] = []
    start = 0
    while start < len(outputs):
        rest = outputs[start:]
        try:
            groups, stop = probabilities(rest)[0], len(rest)
        except InvalidQuery as error:
            stop = error.index or 0
            groups = probabilities(rest[:stop])[0] if stop else []
        found += [(positions + start, rows) for positions, rows in groups]
        start += stop + 1
    return found


def threshold(scores: np.ndarray) -> float:
    """The score above which an answer is unsure, from the first ones: float64 (n,), NaN where there is none.

    NaN when there are fewer than 20. Interpolated, so that it does not hang on one answer.
    """
    scores = scores[np.isfinite(scores)]
    return max(float(np.quantile(scores, QUANTILE)), LEAST) if len(scores) >= 20 else float("nan")


def unsure(scores: np.ndarray, above: float) -> np.ndarray:
    """Which answers are unsure: float64 (n,) to bool (n,); none where a score or the threshold is NaN."""
    with np.errstate(invalid="ignore"):
        return scores > above
