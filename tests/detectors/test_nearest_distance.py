"""The nearest earlier query."""

import numpy as np
import pytest

from detectors.coordinates import RESOLUTION
from detectors.nearest_distance import NONE, RELATED, History, prefix_share

RANDOM = np.random.default_rng(3)


def drawn(count, dimensions=100):
    """Points of which many are near to an earlier one, keys of which some are equal, and growing times."""
    points = RANDOM.normal(0, RESOLUTION / 12, (count, dimensions))
    for place in range(1, count):
        if RANDOM.random() < 0.6:
            points[place] = points[RANDOM.integers(place)] + RANDOM.normal(0, RANDOM.uniform(0, 30), dimensions)
    keys = RANDOM.integers(0, max(count // 2, 2), count).astype(np.uint64)
    return np.rint(points).astype(np.int16), keys, np.cumsum(RANDOM.uniform(0, 2, count))


def slow(points, keys, times, size, seconds, scales=None):
    """For each point the nearest earlier one of another key, in plain loops; the latest of equals."""
    numbers, distances = [], []
    for n in range(len(points)):
        best, found = NONE, np.inf
        for earlier in range(max(0, n - size), n):
            if keys[earlier] == keys[n] or times[earlier] <= times[n] - seconds:
                continue
            distance = sum((int(a) - int(b)) ** 2 for a, b in zip(points[n], points[earlier], strict=True)) ** 0.5
            usual = RESOLUTION * (1.0 if scales is None else scales[n])
            if distance < RELATED * usual and distance / usual <= found:
                best, found = earlier, distance / usual
        numbers.append(best)
        distances.append(found)
    return numbers, distances


def run(points, keys, times, sizes, size, seconds, scales=None):
    history, numbers, distances, start = History(points.shape[1], size, seconds), [], [], 0
    for step in sizes:
        part = slice(start, start + step)
        count = len(points[part])
        history.add(points[part], keys[part], np.arange(len(points))[part], times[part])
        found = history.nearest(count, None if scales is None else scales[part])
        numbers += found[0].tolist()
        distances += found[1].tolist()
        if count:
            history.forget(times[part][-1])
        start += step
    return numbers, distances, history


@pytest.mark.parametrize(("size", "seconds"), [(1000, 1e9), (40, 1e9), (1000, 50.0)])
@pytest.mark.parametrize("dimensions", [3, 64, 100])
def test_it_is_what_a_loop_over_all_pairs_finds_in_any_batches(size, seconds, dimensions):
    points, keys, times = drawn(180, dimensions)
    expected = slow(points, keys, times, size, seconds)
    for sizes in ([180], [1] * 180, [7] * 26, [100, 80]):
        numbers, distances, _ = run(points, keys, times, sizes, size, seconds)
        assert numbers == expected[0]
        np.testing.assert_allclose(distances, expected[1], rtol=1e-12)


@pytest.mark.parametrize("dimensions", [3, 100])
def test_the_usual_distance_may_differ_from_query_to_query(dimensions):
    points, keys, times = drawn(180, dimensions)
    scales = RANDOM.uniform(0.05, 1.0, 180)
    expected = slow(points, keys, times, 1000, 1e9, scales)
    for sizes in ([180], [7] * 26):
        numbers, distances, _ = run(points, keys, times, sizes, 1000, 1e9, scales)
        assert numbers == expected[0]
        np.testing.assert_allclose(distances, expected[1], rtol=1e-12)


@pytest.mark.parametrize(("size", "seconds"), [(1000, 1e9), (40, 1e9), (1000, 50.0)])
@pytest.mark.parametrize("step", [1, 7, 100])
def test_the_queries_in_the_window_are_counted_the_same_in_any_batches(size, seconds, step):
    points, keys, times = drawn(150)
    expected = [sum(times[e] > times[n] - seconds for e in range(max(0, n - size), n)) for n in range(150)]
    history, counts = History(100, size, seconds), []
    for start in range(0, 150, step):
        part = slice(start, start + step)
        history.add(points[part], keys[part], np.arange(150)[part], times[part])
        counts += history.counts(len(points[part])).tolist()
        history.forget(times[part][-1])
    assert counts == expected


def test_large_coordinates_are_never_missed():
    points = np.zeros((4, 80), np.int16)
    points[0, :70], points[1, :70], points[2] = 3000, 3001, 20_000
    points[3] = points[2] - 1
    numbers, _, _ = run(points, np.arange(4, dtype=np.uint64), np.arange(4.0), [4], 100, 1e9)
    assert numbers == [NONE, 0, NONE, 2]


def test_the_share_of_the_first_numbers_is_hardly_ever_above_its_bound():
    vectors = np.random.default_rng(1).normal(0, 1, (20_000, 256)) ** 2
    shares = vectors[:, :64].sum(axis=1) / vectors.sum(axis=1)
    assert (shares > prefix_share(64, 256)).mean() <= 3e-4
    assert prefix_share(64, 256) < 0.41
    assert prefix_share(30, 30) == 1.0


def test_memory_is_bounded_by_the_window():
    points, keys, times = drawn(2000, 20)
    _, _, history = run(points, keys, times, [100] * 20, 300, 1e9)
    assert len(history) == 300
    assert history.nbytes < 2_500 * (2 * 20 + 4 * 21 + 24)


def test_it_goes_on_after_a_dump():
    points, keys, times = drawn(200)
    expected = slow(points, keys, times, 90, 1e9)[0]
    _, _, history = run(points[:150], keys[:150], times[:150], [50] * 3, 90, 1e9)
    [first, *_] = {rows.first for rows in history.row_spaces().values()}
    kept = {space: history.rows_since(space, first, 1000)[1] for space in history.row_spaces()}
    again = History(100, 90, 1e9)
    again.load(history.dump(), lambda space, start, stop: kept[space][start - first : stop - first])
    again.add(points[150:], keys[150:], np.arange(150, 200), times[150:])
    assert again.nearest(50)[0].tolist() == expected[150:]


def test_a_state_without_its_rows_is_refused():
    points, keys, times = drawn(20)
    history = run(points, keys, times, [20], 90, 1e9)[2]
    with pytest.raises(ValueError, match="20 rows"):
        History(100).load(history.dump(), None)
    with pytest.raises(KeyError):
        history.rows_since("another", 0, 10)
