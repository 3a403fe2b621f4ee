"""Records as JSON, with whatever arrays and objects the host's models speak in."""

import base64
import dataclasses
import json
from collections.abc import Mapping
from datetime import date
from typing import Any


def encode(fields: Mapping[str, Any]) -> bytes:
    """One line of JSON.

    Raises ValueError and TypeError, and whatever the host's objects do: NaN, infinity, circles and unknown objects have
    no JSON.
    """
    return _encoder.encode(fields).encode("utf-8", "replace")  # lone surrogates are no text


def as_input(value: Any) -> Any:
    """An input as the exporter takes it: bytes and arrays that can only be pictures become images, the rest stays.

    Of arrays with two axes these are the ones of bytes: others may as well be a batch of rows, which is no one query.
    """
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"image_base64": _base64(bytes(value))}
    if _is_picture(value):
        return {"pixels_base64": _base64(value.tobytes()), "shape": list(value.shape), "dtype": str(value.dtype)}
    return value


def _is_picture(value: Any) -> bool:
    axes = getattr(value, "ndim", 0)
    return hasattr(value, "tobytes") and (axes == 3 or (axes == 2 and str(value.dtype) == "uint8"))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _plain(value: Any) -> Any:
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


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
