import base64
import csv
import errno
import gzip
import io
import json
import logging
import os
import queue
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from exporter.config import Config, Limits, Model
from exporter.ledger import Ledger
from exporter.models import Models
from exporter.pipeline import Pipeline
from exporter.sources.drop import filing, queries, reading
from exporter.sources.drop.directory import DropDirectory
from exporter.sources.drop.positions import Identity, Position

LIMITS = Limits(body_bytes=4096, image_pixels=10_000)


class Desk:
    """A drop directory that is driven by hand, with a clock of its own; deliveries wait in `handed` to be judged."""

    def __init__(self, folder, **options):
        self.folder, self.positions = Path(folder) / "drop", []
        self.folder.mkdir(exist_ok=True)
        self.now = 1000.0
        self.options = options
        self.restart()

    def restart(self):
        """A new process on the same folder, with the positions of the last stop."""
        options = {"watching": False, "clock": lambda: 1e9, "steady": lambda: self.now, **self.options}
        self.source = DropDirectory(self.folder, LIMITS, **options)
        self.queries = self.source.queries
        self.queries.seek(self.positions)
        self.handed = []

    def drop(self, name, content):
        """A file that is moved in whole."""
        part = self.folder / ".part"
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.rename(self.folder / name)

    def settle(self):
        """See what is there, and let the settling time pass."""
        self.now += 3.0
        self.poll()
        self.now += 3.0

    def poll(self, most=10**9):
        """Read on; the deliveries that came."""
        came = []
        while len(came) < most and (delivery := self.queries.poll()):
            came.append(delivery)
        self.handed += came
        return came

    def judge(self):
        """Judge what was handed over; the queries."""
        handed, self.handed = self.handed, []
        for delivery in handed:
            delivery.done(())
        return [query for delivery in handed for query in delivery.queries]

    def read(self):
        """Wait until the files are complete, read and judge them all; the queries."""
        self.settle()
        self.poll()
        queries = self.judge()
        self.poll()
        return queries

    def stop(self, timeout=10.0):
        """Stop, and keep the positions; whether nothing was left to judge."""
        stopped = self.source.stop(timeout)
        self.positions = self.queries.kept([])
        return stopped

    def inputs(self):
        return [query.input_data for query in self.read()]

    def names(self, folder="."):
        return sorted(os.listdir(self.folder / folder)) if (self.folder / folder).exists() else []

    def report(self):
        (name,) = [name for name in self.names("failed") if name.endswith(".ndjson") and name.count(".") > 2]
        return [json.loads(entry) for entry in (self.folder / "failed" / name).read_text().splitlines()]


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def ndjson(inputs):
    return "".join(json.dumps({"input": value if isinstance(value, dict) else str(value)}) + "\n" for value in inputs)


def texts(*bounds):
    return [str(number) for number in range(*bounds)]


# -- what is read


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"input": "one"}'),
        ("a.json", '\ufeff {\n  "input": "one"\n}\n'),
        ("a.json", '[{"input": "one"}]'),
        ("a.json", '{"input": "one"}\n'),
        ("a.ndjson", '\n{"input": "one"}\n\n'),
        ("a.jsonl", '\ufeff{"input": "one"}'),
        ("a.csv", "input\none\n"),
        ("a.csv", '\ufeffinput,model\r\n"one",m\r\n'),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_each_format_is_read_plain_and_compressed(desk, name, text, compressed):
    data = text.encode()
    desk.drop(f"{name}.gz" if compressed else name, gzip.compress(data) if compressed else data)
    assert desk.inputs() == ["one"]
    assert (desk.queries.files.read, sum(desk.queries.files.failed.values())) == (1, 0)
    assert desk.names("done") == [f"{name}.gz" if compressed else name]


@pytest.mark.parametrize("text", [ndjson("abc"), "[" + ndjson("abc").strip().replace("\n", ",\n") + "]"])
def test_a_json_file_holds_many_queries_as_lines_or_as_an_array(desk, text):
    desk.drop("a.json", text)
    assert desk.inputs() == ["a", "b", "c"]


def test_rows_of_a_table_are_queries_with_their_features(desk):
    desk.drop("a.csv", 'client,age,city\r\n7,25,"New\nYork"\r\n8,,Rome\r\n')
    first, second = desk.read()
    assert (first.client, first.input_data) == ("7", {"age": 25, "city": "New\nYork"})
    assert (second.client, second.input_data) == ("8", {"city": "Rome"})


def picture(side=4):
    data = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), 7, np.uint8)).save(data, "PNG")
    return data.getvalue()


def test_a_picture_is_a_query_with_the_fields_beside_it(desk):
    desk.drop("cat.png", picture())
    desk.drop("cat.json", '{"model": "cats", "client": "7"}')
    (query,) = desk.read()
    np.testing.assert_array_equal(query.input_data, np.full((4, 4, 3), 7))
    assert (query.model, query.client, query.modality) == ("cats", "7", "image")
    assert desk.names("done") == ["cat.json", "cat.png"]
    assert desk.queries.files.read == 1


def test_a_picture_alone_is_a_query(desk):
    desk.drop("cat.PNG", picture())
    (query,) = desk.read()
    assert query.input_data.dtype == np.uint8


@pytest.mark.parametrize(
    "beside", ["{", "[1]", '{"input": "x"}', "\xff", '{"x": "' + "x" * (1 << 20) + '"}', "[" * 9999]
)
def test_a_picture_with_a_bad_file_beside_it_fails_with_it(desk, beside):
    desk.drop("cat.png", picture())
    desk.drop("cat.json", beside.encode("latin-1"))
    assert desk.read() == []
    assert desk.queries.files.failed["unreadable"] == 1
    assert {"cat.json", "cat.png"} < set(desk.names("failed"))


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"no picture", "invalid_input"), (picture()[:50], "invalid_input"), (picture(101), "too_large")],
)
def test_a_picture_that_cannot_be_decoded_fails(desk, data, code):
    desk.drop("cat.png", data)
    assert desk.read() == []
    assert desk.queries.counts.rejected[code] == 1
    assert desk.queries.files.failed["unreadable"] == 1
    assert desk.report()[0]["code"] == code


def test_a_picture_file_that_is_too_large_to_be_one_is_not_read(desk):
    desk.drop("cat.png", bytes(40_001))
    assert desk.read() == []
    assert desk.queries.files.failed["too_large"] == 1


def test_queries_with_times_of_their_own_say_so(desk):
    desk.drop("a.ndjson", '{"input": "a", "timestamp": 5}\n{"input": "b"}\n')
    desk.drop("b.ndjson", '{"input": "c"}\n')
    desk.settle()
    first, second = desk.poll()
    assert (first.own_time, first.received, [query.timestamp for query in first.queries]) == (True, 1e9, [5, None])
    assert (second.own_time, second.received) == (False, 1e9)
    assert {first.source, second.source} == {"drop"}


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


# -- what is refused


def test_bad_lines_are_reported_and_good_ones_count(desk):
    desk.drop("a.ndjson", '{"input": "a"}\n\njunk\n{"output": [1]}\n{"input": "b"}\n')
    assert desk.inputs() == ["a", "b"]
    entries = desk.report()
    assert "JSON" in entries[0].pop("reason")
    assert "input" in entries[1].pop("reason")
    assert entries == [
        {
            "file": "a.ndjson",
            "line": 3,
            "offset": 16,
            "code": "malformed",
            "raw": "junk",
        },
        {
            "file": "a.ndjson",
            "line": 4,
            "offset": 21,
            "code": "missing_field",
            "raw": '{"output": [1]}',
        },
    ]
    assert desk.queries.counts.rejected == {"malformed": 1, "missing_field": 1}
    assert sum(desk.queries.files.failed.values()) == 0
    assert desk.names("done") == ["a.ndjson"]


def test_bad_rows_are_reported_by_their_physical_line(desk):
    desk.drop("a.csv", 'a,b\n"1\n1",2\n1\n3,"4\n5,6\n')
    assert [query.input_data for query in desk.read()] == [{"a": "1\n1", "b": 2}, {"a": 5, "b": 6}]
    assert [(entry["line"], entry["code"]) for entry in desk.report()] == [(4, "malformed"), (5, "malformed")]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.csv", b"a,a\n1,2\n", "the header: two columns are named 'a'"),
        ("a.csv", b"a,\n1,2\n", "the header: column 2 has no name"),
        ("a.csv", b'"a\n1\n', "the header: a quote is not closed"),
        ("a.csv", b"\xff\xfea\0,\0", "the header: not UTF-8"),
        ("a.csv", b"\xef\xbb\xbf", "the header: is missing"),
        ("a.csv", b"x" * 5000 + b"\n1\n", "the header: a line of more than 4096 bytes"),
        ("a.ndjson", b"junk\n", "no JSON object"),
        ("a.json", b'{\n"input":\n}', "no JSON object"),
        ("a.json", b"[tru]", "no JSON object"),
        ("a.json", b'[{"a": 1}', "line 1: the array is not closed"),
        ("a.json.gz", b"no gzip", "gzip: Not a gzipped file"),
        ("a.csv.gz", gzip.compress(b"a\n1\n")[:-12], "gzip: "),
        ("a.ndjson.gz", gzip.compress(b'{"input": 1}\n')[:-6] + b"broken", "gzip: CRC check failed"),
    ],
)
def test_a_file_that_cannot_be_read_as_a_whole_is_moved_to_failed_with_its_reason(desk, name, data, reason):
    desk.drop(name, data)
    desk.read()
    assert desk.queries.files.failed == {**dict.fromkeys(desk.queries.files.failed, 0), "unreadable": 1}
    assert name in desk.names("failed")
    assert desk.names() == ["failed"]
    assert desk.report()[-1]["reason"].startswith(reason)


def test_what_comes_before_the_break_of_a_file_counts(desk):
    text = ndjson(range(3000))
    data = gzip.compress(text.encode())
    desk.drop("a.ndjson.gz", data[: len(data) // 2])
    found = desk.inputs()
    assert found == texts(len(found))
    assert found
    assert desk.queries.files.failed["unreadable"] == 1
    assert desk.names("failed")[0].startswith("a.")


def test_a_line_beyond_the_limit_is_refused_and_reading_goes_on(desk):
    desk.drop("a.ndjson", ndjson("a") + "x" * 9000 + "\n" + ndjson("b"))
    assert desk.inputs() == ["a", "b"]
    (entry,) = desk.report()
    assert (entry["line"], entry["code"]) == (2, "too_large")


def test_an_element_beyond_the_limit_ends_the_file(desk):
    desk.drop("a.json", '[{"input": "a"}, {"input": "' + "x" * 9000 + '"}, {"input": "b"}]')
    assert desk.inputs() == ["a"]
    assert desk.queries.files.failed["too_large"] == 1


def test_a_compressed_bomb_ends_early(desk, monkeypatch):
    monkeypatch.setattr(reading, "UNFOLDED_BYTES", 1 << 20)
    monkeypatch.setattr(reading, "UNFOLDED_FACTOR", 20)
    desk.drop("a.ndjson.gz", gzip.compress(ndjson("a").encode() + (b" " * 99 + b"\n") * 200_000))
    assert desk.inputs() == ["a"]
    assert desk.queries.files.failed["too_large"] == 1
    assert desk.report()[-1]["offset"] < 10_000_000


def test_deep_nesting_and_broken_utf8_are_refused_like_any_bad_line(desk):
    deep = b'{"input": {"a": ' + b"[" * 3000 + b"\n"
    desk.drop("a.ndjson", deep + b'{"input": "\xff"}\n' + ndjson("a").encode())
    assert desk.inputs() == ["a"]
    assert desk.queries.counts.rejected == {"malformed": 2}


def test_a_fault_in_a_decoder_fails_the_file_and_not_the_source(desk, monkeypatch, caplog):
    def fail(raw, limits):
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr("exporter.formats.native.decode_line", fail)
    desk.drop("a.ndjson", ndjson("a"))
    desk.drop("b.csv", "input\nb\n")
    assert desk.inputs() == ["b"]
    assert desk.queries.files.failed["unreadable"] == 1
    assert "the reader failed on a drop file" in caplog.text


def test_a_report_is_bounded_and_the_file_is_kept_where_it_does_not_tell_all(tmp_path, monkeypatch):
    monkeypatch.setattr(queries, "REPORTED", 5)
    desk = Desk(tmp_path, done="delete")
    desk.drop("a.ndjson", ndjson("a") + "junk\n" * 2500)
    assert desk.inputs() == ["a"]
    assert len(desk.report()) == 5
    assert desk.queries.counts.rejected["malformed"] == 2500
    assert "a.ndjson" in desk.names("failed")


# -- where files go


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


# -- stopping and going on


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


# -- bounds


@pytest.mark.parametrize("name", ["a.ndjson", "a.json", "a.csv", "a.ndjson.gz"])
def test_a_large_file_is_streamed(desk, name):
    text = "x" * 2000
    with (gzip.open if name.endswith("gz") else open)(desk.folder / name, "wt") as writer:
        writer.write({"a.csv": "input\n", "a.json": "["}.get(name, ""))
        for number in range(15_000):
            comma = "," if number and name == "a.json" else ""
            writer.write(f"{text}\n" if name == "a.csv" else f'{comma}{{"input": "{text}"}}\n')
        writer.write("]" if name == "a.json" else "")
    desk.settle()
    tracemalloc.start()
    queries = 0
    while delivery := desk.queries.poll():
        queries += len(delivery.queries)
        assert delivery.size <= reading.CHUNK_BYTES + LIMITS.body_bytes
        delivery.done(())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert queries == 15_000
    assert most < 8 << 20


def test_pictures_in_lines_count_with_their_pixels(desk):
    line = json.dumps({"input": {"image_base64": base64.b64encode(picture(100)).decode()}}) + "\n"
    desk.drop("a.ndjson", line * 100)
    desk.settle()
    assert [len(delivery.queries) for delivery in desk.poll()] == [35, 35, 30]


# -- with threads


class JudgingThread:
    """A bounded queue and a thread that judges what is in it."""

    def __init__(self, capacity=2):
        self.queue, self.inputs = queue.Queue(capacity), []
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def put(self, delivery, timeout):
        try:
            self.queue.put(delivery, timeout=timeout)
        except queue.Full:
            return False
        return True

    def run(self):
        while delivery := self.queue.get():
            with self.changed:
                self.inputs += [query.input_data for query in delivery.queries]
                self.changed.notify_all()
            delivery.done(())

    def wait_for(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.inputs) >= count, timeout=30)

    def stop(self):
        self.queue.put(None)
        self.thread.join()


@pytest.fixture
def judging():
    pipeline = JudgingThread()
    yield pipeline
    pipeline.stop()


def started(tmp_path, pipeline, **options):
    source = DropDirectory(tmp_path / "drop", LIMITS, **options)
    source.start(pipeline)
    return source


def test_files_that_were_there_and_files_that_are_written_moved_in_or_renamed_are_read(tmp_path, judging):
    folder = tmp_path / "drop"
    folder.mkdir()
    (folder / "there.ndjson").write_text(ndjson(["there"]))
    source = started(tmp_path, judging, settle_seconds=0.2)
    (folder / "written.ndjson").write_text(ndjson(["written"]))
    (tmp_path / "moved.ndjson").write_text(ndjson(["moved"]))
    (tmp_path / "moved.ndjson").rename(folder / "moved.ndjson")
    (folder / "renamed.part").write_text(ndjson(["renamed"]))
    (folder / "renamed.part").rename(folder / "renamed.ndjson")
    judging.wait_for(4)
    assert source.stop(10.0)
    assert sorted(judging.inputs) == ["moved", "renamed", "there", "written"]
    assert source.queries.counts.accepted == 4
    assert len(os.listdir(folder / "done")) == 4


class Noting:
    """The real pipeline, and an event once so many queries were put."""

    def __init__(self, pipeline, count):
        self.pipeline, self.left, self.reached = pipeline, count, threading.Event()

    def put(self, delivery, timeout):
        taken = self.pipeline.put(delivery, timeout)
        self.left -= taken and len(delivery.queries)
        if self.left <= 0:
            self.reached.set()
        return taken


def test_the_real_pipeline_judges_what_is_dropped(tmp_path):
    pipeline = Pipeline(Models(Config(models=(Model(name="m"),))), capacity=2000, capacity_bytes=1 << 20)
    pipeline.start()
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "a.csv").write_text("model,x,timestamp\n" + "m,1,50\n" * 4000)
    noting = Noting(Ledger(pipeline), 4000)
    source = started(tmp_path, noting, settle_seconds=0.0)
    assert noting.reached.wait(30)
    assert source.stop(10.0)
    assert pipeline.stop(10.0)
    assert pipeline.models.of("m").queries == 4000
    assert pipeline.models.of("m").clock == 50
    assert [position.taken for position in pipeline.positions.values()] == [4000]


def test_notices_make_reading_prompt(tmp_path, judging):
    """The settling time would take hours."""
    source = started(tmp_path, judging, settle_seconds=9999.0)
    seen = threading.Event()
    look, source.queries._look = source.queries._look, lambda: (look(), seen.set())
    assert seen.wait(30)
    (tmp_path / "drop" / "written.ndjson").write_text(ndjson(["written"]))
    judging.wait_for(1)
    (tmp_path / "moved.ndjson").write_text(ndjson(["moved"]))
    (tmp_path / "moved.ndjson").rename(tmp_path / "drop" / "moved.ndjson")
    judging.wait_for(2)
    (tmp_path / "drop" / "renamed.part").write_text(ndjson(["renamed"]))
    (tmp_path / "drop" / "renamed.part").rename(tmp_path / "drop" / "renamed.ndjson")
    judging.wait_for(3)
    assert source.stop(10.0)
    assert judging.inputs == ["written", "moved", "renamed"]


def test_without_notices_the_folder_is_looked_through(tmp_path, judging, monkeypatch, caplog):
    def fail():
        raise OSError(errno.EMFILE, "inotify instance limit reached")

    monkeypatch.setattr("exporter.sources.drop.watch._observer", fail)
    with caplog.at_level(logging.WARNING):
        source = started(tmp_path, judging, settle_seconds=0.0)
        (tmp_path / "drop" / "a.ndjson").write_text(ndjson("a"))
        judging.wait_for(1)
    assert source.stop(10.0)
    assert [record.reason for record in caplog.records] == ["inotify instance limit reached"]


def test_a_full_queue_holds_reading_back_and_a_stop_loses_nothing(tmp_path):
    class Full:
        def __init__(self):
            self.asked = threading.Event()

        def put(self, delivery, timeout):
            self.asked.set()
            return False

    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "a.ndjson").write_text(ndjson("a") + "junk\n")
    full = Full()
    source = started(tmp_path, full, settle_seconds=0.0, watching=False)
    assert full.asked.wait(30)
    assert source.stop(10.0)
    assert source.queries.counts.accepted == 0
    desk = Desk(tmp_path)
    assert desk.inputs() == ["a"]
    assert len(desk.report()) == 1


def test_a_folder_that_cannot_be_made_is_an_error_at_the_start(tmp_path):
    (tmp_path / "drop").write_text("a file")
    with pytest.raises(FileExistsError):
        started(tmp_path, None)


def test_an_unexpected_fault_is_logged_and_reading_goes_on(tmp_path, judging, monkeypatch, caplog):
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "a.ndjson").write_text(ndjson("a"))
    real, calls = filing.open_folder, []

    def failing(path):
        calls.append(path)
        if len(calls) == 1:
            raise ZeroDivisionError("a fault")
        return real(path)

    monkeypatch.setattr(queries, "open_folder", failing)
    source = started(tmp_path, judging, settle_seconds=0.0, watching=False)
    judging.wait_for(1)
    assert source.stop(10.0)
    assert "the drop directory could not be read on" in caplog.text
