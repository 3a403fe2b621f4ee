"""Roll-ups against adding up by hand."""

import pytest

from exporter.formats.inference import Resources
from exporter.history.minutes import FOLD, Minutes
from exporter.history.sketch import Sketch


def test_queries_of_a_minute_are_one_row_of_their_model() -> None:
    minutes = Minutes()
    minutes.count("chat", 120.0, 3, flagged=1, errors=1, latencies=[0.1, 0.2], tokens=(5, 7), cost_dollars=0.5)
    minutes.count("chat", 179.9, 2, latencies=[0.3], tokens=(1, 0))
    minutes.count("chat", 180.0, 1)
    minutes.count("other", 130.0, 1)
    first, second, other = sorted(minutes.take(), key=lambda row: (row.model, row.time))
    assert (first.time, first.queries, first.flagged, first.errors) == (120, 5, 1, 1)
    assert (first.latency_count, first.latency_sum) == (3, pytest.approx(0.6))
    assert (first.tokens_input, first.tokens_output, first.cost_dollars) == (6, 7, 0.5)
    assert Sketch.unpack(first.latencies).buckets == Sketch([0.1, 0.2, 0.3]).buckets
    assert (second.time, second.queries, other.model) == (180, 1, "other")
    assert minutes.take() == []


def test_only_minutes_that_are_over_are_taken_and_late_queries_make_another_row() -> None:
    minutes = Minutes()
    minutes.count("chat", 59.0, 1)
    minutes.count("chat", 61.0, 1)
    assert [row.time for row in minutes.take(before=60.0)] == [0]
    minutes.count("chat", 59.5, 4)
    assert [(row.time, row.queries) for row in minutes.take(before=119.0)] == [(0, 4)]
    assert [row.time for row in minutes.take(before=120.0)] == [60]


def test_many_latencies_are_folded_and_none_is_lost() -> None:
    minutes = Minutes()
    for _ in range(10):
        minutes.count("chat", 0.0, FOLD // 3, latencies=[0.5] * (FOLD // 3))
    [row] = minutes.take()
    assert row.latency_count == row.queries == 10 * (FOLD // 3)
    assert row.latency_sum == pytest.approx(0.5 * row.queries)


def test_what_inferences_used_is_added_to_their_minute() -> None:
    minutes = Minutes()
    minutes.count("chat", 1.0, 1)
    minutes.use("chat", 1.0, [Resources(gpu_memory=0.5)])
    minutes.use("chat", 2.0, [Resources(gpu_memory=0.7, cpu_usage=0.4)])
    [row] = minutes.take()
    assert (row.queries, row.gpu_memory_sum, row.gpu_memory_count) == (1, pytest.approx(1.2), 2)
    assert (row.cpu_usage_sum, row.cpu_usage_count, row.memory_usage_count) == (0.4, 1, 0)


def test_what_was_not_taken_goes_on_elsewhere_and_adds_up() -> None:
    before, minutes = Minutes(), Minutes()
    before.count("chat", 1.0, 3, flagged=1, errors=1, latencies=[0.1, 0.2], tokens=(5, 7), cost_dollars=0.5)
    before.use("chat", 2.0, [Resources(gpu_memory=0.5)])
    minutes.count("chat", 3.0, 2, latencies=[0.3], tokens=(1, 0))
    minutes.use("chat", 3.0, [Resources(gpu_memory=0.7)])
    kept = before.copy()
    before.count("chat", 4.0, 100, latencies=[9.0])
    before.use("chat", 4.0, [Resources(gpu_memory=9.0)])
    minutes.add(kept())
    [row] = minutes.take()
    assert (row.time, row.queries, row.flagged, row.errors, row.latency_count) == (0, 5, 1, 1, 3)
    assert Sketch.unpack(row.latencies).buckets == Sketch([0.1, 0.2, 0.3]).buckets
    assert row.latency_sum == pytest.approx(0.6)
    assert (row.tokens_input, row.tokens_output, row.cost_dollars) == (6, 7, 0.5)
    assert (row.gpu_memory_sum, row.gpu_memory_count, row.cpu_usage_count) == (pytest.approx(1.2), 2, 0)
    assert [row.queries for row in before.take()] == [103]
