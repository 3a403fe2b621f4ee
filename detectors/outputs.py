"""Class probabilities from the answers of a model.

An answer is a list or array of probabilities, or a mapping with one of the keys `probabilities`, `logits` (softmax
is applied) or `logprobs` (the log-probability of each token of a text: the answer counts as one outcome with the
geometric mean of its token probabilities, and its complement). Other answers hold no probabilities.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from detectors.contract import InvalidQuery
from detectors.numbers import finite_row

FIELD = "model_output"

#: a sum that is off by more than this is normalised, and the result says so
SUM_TOLERANCE = 1e-3
#: what to do with numbers that are no probabilities
LOGITS = '; for scores before the softmax send {"logits": [...]}'


def has_probabilities(output: Any) -> bool:
    """Whether the answer holds (or can be turned into) probabilities, right or wrong."""
    if isinstance(output, Mapping):
        return any(output.get(key) is not None for key in ("probabilities", "logits", "logprobs"))
    return output is not None and not isinstance(output, (str, bytes, bool, int, float))


def probabilities(outputs: Sequence[Any]) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """Probabilities of many answers, grouped by their number of classes.

    Returns ([(positions int (m,), rows float64 (m, k))], normalised bool (n,)); every row
    sums to 1 within SUM_TOLERANCE. Raises InvalidQuery with the position of the first answer that is wrong.
    """
    rows = _alike(outputs)
    # NaN fails every comparison; ufuncs are called as such, because small batches feel what is around them
    if rows is not None and rows.size and np.minimum.reduce(rows, None) >= 0.0 and np.maximum.reduce(rows, None) <= 1.0:
        sums = np.add.reduce(rows, 1)
        off = np.abs(sums - 1.0) > SUM_TOLERANCE
        if not np.count_nonzero(off):
            return [(np.arange(len(outputs)), rows)], off
        if sums.min() > 0.0:
            rows[off] /= sums[off, None]
            return [(np.arange(len(outputs)), rows)], off
    return _one_by_one(outputs)


def _alike(outputs: Sequence[Any]) -> np.ndarray | None:
    """Answers that are all lists of plain numbers, or all arrays of floats, of one length, as float64 (n, k)."""
    types = set(map(type, outputs))
    if types == {np.ndarray} and len({(output.shape, output.dtype) for output in outputs}) == 1:
        return np.array(outputs, dtype=np.float64) if outputs[0].ndim == 1 and outputs[0].dtype.kind == "f" else None
    if types != {list} or len(set(map(len, outputs))) != 1:
        return None
    return _floats(outputs)


def _floats(lists: Sequence[list[Any]]) -> np.ndarray | None:
    """Lists of one length as float64 (n, k), read from their MessagePack form; None unless all they hold is floats.

    Reading numbers one by one costs most of a judgement. In MessagePack, a float is nine bytes, the first of them 0xCB;
    a list is its header and its items. So where every ninth byte is one, and the length is right, all are floats.
    """
    try:
        packed = msgspec.msgpack.encode(lists)
    except (TypeError, OverflowError):  # other objects, and integers beyond 64 bits
        return None
    count, width = len(lists), len(lists[0])
    first = _header(count) + _header(width)
    row = _header(width) + 9 * width
    if not width or len(packed) != _header(count) + count * row:
        return None
    marks = np.ndarray((count, width), np.uint8, packed, first, (row, 9))
    if np.count_nonzero(marks != 0xCB):
        return None
    return np.ndarray((count, width), ">f8", packed, first + 1, (row, 9)).astype(np.float64)


def _header(items: int) -> int:
    """Bytes of the header of a list in MessagePack."""
    return 1 if items < 16 else 3 if items < 1 << 16 else 5


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
        if output.get("probabilities") is not None:
            return _checked(output["probabilities"])
        if output.get("logits") is not None:
            return _softmax(finite_row(output["logits"], FIELD, "logits")), False
        if output.get("logprobs") is not None:
            return _answer_or_not(finite_row(output["logprobs"], FIELD, "logprobs")), False
        raise InvalidQuery(FIELD, "expected probabilities, logits or logprobs, got " + (", ".join(output) or "nothing"))
    return _checked(output)


def _checked(values: Any) -> tuple[np.ndarray, bool]:
    row = finite_row(values, FIELD, "probabilities", instead=LOGITS)
    outside = (row < 0.0) | (row > 1.0)
    if outside.any():
        raise InvalidQuery(FIELD, f"{row[outside][0]:g} is not a probability (0 to 1){LOGITS}")
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
