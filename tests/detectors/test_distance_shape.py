"""The shape of distances."""

import numpy as np
import pytest
from scipy.stats import shapiro

from detectors.distance_shape import (
    LEAST,
    MARGIN,
    MOST_CLASSES,
    MOST_POINTS,
    NATURAL,
    Growing,
    natural_threshold,
    shape,
)

RANDOM = np.random.default_rng(8)


def test_w_is_that_of_the_distances_without_outliers():
    distances = RANDOM.normal(100, 10, 200)
    expected = shapiro(distances[np.abs(distances - distances.mean()) <= 3 * distances.std()]).statistic
    assert shape(np.append(distances, [])) == pytest.approx(expected)
    assert shape(np.append(distances, [1e6])) == pytest.approx(shapiro(distances).statistic, abs=0.01)


@pytest.mark.parametrize("distances", [np.zeros(0), np.ones(500), RANDOM.normal(size=LEAST)])
def test_too_few_and_equal_distances_look_natural(distances):
    assert shape(distances) == 1.0


def test_natural_points_look_natural_and_steps_of_one_size_do_not():
    natural, stepping = Growing(), Growing()
    points = np.rint(RANDOM.normal(0, 300, (400, 60))).astype(np.int16)
    for point in points:
        natural.add(point, 0)
    for point in points[:60]:
        stepping.add(point, 0)
    for number in range(140):
        stepping.add(points[number % 60] + np.int16(20) + np.int16(number // 60), 0)
    assert natural.w > 0.95
    assert stepping.w < NATURAL


def test_the_threshold_follows_the_first_queries_but_not_below_its_least():
    points = np.rint(RANDOM.normal(0, 300, (300, 60))).astype(np.int16)
    assert NATURAL <= natural_threshold(points, np.zeros(300, int)) <= 0.92
    assert natural_threshold(points[:0], np.zeros(0, int)) == pytest.approx(0.92)


def test_memory_is_bounded():
    growing = Growing()
    for number, point in enumerate(RANDOM.integers(-9000, 9000, (2000, 16)).astype(np.int16)):
        growing.add(point, number % 40)
    assert growing.nbytes <= MOST_CLASSES * MOST_POINTS * 16 * 2 + 8 * 500


def test_it_goes_on_after_a_dump():
    growing = Growing()
    points = RANDOM.integers(-900, 900, (300, 16)).astype(np.int16)
    for point in points[:150]:
        growing.add(point, 0)
    again = Growing.load(growing.dump(), {place: growing.point(*place) for place in growing.places()})
    assert [again.add(point, 1) for point in points[150:]] == [growing.add(point, 1) for point in points[150:]]


def test_the_threshold_is_the_lowest_of_the_first_queries_with_a_margin():
    points = np.rint(RANDOM.normal(0, 300, (400, 60))).astype(np.int16)
    labels = RANDOM.integers(0, 3, 400)
    growing = Growing()
    lowest = min(growing.add(point, int(label)) for point, label in zip(points, labels, strict=True))
    assert lowest < 1.0
    assert natural_threshold(points, labels) == max(NATURAL, lowest - MARGIN)


def test_classes_and_points_of_a_class_are_as_many_as_are_counted():
    growing = Growing()
    for label in range(MOST_CLASSES + 1):
        growing.add(np.zeros(4, np.int16), label)
    assert [growing.count(label) for label in (0, MOST_CLASSES - 1, MOST_CLASSES)] == [1, 1, 0]
    many = Growing()
    for number in range(MOST_POINTS + 50):  # each further away than the one before, so that each would enter
        many.add(np.full(4, 3 * number + number * number // 200, np.int16), 0)
    assert many.count(0) == MOST_POINTS


def test_equal_points_say_nothing_of_the_shape():
    growing = Growing()
    for _ in range(200):
        growing.add(np.ones(4, np.int16), 0)
    assert (growing.w, growing.count(0), growing.distances) == (1.0, 1, [])
