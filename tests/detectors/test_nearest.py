"""The window against a loop that anybody can check."""

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detectors import nearest
from detectors.nearest import CHUNK, PRUNED_ROWS, SPACES, Window
from detectors.space import GROUP, TILE
from tests.detectors.restart import reader

LARGE = 1 << 30
THRESHOLD = 0.8


def naive(queries, size, max_bytes=LARGE, max_spaces=LARGE):
    """Scores and the last incident (score, index), one query after the other, in float64."""
    window, scores, incident = [], [], None
    for space, vector in queries:
        vector = np.asarray(vector, dtype=np.float64)
        cosines = [float(vector @ other) if key == space else -2.0 for key, other in window]
        cosines = [1.0 if cosine >= 1 - 1e-6 else cosine for cosine in cosines]
        best = max(cosines, default=-2.0)
        scores.append(best if best > -2 else 0.0)
        if best >= THRESHOLD:
            incident = (best, cosines.index(best))
        window.append((space, vector))
        while (
            len(window) > size
            or sum(4 * len(other) for _, other in window) > max_bytes
            or len({key for key, _ in window}) > max_spaces
        ):
            window.pop(0)
    return np.array(scores), incident


def grouped(queries):
    """The batch as `Window.add` takes it."""
    positions = {}
    for index, (space, _) in enumerate(queries):
        positions.setdefault(space, []).append(index)
    return [
        (space, np.array(where), np.array([queries[index][1] for index in where], dtype=np.float32))
        for space, where in positions.items()
    ]


def searched(window, queries, sizes):
    """Scores and the last incident of the queries, added in batches of these sizes (over and over)."""
    scores, incident, start, turn = [], None, 0, 0
    while start < len(queries):
        part = queries[start : start + sizes[turn % len(sizes)]]
        found, flagged = window.add(len(part), grouped(part), THRESHOLD)
        scores.append(found)
        incident = flagged or incident
        start, turn = start + len(part), turn + 1
    return np.concatenate(scores) if scores else np.zeros(0), incident


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def assert_like_naive(queries, size, sizes, max_bytes=LARGE, max_spaces=LARGE):
    window = Window(size, max_bytes, max_spaces=max_spaces)
    scores, incident = searched(window, queries, sizes)
    expected, expected_incident = naive(queries, size, max_bytes, max_spaces)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert (incident is None) == (expected_incident is None)
    if incident is not None:
        assert incident.score == pytest.approx(expected_incident[0], abs=1e-5)
        assert incident.closest_index == expected_incident[1]
    return window


AXES = [
    unit(np.array(axis, dtype=float)) for axis in ([1, 0, 0], [0, 1, 0], [1, 1, 0], [-1, 0, 0], [1, 2, 3], [1, 2, 3.5])
]


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, len(AXES) - 1)), max_size=90),
    st.integers(1, 50),
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
)
def test_ties_spaces_windows_and_batches_of_any_size_agree_with_the_loop(picks, size, sizes):
    assert_like_naive([(space, AXES[axis]) for space, axis in picks], size, sizes)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=60),
    st.integers(4, 200),
    st.integers(1, 20),
    st.lists(st.integers(1, 30), min_size=1, max_size=3),
    st.integers(0, 1000),
)
def test_a_window_bounded_in_bytes_agrees_with_the_loop(dimensions, max_bytes, size, sizes, seed):
    rng = np.random.default_rng(seed)
    queries = [(count, unit(rng.standard_normal(count))) for count in dimensions]
    assert_like_naive(queries, size, sizes, max_bytes)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, len(AXES) - 1)), max_size=90),
    st.integers(1, 9),
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
)
def test_a_window_bounded_in_spaces_agrees_with_the_loop(picks, max_spaces, sizes):
    window = assert_like_naive([(space, AXES[axis]) for space, axis in picks], 60, sizes, max_spaces=max_spaces)
    assert len(window.row_spaces()) <= max_spaces


def test_a_flood_of_spaces_after_a_restart_is_bounded_too():
    window = Window(5 * SPACES, LARGE)
    axes = [(space, AXES[0]) for space in range(3 * SPACES)]
    searched(window, axes[: 2 * SPACES], [100])
    assert len(window.row_spaces()) == len(window) == SPACES
    again = reloaded(window, 5 * SPACES)
    searched(again, axes[2 * SPACES :], [100])
    assert len(again.row_spaces()) == len(again) == SPACES


@pytest.mark.parametrize("size", [1, 7, CHUNK - 1, CHUNK, CHUNK + 1, 700, 2 * TILE])
@pytest.mark.parametrize("sizes", [[1000], [1, 2, 300], [CHUNK]])
def test_windows_smaller_and_larger_than_a_chunk_agree_with_the_loop(size, sizes):
    rng = np.random.default_rng(size)
    queries = [("a", row) for row in unit(rng.standard_normal((1000, 12)))]
    queries[300:900:50] = queries[0:600:50]  # exact repeats, some of them at the very end of a window
    assert_like_naive(queries, size, sizes)


def test_a_repeat_is_found_while_it_is_in_the_window_and_not_after():
    rng = np.random.default_rng(0)
    for gap, expected in ((1, True), (500, True), (501, False)):
        rows = unit(rng.standard_normal((600, 40)))
        rows[10 + gap] = rows[10]
        scores, incident = searched(Window(500, LARGE), [("a", row) for row in rows], [256])
        assert (scores[10 + gap] >= 1.0) == expected
        assert (incident is not None) is expected
        if expected:
            assert incident.closest_index == 10 - max(0, 10 + gap - 500)
            np.testing.assert_array_equal(incident.closest_embedding, rows[10].astype(np.float32))


def test_more_rows_than_a_tile_agree_with_the_loop():
    rng = np.random.default_rng(1)
    rows = unit(rng.standard_normal((3 * TILE, 8))).astype(np.float32)
    scores, _ = searched(Window(2 * TILE + 5, LARGE), [("a", row) for row in rows], [1500])
    products = rows.astype(np.float64) @ rows.T
    for index in range(1, len(rows), 97):
        expected = products[index, max(0, index - 2 * TILE - 5) : index].max()
        assert scores[index] == pytest.approx(expected if expected < 1 - 1e-6 else 1.0, abs=1e-5)


def test_identical_long_vectors_give_exactly_one():
    rng = np.random.default_rng(2)
    for dimensions in (3, 384, 5000, 100_000):
        row = unit(rng.random(dimensions) + 0.1)
        scores, _ = searched(Window(10, LARGE), [("a", row)] * 5, [5])
        assert scores.tolist() == [0, 1, 1, 1, 1]


def test_a_negative_cosine_is_a_score_and_no_incident():
    scores, incident = searched(Window(10, LARGE), [("a", [1.0, 0.0]), ("a", [-1.0, 0.0])], [2])
    assert scores.tolist() == [0, -1]
    assert incident is None


def test_the_memory_stays_within_twice_the_window_for_one_space_and_for_many():
    rng = np.random.default_rng(3)
    for spaces in (1, 7, 1000):
        window = Window(1000, LARGE)
        for start in range(0, 6000, 200):
            queries = [(index % spaces, row) for index, row in enumerate(unit(rng.standard_normal((200, 64))), start)]
            window.add(200, grouped(queries), THRESHOLD)
        assert len(window) == 1000
        assert 1000 * 64 * 4 <= window.nbytes <= 2.2 * 1000 * (64 * 4 + 8)


def test_spaces_that_no_query_is_left_of_take_no_memory():
    window = Window(100, LARGE)
    searched(window, [("wide", unit(np.ones(50_000)))] * 50, [50])
    searched(window, [("narrow", [1.0])] * 100, [10])
    assert window.nbytes < 100_000


def test_a_vector_larger_than_the_whole_memory_is_scored_and_not_kept():
    window = Window(10, 100)
    scores, _ = searched(window, [("a", unit(np.ones(50)))] * 3, [3])
    assert scores.tolist() == [0, 0, 0]
    assert len(window) == 0
    assert window.nbytes == 0


# -- windows that are searched by projection

DIMENSIONS = 256


def planted(rng, count, cosine):
    """Random rows, of which every other one from the middle on has this cosine to an earlier one."""
    rows = unit(rng.standard_normal((count, DIMENSIONS)))
    for index in range(count // 2, count, 2):
        base = rows[rng.integers(0, index)]
        other = rows[index] - (rows[index] @ base) * base
        rows[index] = cosine * base + np.sqrt(1 - cosine**2) * unit(other)
    return rows.astype(np.float32)


def exact(rows):
    products = np.tril(rows.astype(np.float64) @ rows.T, -1) + np.triu(np.full((len(rows), len(rows)), -2.0))
    best = products.max(axis=1)
    return np.where(best <= -2, 0, np.where(best >= 1 - 1e-6, 1, best))


@pytest.mark.parametrize("cosine", [0.8, 0.9, 0.99, 1.0])
def test_a_large_window_finds_near_duplicates_and_scores_them_exactly(cosine):
    rows = planted(np.random.default_rng(4), 3000, cosine)
    scores, _ = searched(Window(PRUNED_ROWS + 1, LARGE), [("a", row) for row in rows], [700])
    near = np.arange(1500, 3000, 2)
    np.testing.assert_allclose(scores[near], exact(rows)[near], atol=1e-5)


def test_a_large_window_never_scores_above_the_exact_cosine():
    rows = planted(np.random.default_rng(5), 3000, 0.5)
    scores, _ = searched(Window(PRUNED_ROWS + 1, LARGE), [("a", row) for row in rows], [256])
    assert (scores <= exact(rows) + 1e-5).all()
    assert (np.abs(scores - exact(rows)) < 1e-5)[np.arange(1500, 3000, 2)].mean() > 0.9


@pytest.mark.parametrize("sizes", [[1], [3000], [17, 300, 5]])
def test_a_large_window_gives_the_same_whatever_the_batches(sizes):
    rows = planted(np.random.default_rng(6), 1500, 0.6)
    queries = [("ab"[index % 7 == 0], row) for index, row in enumerate(rows)]
    scores, incident = searched(Window(PRUNED_ROWS + 1, LARGE), queries, sizes)
    expected, expected_incident = searched(Window(PRUNED_ROWS + 1, LARGE), queries, [CHUNK])
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert (incident is None) == (expected_incident is None)


def test_a_large_window_lets_old_rows_go():
    size = PRUNED_ROWS + 1
    rows = unit(np.random.default_rng(7).standard_normal((1500, DIMENSIONS)))
    others = [(number // CHUNK, [1.0]) for number in range(size - 1000)]
    window = Window(size, LARGE)
    searched(window, [("a", row) for row in rows] + others, [1000])
    scores, incident = searched(window, [("a", rows[500]), ("a", rows[500]), ("a", rows[501])], [1])
    assert scores[0] == 1.0  # the oldest in the window
    assert scores[1] == 1.0  # that has left, but its repeat is there
    assert scores[2] < 0.6  # that has left
    assert incident.closest_index == size - 1
    np.testing.assert_array_equal(incident.closest_embedding, rows[500].astype(np.float32))


def test_the_seed_changes_the_search_and_not_what_near_duplicates_score():
    rows = planted(np.random.default_rng(8), 1000, 0.95)
    one, other = (
        searched(Window(PRUNED_ROWS + 1, LARGE, seed), [("a", row) for row in rows], [256])[0] for seed in (1, 2)
    )
    np.testing.assert_allclose(one[500::2], other[500::2], atol=1e-5)


def test_few_rows_of_many_lengths_make_no_projections():
    window = Window(PRUNED_ROWS + 1, LARGE)
    for dimensions in range(200, 400):
        searched(window, [(dimensions, unit(np.ones(dimensions)))] * 2, [2])
    assert window.nbytes < 200 * 2 * 400 * 4 * GROUP


# -- windows that go on after a restart


def reloaded(window, size, max_bytes=LARGE, limit=9):
    rows = {}
    for space, (first, last, dimensions, _) in window.row_spaces().items():
        parts = [window.rows_since(space, number, limit)[1] for number in range(first, last, limit)]
        rows[space] = (first, np.concatenate([np.zeros((0, dimensions), np.float32), *parts]))
    fresh = Window(size, max_bytes)
    fresh.load(msgspec.msgpack.decode(msgspec.msgpack.encode(window.dump())), reader(rows))
    return fresh


def assert_same_after_restarts(queries, size, sizes, cuts, max_bytes=LARGE):
    """Scores and incidents, bit by bit, of a window that is restarted before the batches at `cuts`."""
    whole, parts, start, turn = Window(size, max_bytes), Window(size, max_bytes), 0, 0
    while start < len(queries):
        if turn in cuts:
            parts = reloaded(parts, size, max_bytes)
        part = queries[start : start + sizes[turn % len(sizes)]]
        (scores, incident), (expected, other) = (
            window.add(len(part), grouped(part), THRESHOLD) for window in (parts, whole)
        )
        assert scores.tolist() == expected.tolist()
        assert (incident is None) == (other is None)
        if incident is not None:
            assert (incident.score, incident.closest_index) == (other.score, other.closest_index)
            assert incident.closest_embedding.tolist() == other.closest_embedding.tolist()
        assert (len(parts), parts.nbytes) == (len(whole), whole.nbytes)
        start, turn = start + len(part), turn + 1
    return parts


cuts = st.sets(st.integers(0, 12), max_size=5)
batch_sizes = st.lists(st.integers(1, 300), min_size=1, max_size=4)


@settings(deadline=None, max_examples=100)
@given(st.data(), st.integers(1, 400), batch_sizes, cuts, st.integers(0, 1000))
def test_a_restart_at_any_point_changes_no_bit_of_what_follows(data, size, sizes, cuts, seed):
    rng = np.random.default_rng(seed)
    spaces = data.draw(st.lists(st.integers(1, 70), min_size=1, max_size=4))
    picks = rng.integers(0, len(spaces), data.draw(st.integers(1, 1200)))
    queries = [(int(pick), unit(rng.standard_normal(spaces[pick]))) for pick in picks]
    for index in rng.integers(1, len(queries) + 1, len(queries) // 5):
        queries[index - 1] = queries[index // 2]  # repeats, so that there are incidents
    assert_same_after_restarts(queries, size, sizes, cuts, data.draw(st.sampled_from([LARGE, 20_000])))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([193, 200, 257, 384]), st.integers(300, 900), batch_sizes, cuts, st.integers(0, 1000))
def test_a_restart_changes_no_bit_of_a_window_that_is_searched_by_projection(
    monkeypatch, dimensions, size, sizes, cuts, seed
):
    monkeypatch.setattr(nearest, "PRUNED_ROWS", 250)
    rng = np.random.default_rng(seed)
    # around few directions, so that many groups promise nearly the same
    rows = unit(
        rng.standard_normal((9, dimensions))[rng.integers(0, 9, 1800)] + rng.standard_normal((1800, dimensions))
    )
    spaces = ["a", "a", "b"] if seed % 2 else ["a"]
    queries = [(spaces[index % len(spaces)], row) for index, row in enumerate(rows)]
    window = assert_same_after_restarts(queries, size, sizes, cuts)
    assert window.nbytes > 4 * (dimensions + 96) * min(size, 250)


def test_rows_keep_their_numbers_and_are_read_from_the_oldest_held():
    rows = unit(np.random.default_rng(10).standard_normal((50, 3))).astype(np.float32)
    window = Window(20, LARGE)
    searched(window, [("a", row) for row in rows], [7])
    [(space, held)] = window.row_spaces().items()
    assert held[:3] == (30, 50, 3)
    for number, expected, count in ((0, 30, 4), (30, 30, 4), (41, 41, 4), (48, 48, 2), (50, 50, 0)):
        start, part = window.rows_since(space, number, 4)
        assert start == expected
        np.testing.assert_array_equal(part, rows[expected : expected + count])
    part[:] = 0  # a copy
    np.testing.assert_array_equal(window.rows_since(space, 48, 9)[1], rows[48:])


def test_a_space_that_comes_again_after_it_was_empty_gets_an_id_of_its_own():
    window = Window(5, LARGE)
    seen = []
    for space in "abab":
        searched(window, [(space, [1.0])] * 5, [5])
        seen += window.row_spaces()
    assert len(set(seen)) == 4
    with pytest.raises(KeyError):
        window.rows_since(seen[0], 0, 1)


def damaged(state, **changes):
    return {**state, **changes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"capacity": [1, 3]}, "rows 0 to 4 in 1 slots"),
        ({"capacity": [10**9, 3]}, "rows 0 to 4 in 1000000000 slots"),
        ({"first": [1, 0]}, "skips or repeats|hold"),
        ({"last": [0, 3]}, "rows 0 to 0"),
        ({"added": 9}, "skips or repeats a query among the last 7 of 9"),
        ({"ids": ["x", "x"]}, "the state has a space twice"),
        ({"keys": ["a", "a"]}, "the state has a space twice"),
        ({"ids": ["x"]}, "shorter|longer"),
        ({"dimensions": [3, 1]}, r"float32 \(4, 2\), expected float32 \(4, 3\)"),
        ({"sequences": {"dtype": "<f4", "shape": [0], "data": b""}}, "expected an array of <i8, got <f4"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(changes, message):
    window = Window(10, LARGE)
    searched(window, [("a", [1.0, 0.0]), ("b", [1.0])] * 3 + [("a", [0.0, 1.0])], [10])
    state = window.dump()
    rows = {space: window.rows_since(space, 0, 10) for space in window.row_spaces()}
    rows["x"] = (0, np.zeros((4, 2), np.float32))
    with pytest.raises(ValueError, match=message):
        Window(10, LARGE).load(damaged(state, **changes), reader(rows))


def test_rows_that_are_missing_are_an_error_and_an_empty_window_needs_none():
    window = Window(10, LARGE)
    Window(10, LARGE).load(window.dump(), None)
    searched(window, [("a", [1.0])], [1])
    with pytest.raises(ValueError, match="the state is of 1 rows, and there is nothing to read them from"):
        Window(10, LARGE).load(window.dump(), None)


def test_more_queries_than_the_window_takes_are_refused():
    window = Window(10, LARGE)
    searched(window, [("a", [1.0])] * 10, [10])
    rows = {space: window.rows_since(space, 0, 10) for space in window.row_spaces()}
    with pytest.raises(ValueError, match="the state has 10 queries, more than the window of 5 takes"):
        Window(5, LARGE).load(window.dump(), reader(rows))
