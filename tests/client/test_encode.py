"""Records as JSON."""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest

from vedette_client.encode import as_input, encode


@dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (np.float32(0.5), 0.5),
        (np.array([1, 2]), [1, 2]),
        (Point(3), {"x": 3}),
        (datetime(2026, 1, 31, tzinfo=UTC), "2026-01-31T00:00:00+00:00"),
        ({"b", "a"}, ["a", "b"]),
        ("süß", "süß"),
        ("a\nb", "a\nb"),
        ("\ud800", "?"),
    ],
)
def test_what_models_speak_in_is_written_on_one_line(value: object, written: object) -> None:
    line = encode({"output": value})
    assert b"\n" not in line
    assert json.loads(line) == {"output": written}


def circle() -> list:
    made: list = []
    made.append(made)
    return made


class Bad:
    def tolist(self) -> None:
        raise RuntimeError("no")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), circle(), Bad(), {(1, 2): 3}])
def test_what_has_no_json_is_refused(value: object) -> None:
    with pytest.raises((ValueError, TypeError, RuntimeError)):
        encode({"output": value})


def test_bytes_and_arrays_that_can_only_be_pictures_are_images() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert as_input(b"png") == {"image_base64": base64.b64encode(b"png").decode()}
    assert as_input(pixels) == {
        "pixels_base64": base64.b64encode(pixels.tobytes()).decode(),
        "shape": [2, 2, 3],
        "dtype": "uint8",
    }
    assert set(as_input(pixels[:, :, 0])) == {"pixels_base64", "shape", "dtype"}
    rows = np.zeros((2, 3))
    assert as_input(rows) is rows
    assert as_input("text") == "text"
