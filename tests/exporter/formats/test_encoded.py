"""Arrays and pictures inside JSON."""

import base64
import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config import Limits
from exporter.formats import Refused
from exporter.formats.encoded import PIXEL_TYPES, finite, image_from_base64, pixels_from_base64, vector_from_base64

LIMITS = Limits()


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def pixels(array: np.ndarray, **other: Any) -> dict[str, Any]:
    sent = {"pixels_base64": text(array.tobytes()), "shape": list(array.shape), "dtype": str(array.dtype)}
    return sent | other


def test_a_vector_is_little_endian_float32() -> None:
    vector = vector_from_base64("AACAPwAAAMA=", LIMITS)  # 1.0 and -2.0, written by hand
    assert vector.dtype == np.float32
    assert vector.tolist() == [1.0, -2.0]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ("", "input.embedding_base64: 0 bytes are no row of float32 numbers"),
        (text(b"12345"), "input.embedding_base64: 5 bytes are no row of float32 numbers"),
        ("*", "input.embedding_base64: no base64: "),
        ("AAAA AAAA", "input.embedding_base64: no base64: "),
        ("é", "input.embedding_base64: no base64: "),
        (5, "input.embedding_base64: expected a base64 text"),
        (None, "input.embedding_base64: expected a base64 text"),
        (text(np.array([1, np.nan], np.float32).tobytes()), "input: holds a number that is not finite"),
        (text(np.array([np.inf], np.float32).tobytes()), "input: holds a number that is not finite"),
    ],
)
def test_what_is_no_vector_is_refused(sent: Any, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        vector_from_base64(sent, LIMITS)
    assert refused.value.code == "invalid_input"
    assert refused.value.reason.startswith(reason)


def test_a_vector_has_as_many_numbers_as_are_allowed_and_not_one_more() -> None:
    limits, sent = Limits(vector_numbers=3), np.zeros(4, np.float32)
    assert len(vector_from_base64(text(sent[:3].tobytes()), limits)) == 3
    with pytest.raises(Refused, match="4 numbers, more than the 3 allowed") as refused:
        vector_from_base64(text(sent.tobytes()), limits)
    assert refused.value.code == "too_large"


@pytest.mark.parametrize("dtype", PIXEL_TYPES)
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (3, 2, 2)])
def test_pixels_come_back_as_they_were(dtype: str, shape: tuple[int, ...]) -> None:
    sent = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    read = pixels_from_base64(pixels(sent), LIMITS)
    assert read.dtype == sent.dtype
    assert np.array_equal(read, sent)


def test_pixels_without_a_type_are_bytes() -> None:
    assert pixels_from_base64({"pixels_base64": text(b"\x00\xff"), "shape": [1, 2]}, LIMITS).tolist() == [[0, 255]]


@pytest.mark.parametrize(
    ("wrong", "code", "reason"),
    [
        ({"shape": None}, "invalid_input", "input.shape: expected two or three positive whole numbers"),
        ({"shape": [4]}, "invalid_input", "input.shape: expected two or three positive whole numbers"),
        ({"shape": [1, 1, 2, 2]}, "invalid_input", "input.shape: expected two or three positive whole numbers"),
        ({"shape": [2, -2]}, "invalid_input", "input.shape: expected two or three positive whole numbers"),
        ({"shape": [0, 4]}, "invalid_input", "input.shape: expected two or three positive whole numbers"),
        ({"shape": [2, 2.0]}, "invalid_input", "input.shape: expected two or three positive whole numbers"),
        ({"shape": [True, 4]}, "invalid_input", "input.shape: expected two or three positive whole numbers"),
        ({"shape": [2, 3]}, "invalid_input", "input.pixels_base64: 4 bytes, expected 6 for shape [2, 3]"),
        ({"shape": [2**62, 2**62]}, "too_large", "input: a picture of "),
        ({"dtype": "object"}, "invalid_input", "input.dtype: 'object' is none of uint8, "),
        ({"dtype": ["uint8"]}, "invalid_input", "input.dtype: "),
        ({"dtype": "float32"}, "invalid_input", "input.pixels_base64: 4 bytes, expected 16 for shape [2, 2]"),
        ({"pixels_base64": "%"}, "invalid_input", "input.pixels_base64: no base64: "),
        ({"pixels_base64": None}, "invalid_input", "input.pixels_base64: expected a base64 text"),
    ],
)
def test_pixels_that_are_none_are_refused(wrong: dict[str, Any], code: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        pixels_from_base64(pixels(np.zeros((2, 2), np.uint8), **wrong), LIMITS)
    assert refused.value.code == code
    assert refused.value.reason.startswith(reason)


def test_pixels_that_are_not_finite_are_refused() -> None:
    with pytest.raises(Refused, match="not finite"):
        pixels_from_base64(pixels(np.array([[1, np.nan]], np.float16)), LIMITS)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (np.array([[0, 256]], np.int16), "integers are 0 to 255, got 256; send other scales as floats 0 to 1"),
        (np.array([[-1, 0]], np.int32), "integers are 0 to 255, got -1; send other scales as floats 0 to 1"),
        (np.array([[65535]], np.uint16), "integers are 0 to 255, got 65535; send other scales as floats 0 to 1"),
        (np.array([[1e39]]), "holds a number that is not finite"),
    ],
)
def test_pixels_that_no_detector_takes_are_refused(sent: np.ndarray, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        pixels_from_base64(pixels(sent), LIMITS)
    assert (refused.value.code, refused.value.reason) == ("invalid_input", f"input: {reason}")


def test_a_picture_has_as_many_pixels_as_are_allowed_and_not_one_more() -> None:
    limits = Limits(image_pixels=4)
    assert pixels_from_base64(pixels(np.zeros((2, 2, 4), np.uint8)), limits).shape == (2, 2, 4)
    with pytest.raises(Refused, match="more than the 4 pixels allowed") as refused:
        pixels_from_base64(pixels(np.zeros((1, 17), np.uint8)), limits)
    assert refused.value.code == "too_large"


@pytest.mark.parametrize("sent", [5, None, ["AAAA"], "*"])
def test_an_image_that_is_no_base64_is_refused(sent: Any) -> None:
    with pytest.raises(Refused, match=r"input\.image_base64: ") as refused:
        image_from_base64({"image_base64": sent}, LIMITS)
    assert refused.value.code == "invalid_input"


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_an_image_that_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(Refused) as refused:
        image_from_base64({"image_base64": text(data)}, LIMITS)
    assert refused.value.code == "invalid_input"


def test_whole_numbers_are_always_finite() -> None:
    numbers = np.array([1, 2])
    assert finite(numbers) is numbers


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)))
@settings(deadline=None, max_examples=200)
def test_nothing_but_a_refusal_comes_of_values_of_any_type(value: Any) -> None:
    for sent in ({"pixels_base64": value, "shape": [1, 1]}, {"pixels_base64": "AA==", "shape": value, "dtype": value}):
        with pytest.raises(Refused):
            pixels_from_base64(sent, LIMITS)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
@settings(deadline=None)
def test_a_vector_comes_back_as_it_was_packed(numbers: list[float]) -> None:
    packed = np.array(numbers, "<f4")
    assert np.array_equal(vector_from_base64(text(packed.tobytes()), LIMITS), packed)


@given(st.binary(max_size=60) | st.text(max_size=60))
@settings(deadline=None)
def test_garbage_is_a_finite_vector_or_refused(garbage: bytes | str) -> None:
    for sent in (garbage, *([text(garbage)] if isinstance(garbage, bytes) else [])):
        with contextlib.suppress(Refused):
            assert np.isfinite(vector_from_base64(sent, LIMITS)).all()
