"""Pictures, as the exporter takes them."""

import base64
from io import BytesIO
from typing import Any

#: what the exporter knows of numpy's types; of whole numbers wider than a byte it takes 0 to 255
PIXEL_TYPES = ("uint8", "uint16", "int16", "int32", "float16", "float32", "float64", "bool")
#: how files of PNG and JPEG begin
SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
#: the largest number of a float32, in which the exporter looks at them
LARGEST = 3.4028234663852886e38
#: modes of PIL's images that a PNG keeps and every reader knows
PNG_MODES = ("L", "RGB", "RGBA")


def encoded(data: bytes) -> dict[str, Any] | None:
    """The bytes of a file; None where it is of another kind than the exporter reads, or no picture."""
    return {"image_base64": _base64(data)} if data.startswith(SIGNATURES) else None


def drawn(image: Any) -> dict[str, Any] | None:
    """An image of PIL's."""
    file = BytesIO()
    (image if image.mode in PNG_MODES else image.convert("RGB")).save(file, "PNG", compress_level=1)
    return encoded(file.getvalue())


def is_picture(value: Any) -> bool:
    """Whether an array can only be a picture.

    Of arrays with two axes these are the ones of bytes: others may as well be a batch of rows, which is no one query.
    """
    axes = getattr(value, "ndim", 0)
    return hasattr(value, "tobytes") and (axes == 3 or (axes == 2 and str(value.dtype) == "uint8"))


def pixels(array: Any) -> dict[str, Any] | None:
    """A numpy array; None where its numbers are no light."""
    kind = str(array.dtype)
    if kind not in PIXEL_TYPES or not array.size or not _is_in_scale(array, kind):
        return None
    return {"pixels_base64": _base64(array.tobytes()), "shape": list(array.shape), "dtype": kind}


def _is_in_scale(array: Any, kind: str) -> bool:
    if kind in ("uint8", "bool"):
        return True
    low, high = float(array.min()), float(array.max())
    if kind.startswith("float"):  # a NaN among them is the least and the largest
        return low >= -LARGEST and high <= LARGEST
    return low >= 0 and high <= 255


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
