"""Pages, streams and sums, on both databases, against the rows that were written."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

from exporter.formats.inference import Resources
from exporter.history.database import Database
from exporter.history.minutes import Minutes
from exporter.history.reads import Asked, Kept, page, stream, whole, windows
from exporter.history.rows import KINDS, FlaggedQuery, InferenceSample, Kind
from exporter.history.writer import prepared, write
from tests.exporter.history.test_writer import FULL


def fill(database: Database, count: int, **more: Any) -> None:
    """Samples of two models in turns, two at the same second."""
    rows = [InferenceSample(time=float(n // 2), model="ab"[n % 2], request_id=str(n), **more) for n in range(count)]
    batch = [prepared("inference", row, n) for n, row in enumerate(rows)]
    for start in range(0, count, 1_000):
        write(database, batch[start : start + 1_000])


def ids(rows: list[Kept]) -> list[int]:
    return [kept.id for kept in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_read_as_the_record_that_was_written(database: Database, kind: Kind) -> None:
    write(database, [prepared(kind, FULL[kind], 7)])
    assert page(database, kind, Asked(), 10).rows == [Kept(7, FULL[kind])]


def test_pages_have_every_row_once_the_newest_first(database: Database) -> None:
    fill(database, 25)
    seen: list[int] = []
    cursor = None
    for expected in (10, 10, 5):
        found = page(database, "inference", Asked(), 10, cursor)
        assert len(found.rows) == expected
        seen += ids(found.rows)
        cursor = found.cursor
    assert seen == list(range(24, -1, -1))
    assert cursor is None


def test_rows_that_come_in_between_do_not_shift_a_page(database: Database) -> None:
    fill(database, 6)
    first = page(database, "inference", Asked(), 3)
    write(database, [prepared("inference", InferenceSample(time=99.0, model="a"), 99)])
    assert ids(page(database, "inference", Asked(), 3, first.cursor).rows) == [2, 1, 0]


def test_times_models_and_columns_choose(database: Database) -> None:
    fill(database, 20)
    assert ids(page(database, "inference", Asked(since=3.0, until=5.0), 99).rows) == [9, 8, 7, 6]
    assert ids(page(database, "inference", Asked(models=frozenset("a"), since=8.0), 99).rows) == [18, 16]
    assert page(database, "inference", Asked(models=frozenset()), 99).rows == []
    assert ids(page(database, "inference", Asked(equal={"request_id": "4"}), 99).rows) == [4]


@pytest.mark.parametrize("cursor", ["", "x", "1.0_x", "5"])
def test_a_cursor_that_is_none_is_an_error(database: Database, cursor: str) -> None:
    with pytest.raises(ValueError, match=r"could not convert|invalid literal"):
        page(database, "inference", Asked(), 3, cursor)


def test_a_stream_has_all_rows_and_few_of_them_in_memory(database: Database) -> None:
    fill(database, 20_000, tags={"long": "x" * 500})
    next(stream(database, "inference", Asked()))  # what is imported on the way
    tracemalloc.start()
    try:
        assert sum(1 for _ in stream(database, "inference", Asked())) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()


def test_a_stream_that_is_left_gives_its_connection_back(database: Database) -> None:
    fill(database, 2_000)
    for _ in range(20):
        rows = stream(database, "inference", Asked())
        next(rows)
        rows.close()  # type: ignore[attr-defined]
    assert len(page(database, "inference", Asked(), 10).rows) == 10


def test_key_is_a_text_on_the_wire() -> None:
    kept = Kept((1 << 60) + 1, FlaggedQuery(time=1.0, model="m"))
    assert kept.plain()["id"] == "1152921504606846977"


def minutes_of(database: Database, latencies: np.ndarray) -> None:
    """One query a second of two models, each tenth an error."""
    minutes = Minutes()
    for second, latency in enumerate(latencies.tolist()):
        minutes.count("ab"[second % 2], float(second), 1, errors=int(second % 10 == 0), latencies=[latency])
    minutes.use("a", 10.0, [Resources(gpu_memory=0.5)])
    minutes.use("b", 70.0, [Resources(gpu_memory=0.7)])
    write(database, [prepared("rollups", row, n) for n, row in enumerate(minutes.take())])


def test_the_sum_of_all_minutes_is_that_of_all_queries(database: Database) -> None:
    latencies = np.random.default_rng(1).lognormal(-2, 1, 3_600)
    minutes_of(database, latencies)
    total = whole(database, Asked())
    assert (total.queries, total.errors, total.error_rate) == (3_600, 360, 0.1)
    assert total.mean_latency == pytest.approx(latencies.mean())
    assert total.sketch.quantile(0.99) == pytest.approx(np.quantile(latencies, 0.99), rel=0.03)
    assert total.mean("gpu_memory") == pytest.approx(0.6)
    assert total.mean("cpu_usage") is None


def test_windows_are_the_sums_of_their_minutes_in_order(database: Database) -> None:
    latencies = np.random.default_rng(1).lognormal(-2, 1, 3_600)
    minutes_of(database, latencies)
    found = windows(database, Asked(models=frozenset("a"), since=600.0), 300.0)
    assert [one.start for one in found] == list(range(600, 3_600, 300))
    for one in found:
        own = latencies[int(one.start) : int(one.start) + 300 : 2]
        assert one.queries == len(own)
        assert one.mean_latency == pytest.approx(own.mean())


def test_the_first_window_is_whole_however_far_one_looks_back(database: Database) -> None:
    minutes_of(database, np.ones(3_600))
    assert [one.queries for one in windows(database, Asked(since=3_100.0), 600.0)] == [600]


@pytest.mark.parametrize(
    ("now", "length"), [(3_010.0, 60.0), (3_250.0, 240.0), (3_304.9, 240.0), (3_305.0, 300.0), (9e9, 300.0)]
)
def test_a_window_that_is_not_over_is_as_long_as_its_minutes_that_are(
    database: Database, now: float, length: float
) -> None:
    minutes_of(database, np.ones(3_240))
    assert [(one.start, one.seconds) for one in windows(database, Asked(since=2_700.0), 300.0, now)] == [
        (2_700.0, 300.0),
        (3_000.0, length),
    ]


def test_nothing_has_no_mean(database: Database) -> None:
    total = whole(database, Asked())
    assert (total.queries, total.mean_latency, total.error_rate, total.sketch.quantile(0.5)) == (0, None, None, None)
    assert windows(database, Asked(), 60.0) == []
