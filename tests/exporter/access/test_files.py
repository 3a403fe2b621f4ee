"""Files that may change while the service runs."""

from pathlib import Path

import pytest

from exporter.access import AccessError, files
from tests.exporter.conftest import Clock


def test_a_change_is_seen_once_and_only_when_a_second_is_over(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    watched = files.WatchedFile(str(path), clock)
    path.write_text("other")
    assert not watched.has_changed()
    clock.now += 1
    assert watched.has_changed()
    clock.now += 1
    assert not watched.has_changed()


def test_a_file_that_comes_goes_or_is_replaced_has_changed(tmp_path: Path, clock: Clock) -> None:
    path, other = tmp_path / "file", tmp_path / "other"
    watched = files.WatchedFile(str(path), clock)

    def seen() -> bool:
        clock.now += 1
        return watched.has_changed()

    path.write_text("a")
    assert seen()
    other.write_text("b")
    other.rename(path)
    assert seen()
    path.unlink()
    assert seen()
    assert not seen()


def test_what_cannot_be_read_is_said_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="gone cannot be read: No such file"):
        files.read(str(tmp_path / "gone"))
    with pytest.raises(AccessError, match="cannot be read: Is a directory"):
        files.read(str(tmp_path))


def test_a_file_without_an_end_does_not_fill_the_memory() -> None:
    with pytest.raises(AccessError, match=f"/dev/zero is larger than {files.MAX_BYTES} bytes"):
        files.read("/dev/zero")
