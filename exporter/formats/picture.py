"""Pictures: PNG and JPEG bytes into pixels, within bounds; and the native event of a picture in a file."""

import binascii
import io
import struct
import zlib
from typing import Any

import numpy as np

from exporter.config import Limits
from exporter.formats import Refused

#: what Pillow raises for pictures that are damaged
BROKEN = (OSError, ValueError, SyntaxError, EOFError, OverflowError, KeyError, IndexError, struct.error, zlib.error)
GREY = frozenset(("1", "L", "LA", "La"))


def decode_picture(data: bytes, limits: Limits) -> np.ndarray:
    """uint8 pixels, (h, w) for grey pictures, else (h, w, 3); transparency is left out. Raises Refused.

    The size is taken from the header and bounded before a pixel is decoded.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > limits.image_pixels:
                size = f"{picture.width} x {picture.height}"
                raise Refused("too_large", f"a picture of {size}, more than the {limits.image_pixels} pixels allowed")
            return _pixels(picture)
    except UnidentifiedImageError:
        raise Refused("invalid_input", "neither a PNG nor a JPEG picture") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Refused("too_large", f"a picture of more than the {limits.image_pixels} pixels allowed") from None
    except Refused:  # it is a ValueError itself
        raise
    except BROKEN as error:
        raise Refused("invalid_input", f"a broken picture: {error}") from None


def _pixels(picture: Any) -> np.ndarray:
    if picture.mode.startswith("I"):  # 16 bits of grey; Pillow would cut them off at 255
        return (np.clip(np.asarray(picture), 0, 65535) >> 8).astype(np.uint8)
    if picture.mode == "P":  # a palette with transparency converts without a warning only by way of RGBA
        picture = picture.convert("RGBA")
    return np.asarray(picture.convert("L" if picture.mode in GREY else "RGB"))


def event(data: bytes, beside: dict[str, Any]) -> dict[str, Any]:
    """The native fields of a picture file and of what stands in the file beside it. Raises Refused."""
    if "input" in beside:
        raise Refused("invalid_input", "the file beside the picture has a field `input`; the picture is the input")
    picture = {"image_base64": binascii.b2a_base64(data, newline=False).decode()}
    return {"modality": "image", **beside, "input": picture}
