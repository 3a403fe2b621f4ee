"""What is read of queries together, against reading it of each alone."""

from typing import Any

import numpy as np
import pytest

from detectors import Query
from detectors.drift.samples import MISSING
from exporter.drift.features import LABEL, LARGEST, coded, columns_of, lights_of, pictures_of

COLUMNS: dict[str, list[Any]] = {
    "floats": [0.5, -1.0, 2.0],
    "whole numbers": [1, 2, -(2**63)],
    "numbers of both kinds, and none": [1, 2.5, None],
    "words, and none": ["a", None, "b"],
    "words that repeat": ["a", "a", "x" * 100],
    "truth values and words": [True, "True", False],
    "truth values and numbers": [True, 1, 0.0],
    "no value": [None, None, None],
    "what is no finite number": [1.0, float("inf"), float("nan")],
    "sums beyond every float": [1.7e308, 1.7e308, -3.0],
    "numpy's own": [np.float32(2.0), np.int64(3), np.str_("a")],
    "broken characters": ["\udc80", "a", "b"],
}


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_a_column_is_coded_as_its_values_one_by_one(column: list[Any]) -> None:
    queries = [Query({"f": value, "g": 1.0}) for value in column]
    found = next(columns_of(queries, {}))
    place = found.names.index("f")
    expected = [coded(value) for value in column]
    assert found.values[:, place].tolist() == [value for value, _ in expected]
    assert found.numeric[:, place].tolist() == [is_number for _, is_number in expected]


def test_missing_and_large_numbers_are_what_they_are_elsewhere() -> None:
    found = next(columns_of([Query({"f": None}), Query({"f": 1e300})], {}))
    assert found.values[:, 0].tolist() == [MISSING, LARGEST]


@pytest.mark.parametrize("kind", ["uint8", "float32", "beyond the scale"])
def test_the_light_of_pictures_is_their_mean_and_deviation(kind: str) -> None:
    rng = np.random.default_rng(4)
    shapes = [(8, 8, 3), (64, 64, 3), (8, 8, 3), (16, 4, 1)]
    raw = [rng.random(shape) for shape in shapes]
    pictures = {
        "uint8": [(one * 255).astype(np.uint8) for one in raw],
        "float32": [one.astype(np.float32) for one in raw],
        "beyond the scale": [(one * 40 - 5).astype(np.float32) for one in raw],
    }[kind]
    scale = 255 if kind == "uint8" else 1
    for picture, light in zip(pictures, lights_of(pictures), strict=True):
        exact = picture.astype(np.float64)
        assert light == pytest.approx((exact.mean() / scale, exact.std() / scale), rel=1e-5, abs=1e-6)


def test_equal_pictures_have_equal_light_whatever_they_come_with() -> None:
    rng = np.random.default_rng(5)
    pictures = [rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(40)]
    together = lights_of(pictures)
    assert [lights_of([picture])[0] for picture in pictures] == together
    assert lights_of([np.full((9, 7, 3), 0.3, np.float32)]) == [(0.3, 0.0)]
    assert lights_of([]) == []


def test_what_is_no_picture_has_no_light() -> None:
    queries = [Query(np.zeros((4, 4, 3), np.uint8), [0.5, 0.5]), Query("a text", [0.5, 0.5])]
    found = list(columns_of(queries, pictures_of(queries)))[-1]
    place = found.names.index("input.brightness")
    assert found.values[:, place].tolist() == [0.0, MISSING]


@pytest.mark.parametrize(
    ("label", "is_number"),
    [(12.5, True), (3, True), (-(2**63), True), (True, False), ("12.5", False), (10**400, False), (-(10**400), False)],
)
def test_a_label_that_is_a_number_is_a_feature_of_numbers_and_any_other_one_of_words(
    label: Any, is_number: bool
) -> None:
    [found] = columns_of([Query("x", {"label": label})], {})
    place = found.names.index(LABEL)
    assert bool(found.numeric[0, place]) is is_number
    assert np.isfinite(found.values[0, place])
