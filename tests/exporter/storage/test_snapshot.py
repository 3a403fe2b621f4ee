"""Snapshot files."""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.storage.snapshot import MAGIC, VERSION, Snapshots
from tests.exporter.storage.conftest import FailingFiles


def test_the_newest_comes_first_and_the_one_before_is_kept(tmp_path):
    snapshots = Snapshots(tmp_path)
    assert [snapshots.save(number, {"at": number}) for number in (3, 5, 9)] == [3, 3, 5]
    assert list(Snapshots(tmp_path).load()) == [(9, {"at": 9}), (5, {"at": 5})]


@pytest.mark.parametrize("damage", [b"", b"no snapshot at all, but long enough", None])
def test_what_cannot_be_used_is_set_aside_and_the_one_before_counts(tmp_path, damage):
    snapshots = Snapshots(tmp_path)
    snapshots.save(1, "old")
    snapshots.save(2, "new")
    newest = tmp_path / f"{2:020d}.snapshot"
    newest.write_bytes(newest.read_bytes()[:-1] if damage is None else damage)
    assert next(snapshots.load()) == (1, "old")
    assert snapshots.set_aside == 1
    assert newest.with_suffix(".unusable").exists()


@pytest.mark.parametrize("name", ["12ab.snapshot", "1.snapshot", "\u0661.snapshot", f"{2:020d}x.snapshot"])
def test_files_of_other_names_are_not_looked_at(tmp_path, name):
    snapshots = Snapshots(tmp_path)
    snapshots.save(1, "good")
    (tmp_path / name).touch()
    assert list(snapshots.load()) == [(1, "good")]
    assert snapshots.save(2, "better") == 1
    assert snapshots.set_aside == 0


@settings(deadline=None)
@given(st.data())
def test_no_flipped_byte_goes_unnoticed(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("state")
    snapshots = Snapshots(folder)
    snapshots.save(1, {"counts": [1, 2, 3]})
    [path] = folder.iterdir()
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    assert list(snapshots.load()) == []


@given(st.binary(max_size=60) | st.just(b"\x91" * 100_000) | st.just(b"\xa1\xff"))
@settings(deadline=None)
def test_garbage_with_the_right_checksum_is_some_state_or_set_aside(tmp_path_factory, garbage):
    folder = tmp_path_factory.mktemp("state")
    head = MAGIC + VERSION.to_bytes(4, "little") + zlib.crc32(garbage).to_bytes(4, "little")
    (folder / f"{1:020d}.snapshot").write_bytes(head + garbage)
    snapshots = Snapshots(folder)
    assert len(list(snapshots.load())) + snapshots.set_aside == 1


@pytest.mark.parametrize("late", [False, True])
def test_whichever_call_fails_the_old_one_or_the_new_one_is_there(tmp_path, late):
    files = FailingFiles()
    Snapshots(tmp_path / ".", files).save(1, "old")
    for call in range(1, len(files.calls) + 1):
        folder = tmp_path / str(call)
        folder.mkdir()
        Snapshots(folder).save(1, "old")
        with pytest.raises(OSError, match="no space left"):
            Snapshots(folder, FailingFiles([call], late=late)).save(2, "new")
        assert next(Snapshots(folder).load()) in [(1, "old"), (2, "new")]
