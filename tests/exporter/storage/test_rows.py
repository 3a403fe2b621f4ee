"""Files of rows, against a list in memory, with any call to the system failing."""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.storage import rows as module
from exporter.storage.rows import DamagedRows, RowFile, remove_others
from tests.exporter.storage.conftest import FailingFiles


def numbered(start, stop, dimensions=3):
    """Rows that tell their number."""
    return np.arange(start, stop, dtype=np.float32)[:, None] + np.arange(dimensions, dtype=np.float32) / 8


def filled(folder, stop, dimensions=3, files=None):
    rows = RowFile(folder, "space", dimensions, files=files)
    rows.append(0, numbered(0, stop, dimensions))
    rows.sync()
    return rows


def plain(reference):
    """The reference as a snapshot brings it back."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(reference))


@pytest.fixture
def files():
    return FailingFiles()


def fail(files, calls):
    """The call so many calls from now fails."""
    files.failing = {len(files.calls) + calls}


def test_rows_come_back_by_their_numbers_after_they_were_opened_again(tmp_path):
    rows = RowFile(tmp_path, "space", 3, first=10)
    for start, stop in ((10, 14), (14, 14), (14, 30)):
        rows.append(start, numbered(start, stop))
    rows.sync()
    assert (rows.first, rows.last, rows.nbytes) == (10, 30, 20 * 12)
    reference = plain(rows.reference())
    again = RowFile.open(tmp_path, reference)
    np.testing.assert_array_equal(again.read(12, 29), numbered(12, 29))
    assert again.read(12, 12).shape == (0, 3)
    assert again.read(10, 30).dtype == np.float32
    assert again.reference() == reference
    again.append(30, numbered(30, 31))
    np.testing.assert_array_equal(again.read(29, 31), numbered(29, 31))


def test_what_is_newer_than_the_reference_or_torn_is_cut_off(tmp_path):
    rows = filled(tmp_path, 5)
    reference = rows.reference()
    rows.append(5, numbered(5, 9))
    with open(tmp_path / reference["file"], "ab") as stream:
        stream.write(b"torn")
    again = RowFile.open(tmp_path, reference)
    assert again.last == 5
    assert (tmp_path / again.name).stat().st_size == 5 * 12
    again.append(5, numbered(5, 7))
    np.testing.assert_array_equal(again.read(0, 7), numbered(0, 7))


@settings(deadline=None)
@given(st.integers(0, 20 * 12 - 1), st.integers(0, 7))
def test_any_flipped_bit_is_found(position, bit):
    with TemporaryDirectory() as folder:
        rows = filled(Path(folder), 20)
        path = Path(folder) / rows.name
        content = bytearray(path.read_bytes())
        content[position] ^= 1 << bit
        path.write_bytes(content)
        with pytest.raises(DamagedRows, match=r"its first 20 rows have changed: checksum \d+, expected \d+"):
            RowFile.open(Path(folder), rows.reference())


@settings(deadline=None)
@given(st.integers(0, 20 * 12 - 1))
def test_a_file_that_is_too_short_is_refused(size):
    with TemporaryDirectory() as folder:
        rows = filled(Path(folder), 20)
        os.truncate(Path(folder) / rows.name, size)
        with pytest.raises(DamagedRows, match=f"has {size} bytes, expected at least 240"):
            RowFile.open(Path(folder), rows.reference())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"file": "gone-0-0.rows"}, "gone-0-0.rows: is not there"),
        ({"file": "../x.rows"}, "names the file '../x.rows', expected a plain name with .rows"),
        ({"file": "x"}, "names the file 'x', expected a plain name with .rows"),
        ({"file": None}, "a reference to rows is none: Expected `str`, got `null`"),
        ({"count": -1}, "a reference to -1 rows of 3 numbers"),
        ({"dimensions": 0}, "a reference to 4 rows of 0 numbers"),
        ({"more": 1}, "a reference to rows is none"),
        ({"crc": 1}, "its first 4 rows have changed"),
    ],
)
def test_a_reference_to_something_else_is_refused_in_words(tmp_path, changes, message):
    rows = filled(tmp_path, 4)
    with pytest.raises(DamagedRows, match=message):
        RowFile.open(tmp_path, {**rows.reference(), **changes})


def test_rows_that_were_never_there_are_not_read(tmp_path):
    rows = filled(tmp_path, 4)
    for start, stop in ((-1, 2), (0, 5), (3, 2)):
        with pytest.raises(DamagedRows, match=f"rows {start} to {stop} were asked for, and it holds 0 to 4"):
            rows.read(start, stop)
    os.truncate(tmp_path / rows.name, 40)
    with pytest.raises(DamagedRows, match="became shorter"):
        rows.read(0, 4)


def test_rows_that_do_not_follow_are_refused(tmp_path):
    rows = filled(tmp_path, 4)
    for number, more in ((3, numbered(3, 5)), (4, numbered(4, 5, 2)), (4, np.zeros(3, np.float32))):
        with pytest.raises(ValueError, match="cannot follow the 3 numbers each of the rows before 4"):
            rows.append(number, more)
    assert rows.last == 4


def test_after_a_gap_a_new_file_begins_and_the_old_one_stays(tmp_path):
    rows = filled(tmp_path, 4)
    old = rows.reference()
    rows.append(9, numbered(9, 12))
    rows.sync()
    assert (rows.first, rows.last) == (9, 12)
    np.testing.assert_array_equal(rows.read(9, 12), numbered(9, 12))
    before = RowFile.open(tmp_path, old)
    np.testing.assert_array_equal(before.read(0, 4), numbered(0, 4))


def test_rows_move_to_a_new_file_once_more_are_dead_than_alive(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SMALL", 0)
    rows = filled(tmp_path, 100)
    old = rows.reference()
    rows.forget(50)
    assert rows.reference() == old  # as many dead as alive
    rows.forget(51)
    assert rows.reference()["file"] != old["file"]
    assert (rows.first, rows.last) == (51, 100)
    rows.append(100, numbered(100, 103))
    rows.sync()
    for reference, first, last in ((old, 0, 100), (rows.reference(), 51, 103)):
        again = RowFile.open(tmp_path, reference)
        np.testing.assert_array_equal(again.read(first, last), numbered(first, last))
    assert remove_others(tmp_path, {rows.name}) == 1
    assert [path.name for path in tmp_path.iterdir()] == [rows.name]
    rows.forget(200)  # all of them, and some that never came
    assert (rows.first, rows.last) == (200, 200)


def test_few_dead_rows_move_nothing(tmp_path):
    rows = filled(tmp_path, 100)
    name = rows.name
    rows.forget(99)
    assert rows.name == name


def test_other_files_in_the_folder_stay(tmp_path):
    (tmp_path / "7.snapshot").touch()
    (tmp_path / "a-0-x.rows").touch()
    (tmp_path / "b-0-x.rows.part").touch()
    assert remove_others(tmp_path, set()) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["7.snapshot"]


def test_the_files_are_for_their_owner_alone(tmp_path):
    rows = filled(tmp_path, 1)
    assert (tmp_path / rows.name).stat().st_mode & 0o777 == 0o600


def test_half_a_write_is_written_again_and_leaves_no_trace(tmp_path, files):
    rows = filled(tmp_path, 4, files=files)
    fail(files, 2)
    with pytest.raises(OSError, match="no space left"):
        rows.append(4, -numbered(4, 9))
    assert rows.last == 4
    rows.append(4, numbered(4, 6))
    rows.sync()
    again = RowFile.open(tmp_path, rows.reference())
    np.testing.assert_array_equal(again.read(0, 6), numbered(0, 6))


def test_after_a_failed_sync_only_what_is_on_the_disk_counts(tmp_path, files):
    rows = filled(tmp_path, 4, files=files)
    rows.append(4, numbered(4, 9))
    fail(files, 2)
    with pytest.raises(OSError, match="no space left"):
        rows.sync()
    assert rows.last == 4
    assert rows.reference()["count"] == 4


steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 30)),
        st.tuples(st.just("skip"), st.integers(1, 5)),
        st.tuples(st.just("forget"), st.integers(0, 40)),
        st.tuples(st.just("snapshot"), st.just(0)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("fail"), st.integers(1, 9)),
    ),
    max_size=40,
)


class Snapshooter:
    """Does to a file what a window and its snapshots do, and knows which rows each kept snapshot needs."""

    def __init__(self, folder):
        self.folder, self.files = folder, FailingFiles()
        self.first = self.next = 0
        self.rows = RowFile(folder, "space", 2, files=self.files)
        self.kept = []

    def append(self, count):
        """Rows come into the window; what a failed call lost comes again from there."""
        self.next += count
        start = max(self.first, self.rows.last)
        self.rows.append(start, numbered(start, self.next, 2))

    def skip(self, count):
        """Rows come and leave before they could be copied."""
        self.first = self.next = self.next + count

    def forget(self, count):
        self.first = min(self.first + count, self.next)
        self.rows.forget(self.first)

    def snapshot(self, _):
        self.append(0)
        self.rows.sync()
        self.kept = [(self.rows.reference(), self.first, self.next), *self.kept][:2]
        remove_others(self.folder, {self.rows.name, *(reference["file"] for reference, _, _ in self.kept)})

    def restart(self, _):
        self.files.failing = ()
        if self.kept:
            reference, self.first, self.next = self.kept[0]
            self.rows = RowFile.open(self.folder, plain(reference), self.files)
        else:
            self.first = self.next = 0
            self.rows = RowFile(self.folder, "space", 2, files=self.files)

    def fail(self, after):
        fail(self.files, after)

    def check(self):
        """Both snapshots can be loaded, whatever happened since."""
        self.files.failing = ()
        for reference, first, last in self.kept:
            rows = RowFile.open(self.folder, plain(reference))
            np.testing.assert_array_equal(rows.read(first, last), numbered(first, last, 2))


@settings(deadline=None, max_examples=300)
@given(steps)
def test_kept_snapshots_find_their_rows_whichever_call_fails(steps):
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SMALL", 0)
        patch.setattr(module, "READ", 100)
        snapshooter = Snapshooter(Path(folder))
        for step, argument in steps:
            with suppress(OSError):
                getattr(snapshooter, step)(argument)
        snapshooter.check()
