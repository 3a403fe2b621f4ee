"""What a model predicted, as two features: the label, and how sure it was."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

#: characters of a label that count
LABEL_CHARACTERS = 64


class Prediction(NamedTuple):
    """The label that was predicted and its probability, 0 to 1; each None where the answer does not tell."""

    label: str | None = None
    confidence: float | None = None


def label_text(label: Any) -> str:
    """A label as a text of at most LABEL_CHARACTERS; equal numbers have equal texts, whether as 1 or as 1.0."""
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return str(label)[:LABEL_CHARACTERS]


def prediction_of(output: Any) -> Prediction:
    """The prediction in an answer of any form; an answer that is wrong tells nothing.

    Of probabilities or logits: the place of the largest, as a text. Of token log-probabilities: the geometric mean.
    """
    if type(output) is list:  # as most are
        return _of_probabilities(output)
    if isinstance(output, Mapping):
        if output.get("label") is not None:
            return Prediction(label_text(output["label"]))
        if output.get("probabilities") is not None:
            return _of_probabilities(output["probabilities"])
        if output.get("logits") is not None:
            return _of_logits(output["logits"])
        return _of_logprobs(output["logprobs"]) if output.get("logprobs") is not None else Prediction()
    if isinstance(output, (str, bool, int)):
        return Prediction(label_text(output))
    return _of_probabilities(output) if output is not None else Prediction()


def _of_probabilities(values: Any) -> Prediction:
    # one short list after the other: plain Python is quicker than an array
    if type(values) is list and set(map(type, values)) == {float} and len(values) <= LABEL_CHARACTERS:
        top, total = max(values), math.fsum(values)
    else:
        values = _numbers(values)
        top, total = (float(values.max()), float(values.sum())) if len(values) else (0.0, 0.0)
        values = values.tolist()
    if not 0.0 < total < math.inf:
        return Prediction()
    return Prediction(str(values.index(top)), min(top / total if abs(total - 1.0) > 1e-3 else top, 1.0))


def _of_logits(values: Any) -> Prediction:
    row = _numbers(values)
    if not len(row) or not np.isfinite(row).all():
        return Prediction()
    with np.errstate(over="ignore"):
        return Prediction(str(int(row.argmax())), float(1.0 / np.exp(row - row.max()).sum()))


def _of_logprobs(values: Any) -> Prediction:
    row = _numbers(values)
    if not len(row) or not np.isfinite(row).all() or row.max() > 0:
        return Prediction()
    return Prediction(None, float(np.exp(row.mean())))


def _numbers(values: Sequence[Any]) -> np.ndarray:
    """A row of numbers as float64; empty when it is none."""
    try:
        row = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return np.zeros(0)
    return row if row.ndim == 1 else np.zeros(0)
