"""Records as JSON, with whatever arrays and objects the host's models speak in."""

import dataclasses
import json
from collections.abc import Mapping
from datetime import date
from typing import Any


def encode(fields: Any) -> bytes:
    """One line of JSON.

    Raises ValueError and TypeError, and whatever the host's objects do: NaN, infinity, circles and unknown objects have
    no JSON.
    """
    return _encoder.encode(fields).encode("utf-8", "replace")  # lone surrogates are no text


def plain(value: Any) -> Any:
    """What an object is in plain Python, its outermost layer. Raises TypeError where nobody knows it."""
    if hasattr(value, "tolist"):  # numpy, torch, pandas
        return value.tolist()
    if hasattr(value, "model_dump"):  # pydantic, and the answers of OpenAI's package
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=plain)
