"""The steps that storage builds from calls to the operating system."""

import errno
import os
from pathlib import Path

import pytest

from exporter.storage.files import Files, close_quietly, make_folder, replace, write_all
from tests.exporter.storage.conftest import FailingFiles


def test_folders_are_made_for_the_owner_alone_with_all_they_stand_in(tmp_path: Path) -> None:
    make_folder(Files(), tmp_path / "a" / "b")
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "a", tmp_path / "a" / "b")] == [0o700, 0o700]
    make_folder(Files(), tmp_path / "a" / "b")


def test_a_disk_that_takes_nothing_and_says_nothing_is_an_error(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="takes no more bytes") as refused:
        write_all(FailingFiles(short=0), descriptor, b"content")
    assert refused.value.errno == errno.EIO
    close_quietly(descriptor)
    close_quietly(descriptor)


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    files = FailingFiles()
    close_quietly(replace(files, tmp_path / "other", b"new"))
    for call in range(1, len(files.calls) + 1):
        path.write_bytes(b"old")
        with pytest.raises(OSError, match="no space left"):
            replace(FailingFiles([call]), path, b"new")
        assert path.read_bytes() in (b"old", b"new")
    descriptor = replace(files, path, b"new")
    os.write(descriptor, b" and more")
    close_quietly(descriptor)
    assert path.read_bytes() == b"new and more"


def test_to_delete_what_is_not_there_is_fine(tmp_path: Path) -> None:
    Files().unlink(tmp_path / "nothing")
