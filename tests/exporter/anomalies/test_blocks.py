"""Points on the grid."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from exporter.anomalies.blocks import Points, after_gaps, chunks, floor, joined, on_grid, series_id


def points(*times: float) -> Points:
    return Points(np.array(times, float), np.arange(len(times), dtype=float))


def test_a_series_has_one_id_whatever_the_order_of_its_labels() -> None:
    assert series_id({"a": "1", "b": "2"}) == series_id({"b": "2", "a": "1"})
    assert len({series_id(labels) for labels in ({"a": "1"}, {"a": "2"}, {"b": "1"}, {}, {"a": "1", "b": ""})}) == 5


def test_points_beside_the_grid_late_ones_and_duplicates_are_counted_and_left_out() -> None:
    skipped: Counter[str] = Counter()
    kept = on_grid(points(60, 120, 120, 180.0005, 200, 240), 60, 60, skipped)
    assert kept.times.tolist() == [120, 180, 240]
    assert kept.values.tolist() == [1, 3, 5]
    assert skipped == {"off_grid": 1, "late": 1, "duplicate": 1}


def test_points_are_brought_into_the_order_of_time() -> None:
    assert on_grid(points(180, 60, 120), 60, 0, Counter()).values.tolist() == [1, 2, 0]


@given(some.integers(0, 500), some.integers(0, 3_000), some.integers(1, 400))
def test_chunks_cover_the_grid_once_the_newest_first(first: int, length: int, most: int) -> None:
    spans = list(chunks(first * 60, (first + length) * 60, 60, most))
    grid = [moment for start, end in spans[::-1] for moment in np.arange(start, end + 1, 60).tolist()]
    assert grid == [60 * number for number in range(first, first + length + 1)]
    assert all((end - start) / 60 + 1 <= most for start, end in spans)
    assert spans == sorted(spans, reverse=True)


@pytest.mark.parametrize("cut", range(8))
def test_windows_after_gaps_are_the_same_however_the_points_are_read(cut: int) -> None:
    whole = points(60, 120, 300, 360, 420, 480, 900, 960)
    mask, _ = after_gaps(whole, 60, 180)
    assert mask.tolist() == [False, False, True, True, True, False, True, True]
    first, second = (Points(*(column[part] for column in whole)) for part in (slice(0, cut), slice(cut, None)))
    one, ended = after_gaps(first, 60, 180)
    two, _ = after_gaps(second, 60, 180, float(first.times[-1]) if cut else None, ended)
    assert [*one, *two] == mask.tolist()


def test_what_does_not_look_back_has_no_window() -> None:
    assert not after_gaps(points(60, 600), 60, 0)[0].any()


def test_the_grid_is_that_of_the_epoch() -> None:
    assert floor(1_000_000_007.5, 60) % 60 == 0
    assert floor(120, 60) == 120
    assert len(joined([]).times) == 0


def test_the_id_of_a_series_stays_what_it_was_in_files_of_earlier_runs() -> None:
    assert series_id({"__name__": "up", "job": "api"}) == "895302313c3109ab"


def test_a_gap_is_more_than_one_and_a_half_steps() -> None:
    assert not after_gaps(points(60, 150), 60, 180)[0].any()
    assert after_gaps(points(60, 151), 60, 180)[0].tolist() == [False, True]
