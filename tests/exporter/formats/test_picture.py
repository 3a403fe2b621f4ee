import base64
import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from exporter.config import Limits
from exporter.formats import Refused
from exporter.formats.picture import decode_picture, event

LIMITS = Limits(image_pixels=10_000)
NOISE = np.random.default_rng(3).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def encoded(picture, kind="PNG", **options):
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return data.getvalue()


def test_a_png_gives_its_pixels():
    np.testing.assert_array_equal(decode_picture(encoded(Image.fromarray(NOISE)), LIMITS), NOISE)


def test_a_jpeg_gives_its_shape_and_about_its_pixels():
    flat = np.full((16, 8, 3), 100, np.uint8)
    pixels = decode_picture(encoded(Image.fromarray(flat), "JPEG"), LIMITS)
    assert pixels.shape == (16, 8, 3)
    assert np.abs(pixels.astype(int) - 100).max() <= 3


def test_grey_pictures_have_no_channels():
    np.testing.assert_array_equal(decode_picture(encoded(Image.fromarray(NOISE[..., 0])), LIMITS), NOISE[..., 0])


def test_sixteen_bits_of_grey_are_scaled_and_not_cut_off():
    deep = np.array([[0, 256, 65535]], np.uint16)
    np.testing.assert_array_equal(decode_picture(encoded(Image.fromarray(deep)), LIMITS), [[0, 1, 255]])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_gives_bytes_in_two_or_three_dimensions(mode):
    pixels = decode_picture(encoded(Image.fromarray(NOISE).convert(mode)), LIMITS)
    assert pixels.dtype == np.uint8
    assert pixels.shape in [(20, 30), (20, 30, 3)]


def test_a_palette_with_transparency_is_read_without_a_warning():
    data = encoded(Image.fromarray(NOISE).convert("P"), transparency=b"\0\x80\xff")
    assert decode_picture(data, LIMITS).shape == (20, 30, 3)


@pytest.mark.parametrize("side", [101, 10_000, 12_000, 60_000])
def test_a_picture_beyond_the_limit_is_refused_before_it_is_decoded(side):
    with pytest.raises(Refused, match="10000 pixels allowed") as refused:
        decode_picture(bomb(side), LIMITS)
    assert refused.value.code == "too_large"


def bomb(side):
    """A PNG that says to be large in its header and holds nothing."""

    def part(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = part(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + part(b"IDAT", zlib.compress(b"")) + part(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_that_is_cut_off_is_refused(kind):
    data = encoded(Image.fromarray(NOISE), kind)
    with pytest.raises(Refused, match="a broken picture") as refused:
        decode_picture(data[: len(data) * 2 // 3], LIMITS)
    assert refused.value.code == "invalid_input"


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"<svg/>", encoded(Image.fromarray(NOISE), "BMP")])
def test_other_formats_are_refused(data):
    with pytest.raises(Refused, match="neither a PNG nor a JPEG"):
        decode_picture(data, LIMITS)


@given(st.sampled_from(["PNG", "JPEG"]), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8))
def test_damaged_pictures_give_pixels_or_a_typed_error(kind, changes):
    data = bytearray(encoded(Image.fromarray(NOISE), kind))
    for place, value in changes:
        data[place % len(data)] = value
    with contextlib.suppress(Refused):
        assert decode_picture(bytes(data), LIMITS).size


def test_the_event_of_a_picture_has_the_fields_beside_it():
    assert event(b"PNG", {"model": "cats", "client": "7"}) == {
        "modality": "image",
        "model": "cats",
        "client": "7",
        "input": {"image_base64": base64.b64encode(b"PNG").decode()},
    }


def test_an_input_beside_a_picture_is_refused():
    with pytest.raises(Refused, match="the picture is the input"):
        event(b"PNG", {"input": "a text"})
