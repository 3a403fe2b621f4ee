"""Where files go once they are read, and what is told about those that failed."""

import errno
import gzip
import json
import os

import pytest

from exporter.sources.drop import queries
from tests.exporter.sources.drop.conftest import Desk, ndjson, picture


def test_files_are_deleted_where_that_is_asked_for(tmp_path):
    desk = Desk(tmp_path, done="delete")
    desk.drop("a.ndjson", ndjson("a"))
    desk.drop("cat.png", picture())
    desk.drop("cat.json", "{}")
    assert len(desk.read()) == 2
    assert desk.names("done") == []
    assert desk.names() == ["done"]


def test_a_file_stays_until_its_last_query_is_judged(desk):
    desk.drop("a.ndjson", ndjson(range(1500)) + "junk\n")
    desk.settle()
    assert [len(delivery.queries) for delivery in desk.poll()] == [1000, 500]
    desk.handed[0].done(())
    desk.poll()
    assert "a.ndjson" in desk.names()
    assert desk.queries.files.pending() == 1
    desk.handed[1].done(())
    desk.poll()
    assert "a.ndjson" not in desk.names()
    assert desk.queries.files.pending() == 0


def test_the_same_name_dropped_anew_is_a_new_file_and_both_are_kept(desk):
    for value in "abc":
        desk.drop("q.csv.gz", gzip.compress(f"input\n{value}\n".encode()))
        assert desk.inputs() == [value]
    kept = desk.names("done")
    assert "q.csv.gz" in kept
    assert all(name.startswith("q.") and name.endswith(".csv.gz") for name in kept)
    texts = {gzip.decompress((desk.folder / "done" / name).read_bytes()) for name in kept}
    assert texts == {b"input\na\n", b"input\nb\n", b"input\nc\n"}


def test_a_new_file_of_the_same_name_is_not_put_away_in_place_of_the_old_one(desk):
    desk.drop("a.ndjson", ndjson("a"))
    desk.settle()
    desk.poll()
    desk.drop("a.ndjson", ndjson("b"))
    assert [query.input_data for query in desk.judge()] == ["a"]
    assert desk.inputs() == ["b"]
    assert (desk.folder / "done" / "a.ndjson").read_text() == ndjson("b")
    assert desk.queries.files.read == 2


@pytest.mark.parametrize(
    "name", ["a\nb.ndjson", "ünï 漢.ndjson", b"\xff\xfe.ndjson", "-rf.ndjson", "x" * 248 + ".ndjson"]
)
def test_any_file_name_is_fine(desk, name):
    name = os.fsdecode(name)
    for _ in range(2):
        desk.drop(name, ndjson("a") + "junk\n")
        assert desk.inputs() == ["a"]
    assert len(desk.names("done")) == 2
    assert len(desk.names("failed")) == 2
    for report in desk.names("failed"):
        assert json.loads((desk.folder / "failed" / report).read_text())["line"] == 2


def test_a_file_that_cannot_be_put_away_is_counted_once_kept_and_not_read_again(desk, caplog):
    (desk.folder / "done").write_text("in the way")
    desk.drop("a.ndjson", ndjson("a"))
    assert desk.inputs() == ["a"]
    for _ in range(3):
        assert desk.inputs() == []
    assert desk.queries.files.failed["filing"] == 1
    assert desk.queries.files.read == 1
    assert desk.queries.files.pending() == 0
    assert caplog.text.count("was read and cannot be put away") == 1
    (desk.folder / "done").unlink()
    desk.now += 61.0
    desk.poll()
    assert desk.names("done") == ["a.ndjson"]
    assert desk.queries.files.read == 1


def test_a_file_that_cannot_be_put_away_is_not_read_again_after_a_restart(desk):
    (desk.folder / "done").write_text("in the way")
    desk.drop("a.ndjson", ndjson("a"))
    desk.read()
    assert desk.stop()
    desk.restart()
    assert desk.inputs() == []
    (desk.folder / "done").unlink()
    desk.now += 61.0
    desk.poll()
    assert desk.names("done") == ["a.ndjson"]


def test_a_report_that_cannot_be_written_is_counted_and_the_file_is_kept(tmp_path, caplog):
    desk = Desk(tmp_path, done="delete")
    (desk.folder / "failed").write_text("in the way")
    desk.drop("a.ndjson", ndjson("a") + "junk\n")
    assert desk.inputs() == ["a"]
    assert "no report on a drop file could be written" in caplog.text
    assert "a.ndjson" in desk.names()
    assert desk.queries.files.failed["filing"] == 2


def refusing(error, names):
    """os.open that fails for some names, as it does for an unprivileged user; the tests may run as root."""
    real = os.open

    def opened(path, *arguments, **options):
        if path in names:
            raise OSError(error, os.strerror(error), path)
        return real(path, *arguments, **options)

    return opened


@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO])
def test_a_file_that_the_system_does_not_open_fails(desk, monkeypatch, error):
    desk.drop("a.ndjson", ndjson("a"))
    monkeypatch.setattr(os, "open", refusing(error, ["a.ndjson"]))
    assert desk.read() == []
    assert desk.queries.files.failed["io"] == 1
    assert "a.ndjson" in desk.names("failed")
    assert desk.report() == [
        {"file": "a.ndjson", "line": 1, "offset": 0, "code": "io", "reason": os.strerror(error), "raw": ""}
    ]


def test_a_folder_that_goes_away_is_logged_once_and_read_again_when_it_is_back(desk, caplog):
    desk.folder.rename(desk.folder.with_name("elsewhere"))
    for _ in range(3):
        assert desk.read() == []
    assert caplog.text.count("the drop directory cannot be read") == 1
    desk.folder.mkdir()
    desk.drop("a.ndjson", ndjson("a"))
    assert desk.inputs() == ["a"]


def test_a_report_is_bounded_and_the_file_is_kept_where_it_does_not_tell_all(tmp_path, monkeypatch):
    monkeypatch.setattr(queries, "REPORTED", 5)
    desk = Desk(tmp_path, done="delete")
    desk.drop("a.ndjson", ndjson("a") + "junk\n" * 2500)
    assert desk.inputs() == ["a"]
    assert len(desk.report()) == 5
    assert desk.queries.counts.rejected["malformed"] == 2500
    assert "a.ndjson" in desk.names("failed")
