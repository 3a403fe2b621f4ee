"""Inputs in the forms that the exporter takes."""

import base64
import json
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import pytest

from vedette_client.inputs import MOST_FEATURES, as_input

NAN = float("nan")
PNG = b"\x89PNG\r\n\x1a\n..."


@dataclass
class Order:
    amount: float
    zone: str


class Tensor:
    """Like torch's, on another device."""

    ndim, shape = 2, (1, 2)

    def detach(self) -> "Tensor":
        return self

    cpu = detach

    def numpy(self) -> np.ndarray:
        return np.array([[1.0, 2.0]], np.float32)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("text", "text"),
        (["a", "b"], ["a", "b"]),
        ([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}], "Be kind.\nhi"),
        ({"role": "user", "content": "hi"}, "hi"),
        ({"model": "gpt", "messages": [{"role": "user", "content": "hi"}]}, "hi"),
        ([{"type": "human", "content": ["hi", {"type": "text", "text": "you"}, {"type": "image_url"}]}], "hi\nyou"),
        ([{"role": "user", "content": "hi"}, {"role": "assistant", "content": None}], "hi"),
        (3, [3]),
        (True, [1]),
        (np.float32(0.5), [0.5]),
        (np.array([1, 2]), [1, 2]),
        (np.array([[1.5, 2.5]]), [1.5, 2.5]),
        (Tensor(), [1.0, 2.0]),
        ((1, 2.5), [1, 2.5]),
        ([[1.0, 2.0]], [1.0, 2.0]),
        ([1.0, "red", NAN], {"000000": 1.0, "000001": "red", "000002": None}),
        ([{"amount": 1.5}], {"amount": 1.5}),
        (Order(1.5, "a"), {"amount": 1.5, "zone": "a"}),
        ({"user": {"age": 3, "tags": ["a"]}, 7: np.int64(8)}, {"user.age": 3, "user.tags.0": "a", "7": 8}),
        ({"amount": NAN, "other": object(), "zone": "a"}, {"amount": None, "other": None, "zone": "a"}),
        ({"at": np.datetime64("2026-01-31", "D")}, {"at": "2026-01-31"}),
        ({"whole": 1 << 70}, {"whole": float(1 << 70)}),
        ({"embedding": np.array([0.5, 1.0])}, {"embedding": [0.5, 1.0]}),
        ({"image_base64": "aa=="}, {"image_base64": "aa=="}),
    ],
)
def test_what_models_are_asked_gets_a_form(given: Any, told: Any) -> None:
    assert json.loads(json.dumps(as_input(given), allow_nan=False)) == told


@pytest.mark.parametrize(
    "given",
    [
        np.zeros((2, 3)),
        np.zeros((2, 4, 4, 3)),
        np.zeros((4, 4, 3), np.int64),
        np.full((4, 4, 3), NAN),
        np.full((4, 4, 3), 300, np.int32),
        [[1.0], [2.0]],
        [[1.0], "a"],
        [{"a": 1}, {"a": 2}],
        [{"role": "user", "content": [{"type": "image_url"}]}],
        [NAN],
        [],
        {},
        {"amount": NAN},
        {"amount": range(2)},
        {"embedding": [1e300]},
        {"embedding": ["a"]},
        b"GIF89a",
        {"embedding": [[1.0], [2.0]]},
    ],
)
def test_what_is_no_one_query_gets_none(given: Any) -> None:
    assert as_input(given) is None


def circle() -> dict[str, Any]:
    made: dict[str, Any] = {}
    made["again"] = made
    return made


@pytest.mark.parametrize(
    "given", [object(), [None], circle(), iter("a"), dict.fromkeys(range(MOST_FEATURES + 1))], ids=type
)
def test_what_nobody_knows_is_raised(given: Any) -> None:
    with pytest.raises((TypeError, ValueError, RecursionError)):
        as_input(given)


def test_rows_of_pandas_are_features() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"amount": [1.5, 2.5], "zone": ["a", "b"]})
    assert as_input(table.iloc[0]) == as_input(table[:1]) == {"amount": 1.5, "zone": "a"}
    assert as_input(table) is None


def test_bytes_and_arrays_that_can_only_be_pictures_are_images() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    told = {"pixels_base64": base64.b64encode(pixels.tobytes()).decode(), "shape": [2, 2, 3], "dtype": "uint8"}
    assert as_input(PNG) == {"image_base64": base64.b64encode(PNG).decode()}
    assert as_input(pixels) == as_input(pixels[None]) == told
    assert set(as_input(pixels[:, :, 0])) == {"pixels_base64", "shape", "dtype"}


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "P"])
def test_images_of_pil_are_pngs(mode: str) -> None:
    image = pytest.importorskip("PIL.Image")
    data = base64.b64decode(as_input(image.new(mode, (3, 2)))["image_base64"])
    assert image.open(BytesIO(data)).size == (3, 2)
