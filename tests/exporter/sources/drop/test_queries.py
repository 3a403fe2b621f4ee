"""Which files are read, and when: those of others are not touched, and a file is read once it is complete."""

import os

import pytest

from tests.exporter.sources.drop.conftest import ndjson, picture, texts

# -- what is not touched


def test_hidden_temporary_and_foreign_names_stay(desk):
    names = [".a.json", "a.csv.part", "a.csv.tmp", "README.txt", "empty.csv"]
    for name in names:
        desk.drop(name, "" if name == "empty.csv" else '{"input": "x"}')
    assert desk.read() == []
    assert desk.names() == sorted(names)
    assert desk.queries.files.pending() == 0


def test_links_pipes_and_folders_are_not_followed(desk, tmp_path):
    (tmp_path / "outside.ndjson").write_text(ndjson("x"))
    (desk.folder / "a.ndjson").symlink_to(tmp_path / "outside.ndjson")
    (desk.folder / "sub.ndjson").mkdir()
    (desk.folder / "sub.ndjson" / "b.ndjson").write_text(ndjson("x"))
    (desk.folder / "linked").symlink_to(tmp_path)
    os.mkfifo(desk.folder / "c.ndjson")
    assert desk.read() == []
    assert (tmp_path / "outside.ndjson").exists()


@pytest.mark.parametrize("swap", ["link", "pipe", "folder", "file"])
def test_a_file_that_is_swapped_between_looking_and_opening_is_not_read(desk, tmp_path, swap):
    desk.drop("a.ndjson", ndjson("a"))
    desk.drop("b.ndjson", ndjson("b"))
    desk.settle()
    (delivery,) = desk.poll(1)
    victim = desk.folder / ("b.ndjson" if delivery.queries[0].input_data == "a" else "a.ndjson")
    victim.unlink()
    (tmp_path / "outside.ndjson").write_text(ndjson("x"))
    if swap == "link":
        victim.symlink_to(tmp_path / "outside.ndjson")
    elif swap == "pipe":
        os.mkfifo(victim)
    elif swap == "folder":
        victim.mkdir()
    else:
        victim.write_text(ndjson("other"))
    assert desk.poll() == []
    assert sum(desk.queries.files.failed.values()) == 0


def test_the_file_beside_a_picture_is_not_followed_out_of_the_folder(desk, tmp_path):
    (tmp_path / "outside.json").write_text('{"model": "secret"}')
    (desk.folder / "cat.json").symlink_to(tmp_path / "outside.json")
    desk.drop("cat.png", picture())
    (query,) = desk.read()
    assert query.model is None


@pytest.mark.parametrize("name", ["done", "failed"])
def test_a_link_in_place_of_a_subfolder_is_not_followed(desk, tmp_path, name):
    (tmp_path / "outside").mkdir()
    (desk.folder / name).symlink_to(tmp_path / "outside")
    desk.drop("a.ndjson", ndjson("a") + ("" if name == "done" else "junk\n"))
    assert desk.inputs() == ["a"]
    assert os.listdir(tmp_path / "outside") == []
    assert desk.queries.files.failed["filing"] >= 1
    assert "a.ndjson" in desk.names()


# -- when a file is complete


def test_a_file_that_grows_is_read_once_it_stays_the_same(desk):
    path = desk.folder / "a.ndjson"
    path.write_text('{"input": "a"}\n{"inp')
    desk.settle()
    with path.open("a") as writer:
        writer.write('ut": "b"}\n')
    assert desk.poll() == []
    assert desk.inputs() == ["a", "b"]


def test_what_is_written_while_a_file_is_read_is_read_too_and_nothing_twice(desk):
    path = desk.folder / "a.ndjson"
    path.write_text(ndjson(range(1500)))
    desk.settle()
    desk.poll(1)
    with path.open("a") as writer:
        writer.write(ndjson([1500, 1501]))
    desk.poll()
    assert [query.input_data for query in desk.judge()] == texts(1000)
    assert desk.inputs() == texts(1000, 1502)
    assert desk.names("done") == ["a.ndjson"]
    assert desk.queries.files.read == 1


def test_files_that_come_while_another_is_read_are_told_of(desk):
    desk.drop("long.ndjson", ndjson(range(2500)))
    desk.settle()
    desk.poll(1)
    assert desk.queries.files.pending() == 1
    for name in "ab":
        desk.drop(f"{name}.ndjson", ndjson([0]))
    desk.now += 5
    desk.poll(1)
    assert desk.queries.files.pending() == 3


def test_what_is_written_before_a_file_is_put_away_is_read_too(desk):
    path = desk.folder / "a.ndjson"
    path.write_text(ndjson("a"))
    desk.settle()
    desk.poll()
    with path.open("a") as writer:
        writer.write(ndjson("b"))
    assert [query.input_data for query in desk.judge()] == ["a"]
    desk.poll()
    assert desk.names() == ["a.ndjson"]
    assert desk.inputs() == ["b"]
    assert desk.names("done") == ["a.ndjson"]


def test_other_content_in_the_same_file_is_a_new_file(desk):
    path = desk.folder / "a.ndjson"
    path.write_text(ndjson(range(1500)))
    desk.settle()
    desk.poll(1)
    path.write_text(ndjson(f"new {number}" for number in range(1500)))  # opened anew, so it is the same inode
    desk.poll()
    desk.judge()
    assert desk.inputs() == [f"new {number}" for number in range(1500)]


@pytest.mark.parametrize("moment", ["before it is opened", "while it is read", "before it is put away"])
def test_a_file_that_vanishes_is_forgotten(desk, moment):
    desk.drop("a.ndjson", ndjson(range(1500)))
    desk.settle()
    if moment != "before it is opened":
        desk.poll(1 if moment == "while it is read" else 2)
    (desk.folder / "a.ndjson").unlink()
    desk.poll()
    desk.judge()
    assert desk.inputs() == []
    assert sum(desk.queries.files.failed.values()) == 0
    assert desk.queries.files.pending() == 0


def test_a_file_that_is_renamed_while_it_waits_is_not_read_twice(desk):
    desk.drop("a.ndjson", ndjson("a"))
    desk.settle()
    desk.poll()
    (desk.folder / "a.ndjson").rename(desk.folder / "b.ndjson")
    assert [query.input_data for query in desk.judge()] == ["a"]
    assert desk.inputs() == []
    assert desk.names("done") == ["b.ndjson"]
