"""The input of a native event: what it may be, within the limits, as detectors take it."""

from typing import Any

import numpy as np

from exporter.config import Limits
from exporter.formats import Refused
from exporter.formats.encoded import finite, image_from_base64, pixels_from_base64, vector_from_base64


def read_input(value: Any, limits: Limits) -> Any:
    """A text, a list of texts or numbers, a mapping of features, an embedding or pixels. Raises Refused."""
    if isinstance(value, str):
        _bounded(len(value), limits.text_characters, "characters")
        return value
    if isinstance(value, list):
        return _list(value, limits)
    for key, read in _ENCODED.items():
        if key in value:
            return read(value, limits)
    return _features(value, limits)


def _list(values: list[Any], limits: Limits) -> Any:
    if not values:
        raise Refused("invalid_input", "input: the list is empty")
    if type(values[0]) is not str:  # first of all: to look at each of them takes long
        _bounded(len(values), limits.vector_numbers, "numbers")
    if all(type(item) is str for item in values):
        _bounded(sum(map(len, values)), limits.text_characters, "characters")
        return values
    if any(type(item) is str for item in values):
        raise Refused("invalid_input", "input: expected a list of texts or a list of numbers, got both")
    _bounded(len(values), limits.vector_numbers, "numbers")
    return values


def _features(features: dict[str, Any], limits: Limits) -> dict[str, Any]:
    if not features:
        raise Refused("invalid_input", "input: the mapping is empty; expected {feature: value}")
    _bounded(len(features), limits.vector_numbers, "features")
    for name, item in features.items():
        if item is not None and not isinstance(item, (str, int, float, bool)):
            raise Refused("invalid_input", f"input.{name}: expected a number, a text, true, false or null")
        if type(item) is int and abs(item) >> 64:
            raise Refused("invalid_input", f"input.{name}: a whole number beyond 64 bits")
    _bounded(sum(len(item) for item in features.values() if type(item) is str), limits.text_characters, "characters")
    return features


def _embedding(value: dict[str, Any], limits: Limits) -> dict[str, Any]:
    numbers = value["embedding"]
    if not isinstance(numbers, list) or not numbers or not all(type(n) in (int, float) for n in numbers):
        raise Refused("invalid_input", "input.embedding: expected a list of numbers")
    _bounded(len(numbers), limits.vector_numbers, "numbers")
    try:
        with np.errstate(over="ignore"):  # what float32 cannot hold is infinite there, and refused
            return {"embedding": finite(np.array(numbers, np.float32))}
    except OverflowError:
        raise Refused("invalid_input", "input.embedding: holds a whole number beyond every float") from None


def _embedding_base64(value: dict[str, Any], limits: Limits) -> dict[str, Any]:
    return {"embedding": vector_from_base64(value["embedding_base64"], limits)}


#: how an input that is a mapping with this key is read
_ENCODED = {
    "image_base64": image_from_base64,
    "pixels_base64": pixels_from_base64,
    "embedding_base64": _embedding_base64,
    "embedding": _embedding,
}


def _bounded(size: int, limit: int, what: str) -> None:
    if size > limit:
        raise Refused("too_large", f"input: {size} {what}, more than the {limit} allowed")
