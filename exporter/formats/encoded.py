"""Arrays and pictures inside JSON, as base64."""

import binascii
import math
from typing import Any

import numpy as np

from exporter.config import Limits
from exporter.formats import Refused
from exporter.formats.picture import decode_picture

#: how pixels may be written; always little-endian
PIXEL_TYPES = ("uint8", "uint16", "int16", "int32", "float16", "float32", "float64", "bool")


def vector_from_base64(text: Any, limits: Limits) -> np.ndarray:
    """float32 (d,) from little-endian float32 bytes. Raises Refused."""
    raw = _bytes(text, "embedding_base64")
    if not raw or len(raw) % 4:
        raise Refused("invalid_input", f"input.embedding_base64: {len(raw)} bytes are no row of float32 numbers")
    if len(raw) // 4 > limits.vector_numbers:
        raise Refused("too_large", f"input: {len(raw) // 4} numbers, more than the {limits.vector_numbers} allowed")
    return finite(np.frombuffer(raw, "<f4"))


def pixels_from_base64(value: dict[str, Any], limits: Limits) -> np.ndarray:
    """The array of `{"pixels_base64", "shape", "dtype"}`, 2-D or 3-D. Raises Refused."""
    shape, dtype = value.get("shape"), value.get("dtype", "uint8")
    if not isinstance(shape, list) or len(shape) not in (2, 3) or not all(type(n) is int and n > 0 for n in shape):
        raise Refused("invalid_input", "input.shape: expected two or three positive whole numbers")
    if dtype not in PIXEL_TYPES:
        raise Refused("invalid_input", f"input.dtype: {str(dtype)[:40]!r} is none of {', '.join(PIXEL_TYPES)}")
    if math.prod(shape) > 4 * limits.image_pixels:
        raise Refused("too_large", f"input: a picture of {shape}, more than the {limits.image_pixels} pixels allowed")
    raw, kind = _bytes(value["pixels_base64"], "pixels_base64"), np.dtype(dtype).newbyteorder("<")
    if len(raw) != math.prod(shape) * kind.itemsize:
        expected = math.prod(shape) * kind.itemsize
        raise Refused("invalid_input", f"input.pixels_base64: {len(raw)} bytes, expected {expected} for shape {shape}")
    return _in_scale(np.frombuffer(raw, kind)).reshape(shape)


def _in_scale(numbers: np.ndarray) -> np.ndarray:
    """The same numbers; raises Refused for integers beyond 0 to 255 and for floats that float32 cannot hold."""
    if numbers.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what float32 cannot hold is infinite there, and refused
            finite(numbers.astype(np.float32))
    elif numbers.dtype.itemsize > 1 and (numbers.min() < 0 or numbers.max() > 255):
        wrong = numbers.min() if numbers.min() < 0 else numbers.max()
        raise Refused("invalid_input", f"input: integers are 0 to 255, got {wrong}; send other scales as floats 0 to 1")
    return numbers


def image_from_base64(value: dict[str, Any], limits: Limits) -> np.ndarray:
    """The pixels of `{"image_base64"}`, PNG or JPEG bytes. Raises Refused."""
    return decode_picture(_bytes(value["image_base64"], "image_base64"), limits)


def finite(numbers: np.ndarray) -> np.ndarray:
    """The same numbers; raises Refused where one of them is not finite."""
    if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
        raise Refused("invalid_input", "input: holds a number that is not finite")
    return numbers


def _bytes(text: Any, key: str) -> bytes:
    if not isinstance(text, str):
        raise Refused("invalid_input", f"input.{key}: expected a base64 text")
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise Refused("invalid_input", f"input.{key}: no base64: {error}") from None
