"""The input of a query in one of the forms that the exporter takes, from those that models are asked in.

    a text, texts          themselves; messages of a chat as the text they say
    numbers                a row of them; one number as a row of one
    {feature: value}       itself, what is nested in it under `outer.inner`; what is no finite number, and what nobody
                           knows, is a missing value
    values of all sorts    features that are named by their place
    an embedding           itself
    a picture              its bytes or pixels

A batch of one is that one. A batch of more is no one query.
"""

from collections.abc import Mapping
from typing import Any

from vedette_client import pictures
from vedette_client.chat import messages_of, text_of
from vedette_client.encode import plain
from vedette_client.scalars import Scalar, row_of_numbers, scalar

#: features beyond which a mapping is none
MOST_FEATURES = 100_000
#: what the exporter reads as it is, where it is one of these keys
_ENCODED = ("image_base64", "pixels_base64", "embedding_base64")


def as_input(value: Any) -> Any:
    """The input as the exporter takes it; None where it has no such form.

    Raises TypeError for what nobody knows, and what the host's objects do.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        return row_of_numbers([value])
    if isinstance(value, (bytes, bytearray, memoryview)):
        return pictures.encoded(bytes(value))
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, (list, tuple)):
        return _list(value)
    if hasattr(value, "getbands"):
        return pictures.drawn(value)
    if hasattr(value, "to_dict") and hasattr(value, "ndim"):
        return _of_pandas(value)
    return _array(value) if hasattr(value, "ndim") else as_input(plain(value))


def _of_pandas(value: Any) -> Any:
    """A series is a row with names; so is a table with one row."""
    if value.ndim == 1:
        return _features(value.to_dict())
    return _features(value.to_dict("records")[0]) if len(value) == 1 else None


def _array(value: Any) -> Any:
    if hasattr(value, "detach"):  # a tensor, wherever it lies
        value = value.detach().cpu().numpy()
    if value.ndim in (2, 4) and value.shape[0] == 1:
        value = value[0]
    if pictures.is_picture(value):
        return pictures.pixels(value)
    return as_input(plain(value)) if value.ndim <= 1 else None


def _list(values: list[Any] | tuple[Any, ...]) -> Any:
    if not values:
        return None
    kinds = set(map(type, values))
    if kinds == {str}:
        return list(values)
    if kinds == {float} and (numbers := row_of_numbers(values)):
        return numbers
    if (messages := messages_of(values)) is not None:
        return text_of(messages) or None
    if len(values) == 1 and not isinstance(values[0], (int, float)):
        return as_input(values[0])
    if kinds & {list, tuple, dict}:
        return None
    items = list(map(scalar, values))
    if all(isinstance(item, str) for item in items):
        return items
    return row_of_numbers(items) or _features({f"{place:06d}": item for place, item in enumerate(items)})


def _mapping(value: Mapping[Any, Any]) -> Any:
    if any(isinstance(value.get(key), str) for key in _ENCODED):
        return value
    if "embedding" in value:
        return _embedding(as_input(value["embedding"]))
    if (messages := messages_of(value)) is not None:
        return text_of(messages) or None
    return _features(value)


def _embedding(row: Any) -> dict[str, Any] | None:
    """A row of numbers as a vector; None where it is none, or beyond the float32 that vectors are kept in."""
    if not isinstance(row, list) or isinstance(row[0], str):
        return None
    return {"embedding": row} if max(map(abs, row)) <= pictures.LARGEST else None


def _features(value: Mapping[Any, Any]) -> dict[str, Scalar] | None:
    found: dict[str, Scalar] = {}
    _flatten("", value, found)
    return found if any(item is not None for item in found.values()) else None


def _flatten(prefix: str, value: Mapping[Any, Any], found: dict[str, Scalar]) -> None:
    """Add the features of a mapping. Raises ValueError beyond MOST_FEATURES, and RecursionError in a circle."""
    for key, item in value.items():
        name = f"{prefix}{key}"
        inner = _opened(item)
        if isinstance(inner, (str, int, float)) or inner is None:
            found[name] = inner if type(inner) is str else scalar(inner)
        elif isinstance(inner, Mapping):
            _flatten(f"{name}.", inner, found)
        else:
            _flatten(f"{name}.", dict(enumerate(inner)), found)
        if len(found) > MOST_FEATURES:
            raise ValueError("too many features")


def _opened(value: Any) -> Any:
    """A value of a feature as a text, a number, a list or a mapping; None where nobody knows it."""
    if value is None or isinstance(value, (str, int, float, list, tuple, Mapping)):
        return value
    try:
        return _opened(plain(value))
    except TypeError:
        return None
