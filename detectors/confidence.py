"""Low confidence: how unsure the model was of its answer.

Score, by mode, from the class probabilities p of the answer (k classes); higher is less sure:
    entropy         -sum p ln p, 0 (certain) to ln k nats (uniform); divided by ln k with `normalize`, so 0 to 1
    max_confidence  1 - max p, 0 to 1 - 1/k
    margin          1 - (largest p - second largest p), 0 to 1
The confidence of a result is the score itself.

Source: Shannon 1948; as uncertainty scores, Lewis & Gale 1994 and Scheffer et al. 2001 (margin).
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np

from detectors.contract import Detector, Explainer, Options
from detectors.kept import check_same, in_words
from detectors.outputs import has_probabilities, probabilities
from detectors.query import Query


class ConfidenceOptions(Options, kw_only=True, frozen=True):
    """What the options of the confidence detector mean.

    threshold: score from which a query is flagged. mode: the score, as above. normalize: divide the entropy by ln k.
    max_history_size: scores that the average runs over.
    """

    threshold: float = 0.5
    mode: Literal["entropy", "max_confidence", "margin"] = "entropy"
    normalize: bool = False
    max_history_size: Annotated[int, msgspec.Meta(ge=1)] = 100


def entropy(rows: np.ndarray) -> np.ndarray:
    """Shannon entropy of each row in nats.

    rows: float64 (n, k), rows sum to 1. Returns float64 (n,), 0 (certain) to ln k (uniform).
    """
    # the floor keeps the logarithm finite; p ln p is 0 at p = 0 either way
    logarithms = np.log(np.maximum(rows, np.finfo(np.float64).tiny))
    return np.maximum(-np.vecdot(rows, logarithms), 0.0)


def doubt(rows: np.ndarray) -> np.ndarray:
    """1 - the largest probability of each row: float64 (n, k) to float64 (n,), 0 to 1 - 1/k."""
    return 1.0 - rows.max(axis=1)


def closeness(rows: np.ndarray) -> np.ndarray:
    """1 - (largest - second largest) of each row: float64 (n, k) to float64 (n,), 0 to 1; 0 for one class."""
    if rows.shape[1] < 2:
        return np.zeros(len(rows))
    top = np.partition(rows, -2, axis=1)
    return 1.0 - (top[:, -1] - top[:, -2])


MODES = {"entropy": entropy, "max_confidence": doubt, "margin": closeness}


class ConfidenceDetector(Detector):
    """Flags queries whose answer the model was unsure of."""

    name = "confidence"
    options_type: ClassVar[type[Options] | None] = ConfidenceOptions

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(config)
        self.reset_state()

    def reset_state(self) -> None:
        """Forget the scores seen so far."""
        self._history: deque[float] = deque(maxlen=self.options.max_history_size)
        self._sum = 0.0
        self._normalised = np.zeros(0, bool)
        self._largest: Any = 1.0

    def missing(self, query: Query) -> str | None:
        """Answers without probabilities cannot be judged."""
        return None if has_probabilities(query.model_output) else "no_probabilities"

    def unfit(self, batch: Sequence[Query]) -> dict[int, str]:
        """Lists hold probabilities, right or wrong: a batch of nothing else needs no look at each."""
        if {type(query.model_output) for query in batch} == {list}:
            return {}
        return super().unfit(batch)

    def score(self, batch: Sequence[Query]) -> np.ndarray:
        """Scores by mode, float64 (n,). Raises InvalidQuery for answers that are no probabilities."""
        groups, normalised = probabilities([query.model_output for query in batch])
        if len(groups) == 1:
            scores, largest = self._judged(groups[0][1])
        else:
            scores, largest = np.empty(len(batch)), np.empty(len(batch))
            for positions, rows in groups:
                scores[positions], largest[positions] = self._judged(rows)
        self._normalised, self._largest = normalised, largest
        self._remember(scores)
        return scores

    def _judged(self, rows: np.ndarray) -> tuple[np.ndarray, Any]:
        """Scores of rows with one number of classes, and what they are divided by to lie between 0 and 1."""
        scores = MODES[self.options.mode](rows)
        # the largest entropy that k classes can have; a single class leaves no doubt to divide by
        largest = math.log(rows.shape[1]) if self.options.mode == "entropy" and rows.shape[1] > 1 else 1.0
        return (np.minimum(scores / largest, 1.0), 1.0) if self.options.normalize else (scores, largest)

    def _remember(self, scores: np.ndarray) -> None:
        history, latest = self._history, scores[-self.options.max_history_size :].tolist()
        leaving = len(history) + len(latest) - self.options.max_history_size
        if leaving > 0:
            self._sum -= sum(islice(history, leaving))
        history.extend(latest)
        self._sum += sum(latest)

    def observed(self, scores: np.ndarray) -> np.ndarray:
        """Entropies divided by ln k, so that models with different numbers of classes share the buckets."""
        return np.minimum(scores / self._largest, 1.0)

    def explainer(self) -> Explainer:
        """The mode, the score and the threshold in words; `normalised` when the probabilities did not sum to 1."""
        mode, normalised = self.options.mode, self._normalised
        head, tail = f"{mode} mode: suspicious score = ", f", threshold = {self.threshold:.4f}"

        def words(index: int, score: float) -> tuple[str, dict[str, Any]]:
            note: dict[str, Any] = {"mode": mode, "normalised": True} if normalised[index] else {"mode": mode}
            return f"{head}{score:.4f}{tail}", note

        return words

    def window_queries(self) -> int:
        """Scores that the average runs over."""
        return len(self._history)

    def get_state(self) -> dict[str, Any]:
        """The last score, and the mean and number of the scores in the history."""
        seen = len(self._history)
        return {
            "last_score": self._history[-1] if seen else None,
            "avg_score": self._sum / seen if seen else 0.0,
            "num_scores": seen,
        }

    def _made_with(self) -> dict[str, Any]:
        """What a state must have been made with to go on here: the scores of another mode mean something else."""
        options = self.options
        return {
            "format": "confidence 1",
            "mode": options.mode,
            "normalize": options.normalize,
            "max_history_size": options.max_history_size,
        }

    def dump_state(self) -> dict[str, Any]:
        """The scores in the history and their running sum."""
        return {**self._made_with(), "history": list(self._history), "sum": self._sum}

    def load_state(self, state: Mapping[str, Any], read_rows: Any = None) -> None:
        """Take the history back. Raises ValueError when it is of other options."""
        self.reset_state()
        check_same(state, **self._made_with())
        with in_words():
            history, total = [float(score) for score in state["history"]], float(state["sum"])
        if len(history) > self.options.max_history_size:
            raise ValueError(f"the state has {len(history)} scores for a history of {self.options.max_history_size}")
        self._history.extend(history)
        self._sum = total  # not summed anew: that would round otherwise
