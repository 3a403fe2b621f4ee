import os

import pytest

from exporter.sources.drop.arrivals import Arrivals, kind_of, listing
from exporter.sources.drop.positions import Identity

SETTLE = 2.0


def identity(inode, size=10, mtime_ns=0):
    return Identity(1, inode, size, mtime_ns)


def names(arrivals):
    return [arrival.name for arrival in arrivals]


@pytest.fixture
def arrivals():
    return Arrivals(SETTLE)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.json", ("a", "json", False)),
        ("a.b.NDJSON", ("a.b", "lines", False)),
        ("a.jsonl", ("a", "lines", False)),
        ("a.csv.gz", ("a", "table", True)),
        ("a.json.gz", ("a", "json", True)),
        ("a\nb.JPG", ("a\nb", "picture", False)),
        ("a.jpeg", ("a", "picture", False)),
    ],
)
def test_the_ending_says_what_a_file_is(name, kind):
    assert kind_of(name) == kind


@pytest.mark.parametrize(
    "name",
    [".a.json", ".csv", "a.csv.part", "a.csv.tmp", "a.json~", "a.png.gz", "a.gz", "README.txt", "json", "a.csv\n"],
)
def test_other_names_are_left_alone(name):
    assert kind_of(name) is None


def test_only_regular_files_with_content_are_listed(tmp_path):
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "b.part").write_text("x")
    (tmp_path / "c.csv").mkdir()
    os.mkfifo(tmp_path / "d.csv")
    (tmp_path / "e.csv").symlink_to(tmp_path / "a.csv")
    folder = os.open(tmp_path, os.O_RDONLY)
    found = listing(folder)
    os.close(folder)
    assert found == {"a.csv": Identity.of((tmp_path / "a.csv").stat())}


def test_a_file_is_complete_once_it_has_stayed_the_same(arrivals):
    files = {"a.csv": identity(1)}
    assert arrivals.look(files, 0.0) == []
    assert arrivals.look(files, 1.9) == []
    assert names(arrivals.look(files, 2.0)) == ["a.csv"]


@pytest.mark.parametrize("change", [{"size": 11}, {"mtime_ns": 5}, {"inode": 2}])
def test_a_change_begins_the_wait_anew(arrivals, change):
    arrivals.look({"a.csv": identity(1)}, 0.0)
    changed = {"a.csv": identity(**{"inode": 1, **change})}
    assert arrivals.look(changed, 2.0) == []
    assert names(arrivals.look(changed, 4.0)) == ["a.csv"]


def test_a_closed_file_is_complete_at_once_and_until_it_changes(arrivals):
    arrivals.closed("a.csv")
    assert names(arrivals.look({"a.csv": identity(1)}, 0.0)) == ["a.csv"]
    assert names(arrivals.look({"a.csv": identity(1)}, 0.1)) == ["a.csv"]
    assert arrivals.look({"a.csv": identity(1, size=11)}, 0.2) == []


def test_a_notice_of_what_came_after_the_folder_was_listed_is_kept_for_the_next_look():
    arrivals = Arrivals(9999.0)
    notices, listed = arrivals.notices(), {}
    arrivals.created("a.csv")
    arrivals.closed("a.csv")
    assert arrivals.look(listed, 0.0, notices) == []
    assert names(arrivals.look({"a.csv": identity(1)}, 0.1)) == ["a.csv"]


def test_a_file_that_was_created_after_the_folder_was_listed_is_still_open():
    arrivals = Arrivals(1.0)
    notices = arrivals.notices()
    arrivals.created("a.csv")
    arrivals.look({}, 0.0, notices)
    assert arrivals.look({"a.csv": identity(1)}, 0.0) == []
    assert arrivals.look({"a.csv": identity(1)}, 29.0) == []


def test_a_file_that_its_writer_holds_open_waits_for_it_but_not_for_ever(arrivals):
    arrivals.created("a.csv")
    files = {"a.csv": identity(1)}
    assert arrivals.look(files, 0.0) == []
    assert arrivals.look(files, 59.0) == []
    assert names(arrivals.look(files, 60.0)) == ["a.csv"]


def test_a_closed_file_no_longer_counts_as_held_open(arrivals):
    arrivals.created("a.csv")
    arrivals.closed("a.csv")
    assert names(arrivals.look({"a.csv": identity(1)}, 0.0)) == ["a.csv"]


def test_the_oldest_file_comes_first(arrivals):
    files = {"b.csv": identity(1, mtime_ns=5), "a.csv": identity(2, mtime_ns=5), "c.csv": identity(3, mtime_ns=1)}
    for name in files:
        arrivals.closed(name)
    assert names(arrivals.look(files, 0.0)) == ["c.csv", "a.csv", "b.csv"]


def test_a_picture_waits_for_the_file_beside_it_and_takes_it_along(arrivals):
    arrivals.closed("a.png")
    assert arrivals.look({"a.png": identity(1)}, 0.0) == []
    arrivals.closed("a.json")
    (arrival,) = arrivals.look({"a.png": identity(1), "a.json": identity(2)}, 0.5)
    assert (arrival.name, arrival.beside) == ("a.png", "a.json")


def test_a_picture_waits_until_the_file_beside_it_is_complete(arrivals):
    arrivals.closed("a.png")
    files = {"a.png": identity(1), "a.json": identity(2)}
    assert arrivals.look(files, 0.0) == []
    assert names(arrivals.look(files, 2.0)) == ["a.png"]


def test_a_picture_alone_comes_after_the_settling_time(arrivals):
    arrivals.look({"a.png": identity(1)}, 0.0)
    (arrival,) = arrivals.look({"a.png": identity(1)}, 2.0)
    assert arrival.beside is None


def test_a_json_file_waits_for_a_picture_and_is_a_query_file_if_none_comes(arrivals):
    arrivals.closed("a.json")
    assert arrivals.look({"a.json": identity(1)}, 0.0) == []
    assert names(arrivals.look({"a.json": identity(1)}, 2.0)) == ["a.json"]


def test_of_two_pictures_the_first_by_name_has_the_file_beside_it(arrivals):
    files = {"a.png": identity(1), "a.jpg": identity(2), "a.json": identity(3)}
    arrivals.look(files, 0.0)
    found = arrivals.look(files, 2.0)
    assert {arrival.name: arrival.beside for arrival in found} == {"a.jpg": "a.json", "a.png": None}
