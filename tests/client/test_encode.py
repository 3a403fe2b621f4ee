"""Records as JSON."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest

from vedette_client.encode import encode


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
