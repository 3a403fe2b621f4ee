"""Stopping in the middle of files, and going on."""

import csv
import gzip
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.sources.drop.directory import DropDirectory
from exporter.sources.drop.positions import Identity, Position
from tests.exporter.sources.drop.conftest import LIMITS, Desk, ndjson


def table(count):
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["number", "text"])
    writer.writerows([number, 'a "quoted"\nline'] for number in range(count))
    return text.getvalue()


LONG = {
    "a.ndjson": ndjson({"number": number} for number in range(3500)),
    "a.json": json.dumps([{"input": {"number": number}} for number in range(3500)], indent=1),
    "a.csv": table(3500),
}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", LONG)
def test_a_stop_in_the_middle_of_a_file_is_gone_on_from_exactly(desk, name, compressed):
    data = LONG[name].encode()
    desk.drop(f"{name}.gz" if compressed else name, gzip.compress(data) if compressed else data)
    numbers = []
    while len(numbers) < 3500:
        desk.settle()
        desk.poll(1)
        numbers += [query.input_data["number"] for query in desk.judge()]
        assert desk.stop()
        desk.restart()
    assert numbers == list(range(3500))
    assert desk.inputs() == []
    assert len(desk.names("done")) == 1


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=6))
def test_every_line_is_judged_once_and_reported_once_however_often_it_stops(tmp_path_factory, runs):
    desk = Desk(tmp_path_factory.mktemp("desk"))
    desk.drop("a.ndjson", "".join(f"junk {n}\n" if n % 7 == 0 else ndjson([n]) for n in range(4500)))
    judged = []
    for polled, kept in [*runs, (10, 10)]:
        desk.settle()
        desk.poll(polled)
        desk.handed = desk.handed[:kept]  # the pipeline stopped before it judged the others
        judged += [query.input_data for query in desk.judge()]
        desk.stop(0.0)
        desk.restart()
    desk.read()
    assert judged == [str(n) for n in range(4500) if n % 7]
    assert [entry["raw"] for entry in desk.report()] == [f"junk {n}" for n in range(0, 4500, 7)]


def test_a_file_that_was_changed_after_the_stop_is_a_new_file(desk):
    desk.drop("a.ndjson", ndjson(range(1500)))
    desk.settle()
    desk.poll(1)
    desk.judge()
    assert desk.stop()
    desk.drop("a.ndjson", ndjson(["new"]))
    desk.restart()
    assert desk.inputs() == ["new"]


def test_positions_of_files_that_are_gone_are_not_kept(desk):
    desk.drop("a.ndjson", ndjson(range(1500)))
    desk.settle()
    desk.poll(1)
    desk.judge()
    assert desk.stop()
    assert [position.offset for position in desk.positions] == [len(ndjson(range(1000)))]
    (desk.folder / "a.ndjson").unlink()
    desk.restart()
    desk.read()
    assert desk.stop()
    assert desk.positions == []


def test_a_stop_that_is_not_judged_in_time_says_so_and_keeps_what_was_judged(desk):
    desk.drop("a.ndjson", ndjson(range(1500)))
    desk.settle()
    desk.poll()
    assert desk.stop(0.0) is False
    desk.restart()
    assert len(desk.read()) == 1500


def test_what_the_pipeline_judged_counts_before_the_reader_has_taken_note_of_it(desk):
    desk.drop("a.ndjson", ndjson(range(1500)))
    desk.settle()
    [first] = desk.poll(1)
    assert [position.offset for position in desk.queries.kept([])] == [0]
    assert desk.queries.kept([first.position]) == [first.position]


def test_all_that_is_judged_is_kept_until_it_is_known_where_to_go_on(tmp_path):
    source = DropDirectory(tmp_path, LIMITS, watching=False)
    judged = [Position("a.csv", Identity(1, 2, 3, 4), offset=5)]
    assert source.queries.kept(judged) == judged
    source.queries.seek(judged)
    assert source.queries.kept(judged) == judged
    source.queries.poll()
    assert source.queries.kept(judged) == []
