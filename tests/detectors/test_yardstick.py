"""How far a natural query lies from its nearest earlier one."""

import math
from statistics import median

import numpy as np
import pytest

from detectors.coordinates import RESOLUTION
from detectors.yardstick import LEAST, Yardstick, exponent, median_distance


def uniform(count, dimensions, seed=1):
    return np.random.default_rng(seed).integers(-20_000, 20_000, (count, dimensions)).astype(np.int16)


def slow_median(points, parts):
    """In plain loops: the nearest other point of the same part that differs."""
    found = []
    for start in range(parts):
        part = [tuple(map(int, row)) for row in points[start::parts]]
        found += [min(math.dist(one, other) for other in part if other != one) for one in part]
    return median(found)


def slow_slope(sizes, medians):
    """The slope of least squares of logarithms."""
    xs, ys = [math.log(size) for size in sizes], [math.log(one) for one in medians]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_the_median_distance_is_what_a_loop_over_all_pairs_finds(parts):
    points = uniform(60, 3)
    points[7] = points[11]
    assert median_distance(points, parts) == pytest.approx(slow_median(points, parts))


def test_the_exponent_is_the_steeper_slope_over_parts_of_the_warm_up():
    points = uniform(200, 4)
    medians = [slow_median(points, parts) for parts in (8, 4, 2, 1)]
    slopes = slow_slope([25, 50, 100, 200], medians), slow_slope([50, 100, 200], medians[1:])
    assert exponent(points) == pytest.approx(min(slopes))


@pytest.mark.parametrize(("dimensions", "within"), [(1, 0.2), (2, 0.12), (5, 0.06)])
def test_the_exponent_is_about_minus_one_by_the_dimensions(dimensions, within):
    found = np.mean([exponent(uniform(400, dimensions, seed)) for seed in range(5)])
    assert found == pytest.approx(-1 / dimensions, abs=within)


def test_the_yardstick_of_two_hundred_is_right_for_forty_times_as_many():
    points, later = uniform(8_000, 3), uniform(300, 3, seed=2)
    squares = ((later[:, None].astype(np.int64) - points.astype(np.int64)) ** 2).sum(axis=2)
    yardstick = Yardstick.of(points[:200])
    scale = yardstick.scales(np.array([8_000]), np.ones(1))[0]
    assert np.median(np.sqrt(squares.min(axis=1))) == pytest.approx(scale * median_distance(points[:200], 1), rel=0.3)


def test_it_is_never_above_that_of_the_warm_up_and_never_too_fine_for_points():
    yardstick = Yardstick(200, -0.5)
    scales = yardstick.scales(np.array([0, 200, 800, 10**9, 200]), np.array([1.0, 9.0, 1.0, 1.0, 0.5]))
    assert scales.tolist() == [1.0, 1.0, 0.5, LEAST, 0.5]
    assert LEAST * RESOLUTION >= 8


def test_attack_queries_in_the_warm_up_hardly_move_the_exponent():
    points = uniform(200, 4)
    spoilt = points.copy()
    spoilt[::20] = points[3] + np.arange(40).reshape(10, 4)
    assert exponent(spoilt) == pytest.approx(exponent(points), abs=0.05)


def test_too_few_points_and_equal_points_do_not_shrink_it():
    assert exponent(uniform(30, 3)) == 0.0
    assert exponent(np.zeros((200, 3), np.int16)) == 0.0


def test_it_goes_on_after_a_dump():
    yardstick = Yardstick.of(uniform(200, 3))
    assert Yardstick.load(yardstick.dump()).exponent == yardstick.exponent
