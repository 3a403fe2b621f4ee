"""Class probabilities from the answers of a model.

An answer is a list or array of probabilities, or a mapping with one of the keys `probabilities`, `logits` (softmax
is applied) or `logprobs` (the log-probability of each token of a text: the answer counts as one outcome with the
geometric mean of its token probabilities, and its complement). Other answers hold no probabilities.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from detectors.contract import InvalidQuery

FIELD = "model_output"
#: a sum that is off by more than this is normalised, and the result says so
SUM_TOLERANCE = 1e-3


def has_probabilities(output: Any) -> bool:
    """Whether the answer holds (or can be turned into) probabilities, right or wrong."""
    if isinstance(output, Mapping):
        return "probabilities" in output or "logits" in output or "logprobs" in output
    return output is not None and not isinstance(output, (str, bytes, bool, int, float))


def probabilities(outputs: Sequence[Any]) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """Probabilities of many answers, grouped by their number of classes.

    Returns ([(positions int (m,), rows float64 (m, k))], normalised bool (n,)); every row sums to 1 within
    SUM_TOLERANCE. Raises InvalidQuery with the position of the first answer that is wrong.
    """
    lengths = {len(output) for output in outputs} if all(type(output) is list for output in outputs) else set()
    if len(lengths) == 1 and (width := lengths.pop()):
        try:
            flat = np.fromiter(chain.from_iterable(outputs), np.float64, len(outputs) * width)
        except (TypeError, ValueError, OverflowError):
            return _one_by_one(outputs)
        rows = flat.reshape(len(outputs), width)
        sums = rows.sum(axis=1)
        if rows.min() >= 0.0 and rows.max() <= 1.0 and sums.min() > 0.0:  # NaN fails every comparison
            off = np.abs(sums - 1.0) > SUM_TOLERANCE
            if off.any():
                rows[off] /= sums[off, None]
            return [(np.arange(len(outputs)), rows)], off
    return _one_by_one(outputs)


def _one_by_one(outputs: Sequence[Any]) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    groups: dict[int, tuple[list[int], list[np.ndarray]]] = {}
    normalised = np.zeros(len(outputs), bool)
    for index, output in enumerate(outputs):
        try:
            row, normalised[index] = distribution(output)
        except InvalidQuery as error:
            raise error.at(index) from None
        positions, rows = groups.setdefault(len(row), ([], []))
        positions.append(index)
        rows.append(row)
    return [(np.array(positions), np.array(rows)) for positions, rows in groups.values()], normalised


def distribution(output: Any) -> tuple[np.ndarray, bool]:
    """The probabilities of one answer, float64 (k,), and whether they had to be normalised. Raises InvalidQuery."""
    if isinstance(output, Mapping):
        if "probabilities" in output:
            return _checked(_numbers(output["probabilities"], "probabilities"))
        if "logits" in output:
            return _softmax(_numbers(output["logits"], "logits")), False
        if "logprobs" in output:
            return _answer_or_not(_numbers(output["logprobs"], "logprobs")), False
        raise InvalidQuery(FIELD, "expected probabilities, logits or logprobs, got " + (", ".join(output) or "nothing"))
    return _checked(_numbers(output, "probabilities"))


def _numbers(values: Any, what: str) -> np.ndarray:
    if values is None or isinstance(values, (str, bytes)):
        raise InvalidQuery(FIELD, f"{what}: expected a list of numbers, got {type(values).__name__}")
    try:
        row = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidQuery(FIELD, f"{what}: expected a list of numbers") from None
    except OverflowError:
        raise InvalidQuery(FIELD, f"{what}: holds a whole number beyond every float") from None
    if row.ndim != 1 or not row.size:
        raise InvalidQuery(FIELD, f"{what}: expected one row of at least one number, got shape {row.shape}")
    if not np.isfinite(row).all():
        raise InvalidQuery(FIELD, f"{what}: {row[~np.isfinite(row)][0]} is not a finite number")
    return row


def _checked(row: np.ndarray) -> tuple[np.ndarray, bool]:
    outside = (row < 0.0) | (row > 1.0)
    if outside.any():
        raise InvalidQuery(
            FIELD,
            f"{row[outside][0]:g} is not a probability (0 to 1); for scores before the softmax "
            'send {"logits": [...]}',
        )
    total = float(row.sum())
    if total <= 0.0:
        raise InvalidQuery(FIELD, "probabilities sum to 0")
    off = abs(total - 1.0) > SUM_TOLERANCE
    return (row / total if off else row), off


def _softmax(logits: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # a difference beyond every float is -inf, whose power is 0
        powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def _answer_or_not(logprobs: np.ndarray) -> np.ndarray:
    if logprobs.max() > 0.0:
        raise InvalidQuery(FIELD, f"logprobs: {logprobs.max():g} is above 0")
    answer = float(np.exp(logprobs.mean()))
    return np.array([answer, 1.0 - answer])
