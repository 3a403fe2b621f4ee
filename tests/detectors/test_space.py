"""The rows of one space. How they are searched is tested through the window: test_nearest.py."""

import numpy as np
import pytest

from detectors.space import GROUP, PROJECTED, Space, project


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("dimensions", [193, 256, 511])
def test_the_projection_of_a_row_does_not_depend_on_its_company(dimensions):
    rows = unit(np.random.default_rng(9).standard_normal((600, dimensions)))
    space = np.random.default_rng(8).standard_normal((dimensions, PROJECTED)).astype(np.float32)
    together = project(rows, space)
    for size in (1, 7, 256):
        apart = [project(rows[start : start + size], space) for start in range(0, 600, size)]
        np.testing.assert_array_equal(np.concatenate(apart), together)
    np.testing.assert_array_equal(project(np.asfortranarray(rows), space), together)


def test_the_ring_grows_and_shrinks_and_keeps_the_rows_and_the_numbers_of_their_queries() -> None:
    rows = unit(np.random.default_rng(1).standard_normal((1000, 5)))
    space = Space("a", 5, None, "id")
    for start in range(0, 1000, 50):
        space.append(rows[start : start + 50], 2 * np.arange(start, start + 50))
        space.drop(20)
    grown = space.capacity
    space.drop(400)
    assert (space.first, space.last, space.held) == (800, 1000, 200)
    np.testing.assert_array_equal(space.copied(800, 1000), rows[800:])
    np.testing.assert_array_equal(np.concatenate(space.sequences()), 2 * np.arange(800, 1000))
    assert 200 <= space.capacity <= 2 * 200 + 4 * GROUP < grown <= 2 * 600 + 4 * GROUP
