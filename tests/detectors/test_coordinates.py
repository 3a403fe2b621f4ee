"""Queries as points."""

import numpy as np
import pytest

from detectors.coordinates import LONGEST, RESOLUTION, Layout, Points, neighbours, squared_distances

RANDOM = np.random.default_rng(5)
PICTURES = list(RANDOM.integers(0, 256, (40, 28, 28), dtype=np.uint8))
ROWS = [{"age": float(a), "kind": k} for a, k in zip(RANDOM.normal(40, 10, 40), ["a", "b"] * 20, strict=True)]
TEXTS = [f"order number {n} of customer {n % 7} is late" for n in range(40)]
NUMBERS = RANDOM.normal(5, 3, (40, 12)).tolist()
EMBEDDINGS = [{"embedding": row} for row in RANDOM.normal(0, 1, (40, 400))]


def points(values, seed=1):
    layout = Layout.of(values)
    numbers, fitting = layout.numbers(values)
    assert fitting.tolist() == list(range(len(values)))
    return Points.of(layout, numbers, seed), numbers


def slow_distance(one, other):
    return sum((float(a) - float(b)) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5


@pytest.mark.parametrize("values", [PICTURES, ROWS, TEXTS, NUMBERS, EMBEDDINGS])
def test_a_point_does_not_depend_on_its_batch(values):
    made, numbers = points(values)
    whole = made.of_numbers(numbers)
    assert whole.dtype == np.int16
    for size in (1, 3, 7):
        parts = [made.of_numbers(numbers[start : start + size]) for start in range(0, len(numbers), size)]
        assert (np.concatenate(parts) == whole).all()


@pytest.mark.parametrize("values", [PICTURES, ROWS, NUMBERS, EMBEDDINGS])
def test_distances_are_those_of_the_numbers_in_units_of_the_usual_one(values):
    made, numbers = points(values)
    found = made.of_numbers(numbers)
    wide = numbers.shape[1] > 256
    scale = np.median(
        [slow_distance(found[n], found[n + 1]) / slow_distance(numbers[n], numbers[n + 1]) for n in range(39)]
    )
    for n in range(0, 38, 5):
        expected = slow_distance(numbers[n], numbers[n + 2]) * scale
        assert slow_distance(found[n], found[n + 2]) == pytest.approx(expected, rel=0.25 if wide else 0.03, abs=5)


def test_half_of_the_sample_has_a_nearer_neighbour():
    made, numbers = points(NUMBERS)
    assert np.median(neighbours(made.of_numbers(numbers).astype(float))) == pytest.approx(RESOLUTION, rel=0.02)


def test_another_seed_gives_other_points_at_the_same_distances():
    (one, numbers), (other, _) = points(NUMBERS, 1), points(NUMBERS, 2)
    first, second = one.of_numbers(numbers), other.of_numbers(numbers)
    assert (first != second).any()
    assert slow_distance(first[0], first[1]) == pytest.approx(slow_distance(second[0], second[1]), abs=8)


def test_points_go_on_after_a_dump():
    made, numbers = points(PICTURES)
    again = Points.load(made.dump(), 1)
    assert (again.of_numbers(numbers) == made.of_numbers(numbers)).all()


def test_the_layout_is_that_of_most_inputs_and_says_which_fit():
    layout = Layout.of([*NUMBERS, "a text", {"x": 1}, [1.0, 2.0]])
    assert (layout.kind, layout.shape) == ("numbers", (12,))
    _, fitting = layout.numbers([NUMBERS[0], "a text", NUMBERS[1], [1.0], None])
    assert fitting.tolist() == [0, 2]


def test_pictures_of_another_shape_are_resampled():
    layout = Layout.of(PICTURES)
    large = np.kron(PICTURES[0], np.ones((2, 2), np.uint8))
    numbers, fitting = layout.numbers([PICTURES[0], large, np.dstack([PICTURES[0]] * 3)])
    assert fitting.tolist() == [0, 1, 2]
    np.testing.assert_allclose(numbers[1], numbers[0], atol=2)
    np.testing.assert_allclose(numbers[2], numbers[0], atol=2)


def test_an_outlier_moves_neither_median_nor_spread():
    plain, spoilt = Layout.of(NUMBERS), Layout.of([*NUMBERS[:-2], [1e9] * 12, [-1e9] * 12])
    np.testing.assert_allclose(spoilt.spread, plain.spread, rtol=0.35)


def test_a_feature_that_never_changes_does_no_harm():
    layout = Layout.of([[1.0, 7.0], [2.0, 7.0], [3.0, 7.0]])
    assert np.isfinite(layout.numbers([[2.0, 7.0], [2.0, 1e300]])[0]).all()


def test_rows_that_are_too_long_are_folded():
    values = [{"embedding": row} for row in RANDOM.normal(0, 1, (12, LONGEST + 100))]
    made, numbers = points(values)
    found = made.of_numbers(numbers).astype(float)
    assert slow_distance(found[0], found[1]) == pytest.approx(np.median(neighbours(found)), rel=0.3)


def test_nothing_to_compare_is_refused():
    with pytest.raises(ValueError, match="none of the inputs can be read"):
        Layout.of([None, object()])


def test_squared_distances_are_exact_for_whole_numbers():
    rows, others = RANDOM.integers(-30_000, 30_000, (5, 256)), RANDOM.integers(-30_000, 30_000, (4, 256))
    found = squared_distances(rows.astype(float), others.astype(float))
    assert found.tolist() == [
        [sum((int(a) - int(b)) ** 2 for a, b in zip(x, y, strict=True)) for y in others] for x in rows
    ]
