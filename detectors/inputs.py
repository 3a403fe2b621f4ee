"""What kind of input a query carries, and its text, numbers or features as plain data.

Kinds:
    text       a text or a list of texts
    table      a mapping {feature: value} or a pandas Series (pandas is not imported)
    numbers    a list of numbers or a 1-D array: a vector, or features by position
    embedding  {"embedding": numbers}: a vector
    image      a PIL image, encoded bytes, a 2-D or 3-D array, tensor or nested list
"""

import math
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from detectors.contract import InvalidQuery
from detectors.numbers import finite_row

T = TypeVar("T")
FIELD = "input_data"
KINDS = ("text", "table", "numbers", "embedding", "image")
#: what a gateway puts in the place of a text that it does not want to log
REDACTED = "redacted-by-litellm"
_KIND_BY_AXES = {1: "numbers", 2: "image", 3: "image"}
EXPECTED = "expected a text, a list of numbers, {feature: value}, an embedding or an image"


def kind_of(value: Any) -> str | None:
    """The kind of an input by its outer form alone, or None when it has none; its content may still be wrong."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, np.ndarray):
        return _KIND_BY_AXES.get(value.ndim)
    if isinstance(value, (list, tuple)):
        return _kind_of_list(value)
    if isinstance(value, Mapping):
        return "embedding" if len(value) == 1 and _is_vector(value.get("embedding")) else "table"
    if isinstance(value, (bytes, bytearray, memoryview)) or hasattr(value, "getbands"):
        return "image"
    if hasattr(value, "to_dict") and hasattr(value, "index"):
        return "table" if getattr(value, "ndim", None) == 1 else None
    return _KIND_BY_AXES.get(getattr(value, "ndim", 0))


def _kind_of_list(values: Sequence[Any]) -> str | None:
    if not values:
        return None
    if isinstance(values[0], str):
        return "text"
    return "image" if isinstance(values[0], (list, tuple)) else "numbers"


def _is_vector(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) > 0


def kinds(inputs: Sequence[Any], taken: Container[str]) -> dict[str, list[int]]:
    """Positions of the inputs by kind. Raises InvalidQuery with the position of one whose kind is not in `taken`."""
    kind = _kind_of_all(inputs)
    if kind is not None and kind in taken:
        return {kind: list(range(len(inputs)))}
    positions: dict[str, list[int]] = {}
    for index, value in enumerate(inputs):
        kind = kind_of(value)
        if kind is None or kind not in taken:
            raise InvalidQuery(FIELD, f"{EXPECTED}, got {_described(value)}", index)
        positions.setdefault(kind, []).append(index)
    return positions


def _kind_of_all(values: Sequence[Any]) -> str | None:
    """The kind of plain texts, or of arrays with as many axes each, as most batches are; None for anything else."""
    types = set(map(type, values))
    if types == {str}:
        return "text"
    axes = {value.ndim for value in values} if types == {np.ndarray} else set()
    return _KIND_BY_AXES.get(axes.pop()) if len(axes) == 1 else None


def _described(value: Any) -> str:
    if isinstance(value, (list, tuple)) and not value:
        return "an empty list"
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")


def each(read: Callable[[Any], T], inputs: Sequence[Any]) -> list[T]:
    """`read` applied to every input; an InvalidQuery gets the input's position."""
    done: list[T] = []
    try:
        for value in inputs:
            done.append(read(value))
    except InvalidQuery as error:
        raise error.at(len(done)) from None
    return done


def is_redacted(value: Any) -> bool:
    """Whether the text was replaced before it came here, so that it says nothing about the query."""
    if isinstance(value, str):
        return value == REDACTED
    return isinstance(value, (list, tuple)) and bool(value) and all(part == REDACTED for part in value)


def missing(value: Any, taken: Container[str]) -> str | None:
    """Why a detector that takes these kinds cannot judge this input: one word of a closed set, or None if it can.

    no_input, other_modality, redacted. What is of no kind at all can be judged: to be wrong.
    """
    if value is None:
        return "no_input"
    kind = kind_of(value)
    if kind is not None and kind not in taken:
        return "other_modality"
    return "redacted" if kind == "text" and is_redacted(value) else None


def unfit(values: Sequence[Any], taken: Container[str]) -> dict[int, str]:
    """What `missing` says of each input, by position, where it says something."""
    kind = _kind_of_all(values)
    if kind is not None and kind in taken and (kind != "text" or REDACTED not in values):
        return {}
    return {index: reason for index, value in enumerate(values) if (reason := missing(value, taken))}


def text_of(value: Any) -> str:
    """The text of a query as it is compared: a list joined by one blank, stripped, lower-cased."""
    if not isinstance(value, str):
        if not all(isinstance(part, str) for part in value):
            raise InvalidQuery(FIELD, "expected a list of texts, and some of its parts are no texts")
        value = " ".join(value)
    return value.strip().lower()


def numbers_of(value: Any) -> np.ndarray:
    """A vector as float64 (d,). Raises InvalidQuery unless it is one row of at least one finite number."""
    return finite_row(value["embedding"] if isinstance(value, Mapping) else value, FIELD)


def alike_numbers(values: Sequence[Any]) -> np.ndarray | None:
    """What `numbers_of` gives for each, as rows, where all are arrays of finite floats of one length; else None."""
    arrays = [value["embedding"] if type(value) is dict else value for value in values]
    if set(map(type, arrays)) != {np.ndarray} or len({(array.shape, array.dtype) for array in arrays}) != 1:
        return None
    if arrays[0].ndim != 1 or arrays[0].dtype.kind != "f" or not arrays[0].size:
        return None
    rows = np.array(arrays, dtype=np.float64)
    return rows if np.isfinite(rows).all() else None


def features_of(value: Any) -> dict[str, Any]:
    """The features of a query in the order of their names: finite ints and floats, texts, bools and None.

    The features of a list of numbers are named by their position. Raises InvalidQuery that names the feature.
    """
    if hasattr(value, "to_dict"):
        value = value.to_dict()
    if not isinstance(value, Mapping):
        return {f"{index:06d}": number for index, number in enumerate(numbers_of(value).tolist())}
    if not value:
        raise InvalidQuery(FIELD, "expected at least one feature")
    named = {name if isinstance(name, str) else str(name): content for name, content in value.items()}
    if len(named) != len(value):
        raise InvalidQuery(FIELD, "two features have the same name")
    return {name: _feature(name, named[name]) for name in sorted(named)}


def _feature(name: str, value: Any) -> Any:
    if value is None or type(value) in (str, bool):
        return value
    if type(value) not in (int, float):
        value = _plain(name, value)
    if type(value) is float and not math.isfinite(value):
        raise InvalidQuery(FIELD, f"feature {name!r}: {value} is not a finite number")
    if type(value) is int and value.bit_length() > 1000:
        raise InvalidQuery(FIELD, f"feature {name!r}: the number is too large")
    return value


def _plain(name: str, value: Any) -> Any:
    """The Python value of a numpy scalar, a one-element tensor or a subclass of a plain type."""
    value = value.item() if hasattr(value, "item") and getattr(value, "size", 1) == 1 else value
    for plain in (bool, str, int, float):
        if isinstance(value, plain):
            return plain(value)
    expected = "expected a number, a text, true, false or null"
    raise InvalidQuery(FIELD, f"feature {name!r}: {expected}, got {type(value).__name__}")
