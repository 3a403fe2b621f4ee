"""The buffer: bounded, the oldest goes first, and memory stands in for a disk that fails."""

from pathlib import Path

import pytest

from tests.client.test_disk_log import full_disk
from vedette_client.buffer import Buffer


@pytest.fixture(params=["memory", "disk"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "buffer" if request.param == "disk" else None


def drain(buffer: Buffer, name: str = "query") -> list[bytes]:
    found: list[bytes] = []
    lane = buffer.lanes[name]
    while lines := lane.flight(100, 1 << 20):
        found += lines
        lane.settle(len(lines))
    return found


def test_records_come_out_in_order_each_lane_for_itself(folder: Path | None) -> None:
    buffer = Buffer(1 << 20, folder)
    assert buffer.put({"query": [b"1", b"2"], "model": [b"m"]})
    assert buffer.records == 3
    assert drain(buffer) == [b"1", b"2"]
    assert drain(buffer, "model") == [b"m"]
    assert (buffer.records, buffer.size) == (0, 0)


def test_what_is_in_flight_stays_the_same_until_it_is_settled(folder: Path | None) -> None:
    buffer = Buffer(1 << 20, folder)
    lane = buffer.lanes["query"]
    buffer.put({"query": [b"1", b"2"]})
    assert lane.flight(10, 100) == [b"1", b"2"]
    buffer.put({"query": [b"3"]})
    assert lane.flight(10, 100) == [b"1", b"2"]
    lane.settle(1)
    assert lane.flight(10, 100) == [b"2"]
    lane.settle(1)
    assert lane.flight(10, 100) == [b"3"]


def test_beyond_the_bound_the_oldest_of_the_largest_lane_goes_and_is_counted(folder: Path | None) -> None:
    buffer = Buffer(2000, folder)
    buffer.put({"model": [b"m" * 50]})
    dropped = 0
    for number in range(100):
        buffer.put({"query": [b"%03d" % number + b"x" * 97]})
        dropped += buffer.bound()
        assert buffer.size <= 2000
    left = drain(buffer)
    assert dropped + len(left) == 100
    assert len(left) >= 10
    assert [int(line[:3]) for line in left] == list(range(dropped, 100))
    assert drain(buffer, "model") == [b"m" * 50]


def test_what_is_in_flight_is_not_dropped(folder: Path | None) -> None:
    buffer = Buffer(500, folder)
    buffer.put({"query": [b"first"]})
    assert buffer.lanes["query"].flight(1, 100) == [b"first"]
    for _ in range(20):
        buffer.put({"query": [b"x" * 100]})
        buffer.bound()
    assert buffer.lanes["query"].flight(1, 100) == [b"first"]


def test_a_full_disk_is_replaced_by_memory_until_there_is_room(tmp_path: Path) -> None:
    buffer = Buffer(1 << 20, tmp_path)
    with full_disk(60):
        assert not buffer.put({"query": [b"x" * 100]})
    assert buffer.records_in_memory == 1
    assert buffer.put({"query": [b"y"]})
    assert sorted(drain(buffer)) == [b"x" * 100, b"y"]


def test_files_that_somebody_deletes_cost_only_what_was_in_them(tmp_path: Path) -> None:
    buffer = Buffer(1 << 20, tmp_path)
    lane = buffer.lanes["query"]
    buffer.put({"query": [b"1", b"2"]})
    for path in tmp_path.glob("*/*.log"):
        path.unlink()
    buffer.put({"query": [b"3"]})
    assert drain(buffer) == [b"3"]
    assert (buffer.damaged, buffer.records, lane.put_in - lane.gone) == (2, 0, 0)
    buffer.put({"query": [b"4"]})
    assert buffer.records_in_memory == 0
    assert drain(buffer) == [b"4"]


def test_what_ended_processes_left_is_taken_over_with_what_they_had_settled(tmp_path: Path) -> None:
    running, ended = Buffer(1 << 20, tmp_path), Buffer(1 << 20, tmp_path)
    running.put({"query": [b"mine"]})
    ended.put({"query": [b"settled", b"left"]})
    ended.lanes["query"].flight(1, 100)
    ended.lanes["query"].settle(1)
    ended.release()
    running.adopt()
    assert sorted(drain(running)) == [b"left", b"mine"]
    assert list(tmp_path.glob("*/*.log")) == []
    running.release()


def test_what_a_running_process_has_is_left_to_it(tmp_path: Path) -> None:
    running, other = Buffer(1 << 20, tmp_path), Buffer(1 << 20, tmp_path)
    other.put({"query": [b"theirs"]})
    running.adopt()
    assert drain(running) == []
    assert drain(other) == [b"theirs"]
    running.release()
    other.release()
