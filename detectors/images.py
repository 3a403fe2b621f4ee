"""Pictures in whatever form they come, as arrays of at most 64 x 64 pixels.

The type of the numbers decides their scale: integers are 0 to 255, floats 0 to 1 (floats beyond are kept as they are).
Three axes are height, width, channels if the last one is 1, 3 or 4 long, else channels first. Four channels are red,
green, blue and opacity (put on white); any other number of channels is averaged to grey.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np

from detectors.contract import InvalidQuery

FIELD = "input_data"
#: pictures with longer sides are area-reduced to this one
SIDE = 64
#: the most pixels that are decoded
MAX_PIXELS = 64_000_000
#: rows of a large picture that are turned into floats together: all would take four times its memory
STRIP = 256
#: numbers that are worked on together; more of them do not stay in the processor's cache
TOGETHER = 1 << 17


def pixels(value: Any) -> np.ndarray:
    """The picture as uint8 or float32 (height, width, channels), sides 1 to 64, channels 1 or 3.

    uint8 where the picture came as integers and did not have to be reduced, else float32, 0 to 1 in scale.
    Raises InvalidQuery for what is no picture: other shapes, no pixels, numbers that are not finite.
    """
    picture = _shaped(_array(value))
    return _channels(_reduced(picture) if max(picture.shape[:2]) > SIDE else picture)


def _array(value: Any) -> np.ndarray:
    """The numbers of a picture, uint8 or float32, any shape."""
    try:
        if isinstance(value, (bytes, bytearray, memoryview)) or hasattr(value, "getbands"):
            return _scaled(_decoded(value))
        return _scaled(np.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value))
    except InvalidQuery:
        raise
    except Exception as error:  # a decoder raises what it likes on a broken file
        raise InvalidQuery(FIELD, f"cannot read the image: {error}") from None


def _decoded(value: Any) -> np.ndarray:
    if not hasattr(value, "getbands"):
        from PIL import Image  # only those who send files need it

        value = Image.open(BytesIO(value))
    if value.width * value.height > MAX_PIXELS:
        raise InvalidQuery(FIELD, f"the image has {value.width * value.height} pixels, more than {MAX_PIXELS}")
    if value.mode.startswith("I"):  # 16 bits a pixel, also where 32 hold them
        return np.asarray(value).astype(np.float32) / 65535
    if value.mode not in ("1", "L", "RGB", "RGBA", "F"):
        value = value.convert("RGBA" if "transparency" in value.info or value.mode.endswith(("A", "a")) else "RGB")
    return np.asarray(value)


def _scaled(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind in "iu" and array.size:
        if array.min() < 0 or array.max() > 255:
            wrong = array.min() if array.min() < 0 else array.max()
            raise InvalidQuery(FIELD, f"image: integers are 0 to 255, got {wrong}; send other scales as floats 0 to 1")
        return array.astype(np.uint8)
    if array.dtype.kind != "f" and array.size:
        raise InvalidQuery(FIELD, f"image: expected integers or floats, got {array.dtype}")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        raise InvalidQuery(FIELD, f"image: {array[~np.isfinite(array)][0]} is not a finite number")
    return array


def _shaped(array: np.ndarray) -> np.ndarray:
    """(height, width, channels), from (height, width) too and from channels first."""
    if array.ndim not in (2, 3) or not array.size:
        raise InvalidQuery(FIELD, f"image: expected height x width, or with channels, got shape {array.shape}")
    if array.ndim == 2:
        return array[:, :, None]
    return array if array.shape[2] in (1, 3, 4) else array.transpose(1, 2, 0)


def _reduced(picture: np.ndarray) -> np.ndarray:
    """float32 (height, width, channels), sides at most 64; each pixel is the mean of the area that it covers."""
    scale = np.float32(255 if picture.dtype == np.uint8 else 1)
    # the longer side first: the other way round a narrow picture would grow before it shrinks
    order = (0, 1) if picture.shape[0] >= picture.shape[1] else (1, 0)
    for axis in order:
        picture = _shortened(picture.swapaxes(0, axis)).swapaxes(0, axis)
    return picture / scale


def _shortened(picture: np.ndarray) -> np.ndarray:
    """At most 64 rows, each the mean of the rows that it covers; float32 if there were more."""
    height = len(picture)
    if height <= SIDE:
        return picture
    rows = np.zeros((SIDE, picture[0].size), dtype=np.float32)
    for start in range(0, height, STRIP):
        strip = picture[start : start + STRIP]
        weights = area_weights(height, SIDE, start, start + len(strip)).astype(np.float32)
        rows += weights @ strip.reshape(len(strip), -1).astype(np.float32)
    return rows.reshape(SIDE, *picture.shape[1:])


def _channels(picture: np.ndarray) -> np.ndarray:
    count = picture.shape[2]
    if count in (1, 3):
        return picture
    if picture.dtype == np.uint8:
        picture = picture / np.float32(255)
    if count == 4:
        return picture[:, :, :3] * picture[:, :, 3:] + (1 - picture[:, :, 3:])
    return picture.mean(axis=2, keepdims=True, dtype=np.float32)


def stacks(pictures: Sequence[np.ndarray]) -> Iterator[tuple[list[int], np.ndarray, np.ndarray]]:
    """Pictures of the same shape and type together: their positions, their numbers, and what 1.0 is in each.

    The numbers are float32 (n, height, width, channels): 0 to 255 where the pictures are uint8. Floats are divided by
    the largest where that is beyond 1, so that sums stay finite. What 1.0 is in them is float64 (n,).
    """
    groups: dict[tuple[tuple[int, ...], str], list[int]] = {}
    for index, picture in enumerate(pictures):
        groups.setdefault((picture.shape, picture.dtype.char), []).append(index)
    for (shape, kind), positions in groups.items():
        count = max(1, TOGETHER // (shape[0] * shape[1] * shape[2]))
        for start in range(0, len(positions), count):
            part = positions[start : start + count]
            numbers = np.empty((len(part), *shape), dtype=np.float32)
            for row, position in enumerate(part):
                numbers[row] = pictures[position]
            yield part, numbers, np.full(len(part), 255.0) if kind == "B" else _shrink(numbers)


def _shrink(numbers: np.ndarray) -> np.ndarray:
    axes = (1, 2, 3)
    largest = np.maximum(np.maximum(numbers.max(axis=axes), -numbers.min(axis=axes)), np.float32(1))
    if largest.max() > 1:  # few pictures are beyond the scale
        numbers /= largest[:, None, None, None]
    return 1 / largest.astype(np.float64)


@lru_cache(maxsize=256)
def area_weights(length: int, cells: int, start: int = 0, stop: int | None = None) -> np.ndarray:
    """The share of each of `length` pixels in the mean of each of `cells` equal parts: float64 (cells, length).

    Rows sum to 1. Parts smaller than a pixel are allowed. Only the columns from start to stop are made.
    """
    edges = np.arange(cells + 1) * (length / cells)
    columns = np.arange(start, length if stop is None else stop)
    overlap = np.minimum(edges[1:, None], columns + 1) - np.maximum(edges[:-1, None], columns)
    return np.maximum(overlap, 0.0) * (cells / length)
