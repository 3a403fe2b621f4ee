"""Pictures: PNG and JPEG bytes into pixels, within bounds."""

import io

import numpy as np

from exporter.config import Limits
from exporter.formats import Refused


def decode_picture(data: bytes, limits: Limits) -> np.ndarray:
    """uint8 pixels, (h, w) for grey pictures, else (h, w, 3). Raises Refused."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > limits.image_pixels:
                size = f"{picture.width} x {picture.height}"
                raise Refused("too_large", f"a picture of {size}, more than the {limits.image_pixels} pixels allowed")
            return np.asarray(picture.convert("L" if picture.mode in ("1", "L") else "RGB"))
    except UnidentifiedImageError:
        raise Refused("invalid_input", "neither a PNG nor a JPEG picture") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused("invalid_input", f"a broken picture: {error}") from None
